"""What is asked of the status service, and who may ask."""
