"""A task of a DAG: one kind of work a file, each in containers of its own."""
