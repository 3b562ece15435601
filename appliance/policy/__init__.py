"""The customer's own limits, which nothing from the cloud can widen."""
