"""Masks of numbers and codes that stand for one person, account, device or thing."""
