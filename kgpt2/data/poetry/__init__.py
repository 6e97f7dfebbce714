"""The chinese-poetry collection: its files, what is in them, cleaned poems."""
