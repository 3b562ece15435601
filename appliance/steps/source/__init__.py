"""Reading the source within a step, and giving way to those who use it."""
