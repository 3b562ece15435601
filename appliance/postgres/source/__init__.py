"""Reading the source: catalog, types, snapshot, schema dump."""
