"""What to write for columns that nothing covers."""
