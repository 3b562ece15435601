"""Going down to an older release: which, what that would lose, and what is kept of it."""
