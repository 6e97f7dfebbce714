"""How fast: decoding, learning, reading, starting."""
