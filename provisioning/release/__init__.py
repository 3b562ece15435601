"""Releases: making a bundle, checking and unpacking it on the host, and switching to it."""
