"""What the commands for workflows do."""
