"""Branches of a twin: databases of their own, copied from what a run has proven, that end by themselves."""
