"""Where a result goes, and what runs in it before."""
