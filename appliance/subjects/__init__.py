"""Who a subject is, which rows are about one, and which subjects were erased. Pure, but for reading files."""
