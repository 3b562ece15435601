"""What a run proves of its twin: evidence gathered from the source, and the twin held against it."""
