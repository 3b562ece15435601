"""Free text without secrets, personal data or quoted values."""
