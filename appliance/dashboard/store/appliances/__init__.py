"""The fleet: what appliances say of themselves, and what is asked of them."""
