"""Handing what a run has made to a container of the customer's own."""
