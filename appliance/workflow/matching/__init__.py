"""Rules of a workflow, matched to the tables and columns of a source."""
