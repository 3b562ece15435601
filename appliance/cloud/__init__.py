"""Talking to the dashboard."""
