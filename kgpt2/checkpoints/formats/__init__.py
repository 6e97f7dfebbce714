"""Weight files: one module a format, each from a path to tensors that are read when they are asked for."""
