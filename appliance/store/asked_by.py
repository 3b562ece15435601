"""The mark of a command that the owner asked for on the status page."""

from __future__ import annotations

BY, PAGE = "by", "page"
"""A command's payload says so: the dashboard then gets no answer."""
