"""kgpt2: the whole GPT-2 route in Keras. Importing it imports nothing heavy."""

__version__ = "0.1.0"
