"""Delivered files on the appliance's disk."""
