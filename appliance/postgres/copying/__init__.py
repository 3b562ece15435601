"""Rows from the source into the next twin, and the evidence gathered on the way."""
