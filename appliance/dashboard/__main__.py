"""``python -m appliance.dashboard``."""

from __future__ import annotations

from .command import main

main()
