"""The page for people who use data, and the calls that files are fetched by."""
