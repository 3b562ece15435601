"""One value of a few."""
