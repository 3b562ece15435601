"""Every document that a look leaves in its folder, with its type: scans, branches, trials of all kinds."""

from __future__ import annotations

from appliance import run_folder
from appliance.branches.asking import BranchesFound, BranchesNoted
from appliance.discovery.reporting import ScannedSource
from appliance.rehearsals.asking import BranchReady, ImageEnded
from appliance.rehearsals.results.report import Rehearsal
from appliance.run_folder import RunFile
from appliance.steps.records.tried_connection import TriedConnection

BRANCHES = RunFile(run_folder.BRANCHES, BranchesFound)
BRANCHES_NOTED = RunFile(run_folder.BRANCHES_NOTED, BranchesNoted)
BRANCH_READY = RunFile(run_folder.BRANCH_READY, BranchReady)
IMAGE_ENDED = RunFile(run_folder.IMAGE_ENDED, ImageEnded)
REHEARSED = RunFile(run_folder.REHEARSED, Rehearsal)
SCANNED = RunFile(run_folder.SCANNED, ScannedSource)
TRIED = RunFile(run_folder.TRIED, TriedConnection)
