"""What runs inside a step container: one step a file."""
