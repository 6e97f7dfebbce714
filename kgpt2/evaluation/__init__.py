"""How good the text is."""
