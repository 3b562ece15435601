"""Masks inside JSON documents."""
