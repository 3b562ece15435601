"""Certificates: what the VM trusts, what connections refer to, and the status service's own."""
