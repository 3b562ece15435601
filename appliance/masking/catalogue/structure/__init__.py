"""Masks inside values that have an inner structure."""
