"""What a server must be and have for a twin."""
