"""The runtime on Keras, on any backend and device."""
