"""Documents as people write them: YAML and JSON read strictly, with all problems at once."""
