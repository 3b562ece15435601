"""``appliance.yaml``."""
