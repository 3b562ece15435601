"""Masks of text of any kind."""
