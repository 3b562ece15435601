"""Masks of what reaches a person, or says where a person is."""
