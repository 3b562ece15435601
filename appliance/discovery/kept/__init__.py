"""The look at columns that a workflow keeps."""
