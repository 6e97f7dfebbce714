"""How a model learns: the fit loop around Keras' own."""
