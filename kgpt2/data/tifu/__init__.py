"""reddit_tifu, from JSON lines or through TensorFlow Datasets."""
