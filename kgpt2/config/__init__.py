"""Settings, the run configuration and the recipes that hold them."""
