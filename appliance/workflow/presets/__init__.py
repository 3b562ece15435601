"""Named sets of rules that workflows use: what one is, where it lies, how it becomes part of a document."""
