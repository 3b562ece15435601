"""An erasure at the copies: databases, files, objects, branches."""
