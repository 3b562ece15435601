"""What is carried over from the twin that is replaced."""
