"""Reads the rules of other tools and writes a workflow that does the same, where there is an equal here."""
