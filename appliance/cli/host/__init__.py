"""Command groups of those who keep the machine."""
