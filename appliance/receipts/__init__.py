"""Receipts: a signed record of each run, chained one to the next, that anyone can check without us."""
