"""Files of a database that was proven: text, Parquet, and archives for pg_restore."""
