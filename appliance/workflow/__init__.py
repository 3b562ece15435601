"""The workflow document: its model, its validation, and matching its rules to columns."""
