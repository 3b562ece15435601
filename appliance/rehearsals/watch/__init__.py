"""What is seen of a migration while it runs."""
