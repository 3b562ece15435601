"""Runs of this machine without the appliance's services: what is written down of them, and read again."""
