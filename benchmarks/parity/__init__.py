"""Whether it computes what others compute, and what hostile or broken input does to it."""
