"""Whether a connection works, and for what."""
