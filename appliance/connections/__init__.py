"""Connections by name: what ``connections.yaml`` says, and how a password is come by."""
