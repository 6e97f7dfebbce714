"""A model for others: what of a folder is published, its card, and the upload."""
