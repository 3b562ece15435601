"""Runs as events report them: taken in, shown, and kept for a time."""
