"""The conditions of ``rows: where``: their grammar and their tree."""
