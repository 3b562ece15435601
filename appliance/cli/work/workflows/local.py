"""What ``appliance run`` and ``appliance plan`` share: reading the documents, being interrupted, showing."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from appliance import __version__
from appliance.buckets.libraries import require_buckets
from appliance.cli.work.workflows.local_containers import hand_over_all, require_engine, with_state
from appliance.connections.file import load_connections, select_buckets, select_connections
from appliance.contract.fields import document_digest
from appliance.documents.problems import WrongDocumentError
from appliance.errors import ApplianceError, SourceChangedError, WorkFailedError, WrongRequestError
from appliance.keys.epochs import read_epochs
from appliance.keys.keys import load_or_create_key
from appliance.killed_runs import remove_killed_plans
from appliance.masking.document_check import mask_problems
from appliance.policy.policy import check_workflow, enforce, read_policy
from appliance.policy.trusted_images import images_of
from appliance.postgres.exporting.libraries import require_parquet
from appliance.receipts.book import ReceiptBook
from appliance.receipts.predicate import AskedBy
from appliance.run_folder import run_folder
from appliance.settings.settings import load_settings
from appliance.steps.calling.call import StepPaths
from appliance.steps.local.folders import secrets_base, state_folder
from appliance.steps.local.killed_runs import close_killed_runs, discard_left_behind
from appliance.steps.local.run import LocalRun, StepFailedError
from appliance.steps.records.run_receipt import Signing, address_of
from appliance.steps.records.run_spec import RunSpec
from appliance.subjects.records import erased_subjects
from appliance.system.beneath import become_owner_of, lesser_owner
from appliance.workflow.deliveries.after_load import sql_texts
from appliance.workflow.loading import load_workflow

if TYPE_CHECKING:
    # What draws is imported where something is drawn: a run for programs starts sooner without.
    from rich.console import Console

    from appliance.cli.terminal.progress import RunDisplay


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; once: what follows is cleaning up."""


@contextlib.contextmanager
def local_run(
    file: Path,
    connections_file: Path | None,
    policy_file: Path | None,
    state: Path | None,
    exports_dir: Path | None = None,
) -> Iterator[LocalRun]:
    """A run of the workflow in ``file``, ready to start.

    Raises WrongRequestError or RefusedError for the documents.
    """
    settings = load_settings()
    known_file = connections_file or settings.connections_file
    try:
        loaded = load_workflow(file, settings.config_dir)
        problems = mask_problems(loaded.document)
        if problems:
            raise WrongDocumentError(problems)
        policy = read_policy(settings, policy_file)
        known = load_connections(known_file)
    except WrongDocumentError as error:
        raise WrongDocumentError(error.problems, error.next_step or "correct it, and run it again.") from None
    workflow = loaded.workflow
    enforce(check_workflow(policy, workflow, origin="local"))
    if "parquet" in workflow.formats:
        require_parquet()
    buckets = select_buckets(known, [each.connection for each in workflow.buckets.values()], str(known_file))
    if buckets:
        require_buckets()
    images = images_of(settings.trusted_images_file, workflow)
    require_engine(workflow)
    after_load = sql_texts(workflow.after_load, file.parent)
    connections = select_connections(known, workflow.connections, str(known_file))
    folder = state_folder(settings, state, near=file.parent)
    user = user_of_command()
    _work_as_its_owner(folder, exports_dir)
    remove_killed_plans(folder)
    for line in (*discard_left_behind(settings, folder, known), *close_killed_runs(folder, known)):
        sys.stderr.write(f"{line}\n")
    now = datetime.now(UTC)
    spec = RunSpec(
        run_id=f"{workflow.id}-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        workflow=workflow,
        origin="local",
        policy=policy,
        created_at=now,
        images=images,
        after_load=after_load,
        appliance_version=__version__,
        mask_key=connections[workflow.source].mask_key,
        epoch=read_epochs(folder / "keys").of(connections[workflow.source].mask_key or workflow.source),
        erased=erased_subjects(
            folder, settings.config_dir, connections[workflow.source].mask_key or workflow.source
        ),
        places=loaded.document.places(),
        workflow_digest=document_digest(loaded.document.data),
        asked_by_user=user,
    )
    with secrets_base(settings, spec.run_id) as secrets_dir:
        exports = exports_dir or folder / "exports"
        run = LocalRun(
            spec=spec,
            connections=connections,
            buckets=buckets,
            key=load_or_create_key(folder / "keys" / "mask.key"),
            paths=StepPaths(run_folder(folder, spec.run_id), secrets_dir),
            exports_dir=exports,
            signing=Signing(
                book=ReceiptBook(folder / "receipts", folder / "keys"),
                key=load_or_create_key(folder / "keys" / "mask.key"),
                source_address=address_of(connections[workflow.source]),
                asked_by=AskedBy(kind="command line", user=spec.asked_by_user),
            ),
        )
        run.hand_over = hand_over_all(run, with_state(settings, folder), known, exports)
        yield run


def once_anew(perform: Callable[[], None], changed: Callable[[ApplianceError], None]) -> None:
    """Perform a run; another, after ``changed``, where its source changed under its snapshot.

    Nothing was published then. Raises what the run raises, the second one too.
    """
    try:
        perform()
    except StepFailedError as error:
        if error.failure.exception != SourceChangedError.__name__:
            raise
        changed(error)
    else:
        return
    perform()


def user_of_command() -> str | None:
    """Who typed the command, also behind sudo."""
    with contextlib.suppress(KeyError):
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return None


def _work_as_its_owner(folder: Path, exports_dir: Path | None) -> None:
    """Root that runs a workflow in the appliance's folder follows no link in it: it becomes the appliance.

    Raises WrongRequestError where the files would go to a folder that the appliance may not write to.
    """
    owner = lesser_owner(folder)
    if owner is None:
        return
    if exports_dir is not None and lesser_owner(exports_dir) != owner:
        raise WrongRequestError(
            f"{folder} belongs to {owner.name}, and {exports_dir} does not.",
            "A run works with the rights of the one to whom its keys and its state belong.",
            f"Name a folder of {owner.name}'s, or with --state DIR one of your own.",
        )
    become_owner_of(folder)


class Interruption:
    """Whether a stop was requested."""

    def __init__(self) -> None:
        self._asked = False

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal calls it
        """Interrupt, the first time."""
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        self._asked = True
        raise Interrupted

    def asked(self) -> bool:
        """Whether a stop was requested."""
        return self._asked

    def check(self) -> None:
        """Raise Interrupted again: Python drops what a handler raises inside a destructor or a callback."""
        if self._asked:
            raise Interrupted


@contextlib.contextmanager
def interruptible(what: str) -> Iterator[Interruption]:
    """Turn Ctrl-C and SIGTERM into one clear failure, after everything has been cleaned up."""
    interruption = Interruption()
    former = {each: signal.signal(each, interruption.handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    except Interrupted:
        raise WorkFailedError(
            f"{what} was cancelled.",
            "The former twin is as it was, and what was being built beside it was shown to no reader.",
            "Start it again when it is wanted.",
        ) from None
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


def console(*, quiet: bool = False, verbose: bool = False) -> Console:
    """Standard output; in a pipe without colours, and as wide as it needs to be.

    ``quiet``: nothing is printed. ``verbose``: nothing moves, for lines are printed in between.
    """
    from rich.console import Console  # noqa: PLC0415

    if quiet or verbose:
        return Console(highlight=False, quiet=quiet, force_terminal=False, width=160)
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=160)


def display(target: Console, spec: RunSpec) -> RunDisplay:
    """The display of a run."""
    from appliance.cli.terminal.progress import RunDisplay  # noqa: PLC0415

    return RunDisplay(target, f"{spec.workflow.title or spec.workflow.id} ({spec.run_id})", ticked=True)
