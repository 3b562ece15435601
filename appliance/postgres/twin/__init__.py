"""The next twin: making, finishing, proving and publishing it."""
