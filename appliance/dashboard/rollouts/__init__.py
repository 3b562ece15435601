"""A release for a group of appliances, in waves that stop by themselves."""
