"""What ``plan`` leaves about columns, with its types: these bring all masks along, which few steps need."""

from __future__ import annotations

from appliance import run_folder
from appliance.discovery.kept.look import KeptLook
from appliance.masking.suggesting.uncovered import UncoveredColumns
from appliance.run_folder import RunFile

UNCOVERED = RunFile(run_folder.UNCOVERED, UncoveredColumns)
KEPT = RunFile(run_folder.KEPT, KeptLook)
