"""What makes the reference pages, one file a kind of page. Each gives text and writes nothing."""
