"""Sessions on the source and the target: opening, settings, checks."""
