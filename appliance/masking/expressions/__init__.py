"""SQL expressions that masks are built from."""
