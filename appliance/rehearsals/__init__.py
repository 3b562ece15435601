"""Rehearsals: a migration tried in a branch of the twin, with every lock, rewrite and wait written down."""
