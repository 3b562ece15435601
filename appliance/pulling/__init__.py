"""``appliance pull``: fetching an export to another machine, and restoring it there.

It runs on a laptop: with the base package, without settings, state or keys of an appliance.
"""
