"""What commands print when they have ended."""
