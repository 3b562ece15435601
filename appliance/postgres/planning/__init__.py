"""From a catalog and a workflow to a plan, or to all that is wrong."""
