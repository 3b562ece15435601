"""Reading catalogs, snapshots, COPY streaming, schema dump and load, and the database swap."""
