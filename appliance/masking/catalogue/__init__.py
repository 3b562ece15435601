"""The masks, one family a file."""
