"""The packaged model, and how well texts keep the rules of verse."""
