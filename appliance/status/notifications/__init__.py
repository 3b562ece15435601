"""Notifying people of what goes wrong: what there is to say, what has been said, and the ways to say it."""
