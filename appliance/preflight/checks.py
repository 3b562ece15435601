"""All checks, in the order in which they are told."""

from __future__ import annotations

from appliance.preflight import access_checks, machine_checks
from appliance.preflight.check import CHECKS, Check, run_checks

__all__ = ["CHECKS", "Check", "access_checks", "machine_checks", "run_checks"]
