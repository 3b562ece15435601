"""Masks of what reaches somebody, or says where somebody is."""
