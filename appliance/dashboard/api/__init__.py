"""The dashboard's JSON API."""
