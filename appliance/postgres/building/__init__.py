"""Building the next twin aside: its objects, settings, checks, indexes and the order of its rows."""
