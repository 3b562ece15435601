"""Masks of numbers, dates and times."""
