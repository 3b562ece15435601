"""The vendor's side of the release repository: its keys, what is put into it, and its publication.

Nothing of this runs on an appliance. ``appliance-release`` is its command line.
"""
