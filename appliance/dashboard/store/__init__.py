"""The dashboard's database."""
