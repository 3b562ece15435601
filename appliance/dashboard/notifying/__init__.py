"""Notifying the vendor's people of what goes wrong in the fleet."""
