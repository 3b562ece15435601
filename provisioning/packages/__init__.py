"""Debian packages: where they come from, and the ones that every concern needs."""
