"""``python -m appliance.dashboard``."""

from __future__ import annotations

from appliance.dashboard.command import main

main()
