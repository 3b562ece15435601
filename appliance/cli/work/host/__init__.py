"""What the commands for the machine do."""
