"""How fast it is: throughput of a model, and the comparison with PyTorch on the same weights."""
