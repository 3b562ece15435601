"""What the machine gives: disk, units, findings about it."""
