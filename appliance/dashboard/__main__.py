"""``python -m appliance.dashboard``."""

from __future__ import annotations

from appliance.dashboard.cli import main

main()
