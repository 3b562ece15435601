"""Made-up people and firms."""
