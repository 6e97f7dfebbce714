"""From a checkpoint to a file or folder for another program: a Keras preset, a Hugging Face folder, GGUF."""
