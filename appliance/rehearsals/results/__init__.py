"""What a rehearsal has found, and how it is written down."""
