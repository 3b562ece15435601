"""One attempt at a step as a container."""
