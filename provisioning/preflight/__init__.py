"""Refuse a host that cannot become an appliance before anything on it is changed."""
