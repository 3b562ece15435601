"""What the commands for copies do."""
