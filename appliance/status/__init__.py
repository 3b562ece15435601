"""The local status service."""
