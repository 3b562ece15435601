"""The catalogue of masks, and the compiler from rules to a SELECT list."""
