"""Asking an appliance from elsewhere: over its status service, or through the dashboard."""
