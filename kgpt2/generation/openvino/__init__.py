"""The runtime on CPUs."""
