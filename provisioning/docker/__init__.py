"""The Docker engine that runs the steps."""
