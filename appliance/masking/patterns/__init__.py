"""Regular expressions that people write, read and written anew for PostgreSQL."""
