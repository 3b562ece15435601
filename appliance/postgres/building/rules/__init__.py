"""What masked rows may break in a twin, tried before a row is copied."""
