"""The mask key, what is derived from it, and its epochs."""
