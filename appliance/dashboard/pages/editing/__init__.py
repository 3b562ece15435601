"""Writing a workflow: the form, the columns screen, the YAML, the plan."""
