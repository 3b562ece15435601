"""Every document in a run's folder with its type. Names, reading and writing: ``appliance.run_folder``.

Those of steps that only look at something stand in ``look_files``, those of columns in ``column_files``: most
steps do without what they are made of, and begin sooner.
"""

from __future__ import annotations

from appliance import run_folder
from appliance.postgres.plan import DefinitionSettings, Plan, Snapshot
from appliance.postgres.proof.kept import OriginalsCounted
from appliance.postgres.proof.results import VerifiedTwins
from appliance.postgres.twin.digests import TwinDigests
from appliance.postgres.twin.schema import FinishedTwin, TwinSchema
from appliance.run_folder import RunFile
from appliance.steps.records.run_spec import RunSpec, SpecBrief
from appliance.workflow.drift import CatalogShape, Drift, FormerCatalog

SPEC = RunFile(run_folder.SPEC, RunSpec, shared=True)
SPEC_OF_ANY_RELEASE = RunFile(run_folder.SPEC, SpecBrief)
SNAPSHOT = RunFile(run_folder.SNAPSHOT, Snapshot)
PLAN = RunFile(run_folder.PLAN, Plan, shared=True)
CATALOG = RunFile(run_folder.CATALOG, CatalogShape)
FORMER_CATALOG = RunFile(run_folder.FORMER_CATALOG, FormerCatalog)
DRIFT = RunFile(run_folder.DRIFT, Drift)
ORIGINALS = RunFile(run_folder.ORIGINALS, OriginalsCounted)
VERIFIED = RunFile(run_folder.VERIFIED, VerifiedTwins)
DIGESTS = RunFile(run_folder.DIGESTS, TwinDigests)


def schema_of(target: int) -> RunFile[TwinSchema]:
    """The schema of the plan's target of that number."""
    return RunFile(run_folder.SCHEMA.format(target=target), TwinSchema)


def settings_of(target: int) -> RunFile[DefinitionSettings]:
    """Under which settings that target evaluates definitions."""
    return RunFile(run_folder.SETTINGS.format(target=target), DefinitionSettings)


def finished_of(target: int) -> RunFile[FinishedTwin]:
    """What ``finish`` says of that target."""
    return RunFile(run_folder.FINISHED.format(target=target), FinishedTwin)
