"""Keeps task logs, exports and receipts within their bounds."""
