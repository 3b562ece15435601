"""Steps that look and leave nothing behind."""
