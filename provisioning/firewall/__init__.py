"""What may come in, and what steps may reach on this machine."""
