"""Masks inside XML documents."""
