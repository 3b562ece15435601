"""A look at the columns that a workflow keeps: on the source during ``copy``, in the twin at ``verify``."""
