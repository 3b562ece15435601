"""A managed data-privacy appliance: masked copies of PostgreSQL data, made inside the customer's network."""

__version__ = "0.1.0"
