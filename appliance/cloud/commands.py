"""What the dashboard asks for: each done once, and answered for.

A command is kept in the local database before anything is done, under its id. What it does is repeatable (a
run has an id made of the command's), so being killed between the deed and the answer ends in one deed and
one answer. The answer is written together with the command's new state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from psycopg.rows import class_row

from appliance.cloud.wanted_release import WantedRelease
from appliance.contract.calls import Command
from appliance.errors import ApplianceError, RefusedError, WorkFailedError, WrongRequestError
from appliance.orchestration.look_asking import AT_BRANCHES, look_of
from appliance.orchestration.looks import ask, checked, forget_lost
from appliance.orchestration.rehearsal_cancelling import cancel_rehearsal
from appliance.orchestration.start_and_stop import cancel_run, find_workflow, start_run
from appliance.orchestration.workflow_files import read_workflow_files, waiting_file
from appliance.policy.columns import KEEP_RULE
from appliance.policy.policy import Policy, check_workflow, enforce, read_policy
from appliance.policy.refusal import Origin
from appliance.run_folder import run_id_for
from appliance.scrubbing.reference import check_reference
from appliance.settings.settings import Settings
from appliance.store.asked_by import BY, PAGE
from appliance.store.asked_work import begin_work
from appliance.store.command_state import Settled, finish_command
from appliance.store.database import Connection
from appliance.store.queries import run_state
from appliance.store.runs import Trigger
from appliance.workflow.loading import load_workflow

MOST_AN_HOUR = 120
"""No person means more commands than that; the rest are left to expire. The owner's own do not count."""
KEPT_DAYS = 30
PATIENCE_S = 90.0
"""How long a run may wait for Airflow to be back, or to see a workflow that has just come."""
FROM = {True: "It was asked for on the status page.", False: "The dashboard asked for it."}


@dataclass(frozen=True)
class Received:
    """A command that has not been settled; ``payload`` has its arguments by name."""

    command_id: str
    kind: str
    payload: dict[str, str]
    received_at: datetime
    expired: bool

    @property
    def is_owners(self) -> bool:
        """The owner asked for it on the appliance's own page, and not the dashboard."""
        return self.payload.get(BY) == PAGE


class CloudCommands:
    """Takes commands in and works them off: all, or those of some kinds. ``sync`` fetches the workflows."""

    def __init__(
        self, settings: Settings, releases: WantedRelease, *, kinds: tuple[str, ...] | None = None
    ) -> None:
        self._settings = settings
        self._kinds = list(kinds) if kinds else None
        self._releases = releases

    def take_in(self, db: Connection, commands: tuple[Command, ...]) -> None:
        """Remember what is new. Raises psycopg.Error."""
        for command in commands:
            db.execute(
                "INSERT INTO appliance.command (command_id, kind, payload, state, expires_at)"
                " SELECT %(id)s, %(kind)s, %(payload)s::jsonb, 'received',"
                "        now() + make_interval(secs => %(expires)s)"
                " WHERE (SELECT count(*) FROM appliance.command"
                "        WHERE received_at > now() - interval '1 hour'"
                "        AND payload ->> %(by)s IS DISTINCT FROM %(page)s) < %(most)s"
                " ON CONFLICT DO NOTHING",
                {
                    "id": str(command.id),
                    "kind": command.request.kind,
                    "payload": command.request.model_dump_json(exclude={"kind"}, exclude_none=True),
                    "expires": min(command.expires_in, KEPT_DAYS * 86_400 / 2),
                    "most": MOST_AN_HOUR,
                    "by": BY,
                    "page": PAGE,
                },
            )

    def work(self, db: Connection, sync: Callable[[], None]) -> int:
        """Do what is open; how many were settled. Raises psycopg.Error."""
        with db.cursor(row_factory=class_row(Received)) as cursor:
            received = cursor.execute(
                "SELECT command_id, kind, payload, received_at,"
                "       coalesce(expires_at < now(), false) AS expired"
                " FROM appliance.command WHERE state = 'received' AND (%(kinds)s::text[] IS NULL"
                " OR kind = ANY(%(kinds)s)) ORDER BY received_at LIMIT 20",
                {"kinds": self._kinds},
            ).fetchall()
        # Who does no looks may not remove their folders either: the SQL in them would stay for good.
        does_looks = self._kinds is None or "rehearse" in self._kinds
        settled = forget_lost(db, self._settings) if does_looks else 0
        for command in received:
            outcome = self._outcome(db, command, sync)
            if outcome is not None:
                finish_command(db, command.command_id, outcome)
                settled += 1
        if settled:
            db.execute(
                "DELETE FROM appliance.command WHERE state <> 'received'"
                # An erasure waits for the owner, however long.
                " AND NOT (kind = 'erase' AND state = 'accepted')"
                " AND received_at < now() - make_interval(days => %s)",
                [KEPT_DAYS],
            )
        return settled

    def _outcome(self, db: Connection, command: Received, sync: Callable[[], None]) -> Settled | None:
        """What became of it; None when it has to be tried again."""
        try:
            if command.expired:
                raise WorkFailedError("It could not be done before it expired.")
            return self._done(db, command, sync)
        except RefusedError as error:
            return Settled("refused", rule=error.rule, problem=error.text())
        except ApplianceError as error:
            return Settled("failed", problem=error.text())
        except OSError as error:
            return Settled("failed", problem=f"{type(error).__name__} on the appliance.")

    def _done(self, db: Connection, command: Received, sync: Callable[[], None]) -> Settled | None:
        match command.kind:
            case "run":
                return self._run(db, command)
            case "cancel":
                return self._cancel(db, command)
            case "update":
                asked = self._releases.request(db, command.payload["version"], command.command_id)
                return Settled("accepted" if asked else "done")
            case "scan" | "plan" | "test" | "branch" | "rehearse":
                return self._look(db, command)
            case "erase":
                return _asked_to_erase(command.payload["reference"])
        sync()
        return Settled("done")

    def _run(self, db: Connection, command: Received) -> Settled | None:
        workflow = command.payload["workflow"]
        refuse_waiting(self._settings, workflow)
        file = find_workflow(self._settings, workflow)
        document = load_workflow(Path(file.path), self._settings.config_dir).workflow
        policy = self._policy()
        enforce(check_workflow(policy, document, origin=file.origin))
        given = f"{command.received_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{UUID(command.command_id).hex[:4]}"
        run_id = run_id_for(workflow, given)
        waiting = db.execute(
            "SELECT run_id FROM appliance.run WHERE workflow = %s AND state = 'queued' AND run_id <> %s"
            " AND queued_at > now() - interval '1 day' LIMIT 1",
            [workflow, run_id],
        ).fetchone()
        if waiting:
            return Settled(
                "refused",
                rule="one_run_waits",
                problem=f"The run {waiting['run_id']} of this workflow waits to start already.",
            )
        trigger: Trigger = "operator" if command.is_owners else "command"
        if not command.is_owners and (too_soon := _too_soon(db, policy, workflow, run_id)):
            return too_soon
        # Known before Airflow knows it, so that the run is not attributed to anyone else.
        made = db.execute(
            "INSERT INTO appliance.run (run_id, workflow, airflow_run_id, origin, trigger, command_id, state)"
            " VALUES (%s, %s, %s, %s, %s, %s, 'queued') ON CONFLICT DO NOTHING",
            [run_id, workflow, given, file.origin, trigger, command.command_id],
        ).rowcount
        try:
            start_run(
                self._settings,
                workflow,
                airflow_run_id=given,
                trigger=trigger,
                command_id=command.command_id,
                wait_s=0,
            )
        except (WrongRequestError, WorkFailedError):
            if made:
                db.execute(
                    "DELETE FROM appliance.run WHERE run_id = %s AND state = 'queued' AND command_id = %s",
                    [run_id, command.command_id],
                )
            if datetime.now(UTC) - command.received_at < timedelta(seconds=PATIENCE_S):
                return None
            raise
        return Settled("done", run_id=run_id)

    def _cancel(self, db: Connection, command: Received) -> Settled:
        why = FROM[command.is_owners]
        if (work_id := command.payload.get("command_id")) is not None:
            origin: Origin = "local" if command.is_owners else "cloud"
            cancel_rehearsal(db, self._settings, work_id, why, origin=origin)
            return Settled("done")
        run_id = command.payload["run_id"]
        if run_state(db, run_id) != "cancelled":
            cancel_run(self._settings, run_id, why)
        return Settled("done", run_id=run_id)

    def _look(self, db: Connection, command: Received) -> Settled | None:
        """Hand it to what may open the databases. What it says comes with its own answer."""
        payload = command.payload
        origin: Origin = "local" if command.is_owners else "cloud"
        look = look_of(self._settings, UUID(command.command_id), command.kind, payload, origin)
        if look.at_branches and find_workflow(self._settings, look.workflow or "").origin == "local":
            # No other version of it is on its way here: what is wrong about it now is wrong later too.
            checked(self._settings, look)
        try:
            ask(self._settings, look)
        except (WrongRequestError, WorkFailedError) as error:
            # A saved version may just be on its way here; anything else is wrong now and later.
            for_ever = isinstance(error, WrongRequestError) and (look.connection or look.draft)
            if not for_ever and datetime.now(UTC) - command.received_at < timedelta(seconds=PATIENCE_S):
                return None
            raise
        if command.kind in AT_BRANCHES:
            begin_work(db, command.command_id)
        return Settled("accepted")

    def _policy(self) -> Policy:
        """Raises WrongDocumentError for one that cannot be read: then nothing is done."""
        return read_policy(self._settings)


def _asked_to_erase(reference: str) -> Settled:
    """It waits for the owner, who types whom it is about: ``appliance erasure requests``."""
    try:
        check_reference(reference)
    except WrongRequestError as error:
        raise RefusedError(error.what, error.why, error.next_step, rule="reference") from None
    return Settled("accepted")


def refuse_waiting(settings: Settings, workflow: str) -> None:
    """Raise RefusedError for a workflow of which there is only a version that waits for the owner."""
    in_force = any(
        file.id == workflow for file in read_workflow_files(settings.config_dir, settings.state_dir)
    )
    if in_force or not waiting_file(settings.state_dir, workflow).is_file():
        return
    raise RefusedError(
        f"The workflow {workflow} keeps columns that the owner of this appliance has not approved.",
        "Until then it does not run.",
        f"appliance workflow approve {workflow}",
        rule=KEEP_RULE,
    )


def _too_soon(db: Connection, policy: Policy, workflow: str, but: str) -> Settled | None:
    """A refusal where the newest other run of the workflow, whatever asked for it, is too young."""
    row = db.execute(
        "SELECT max(queued_at) AS last FROM appliance.run WHERE workflow = %s AND run_id <> %s",
        [workflow, but],
    ).fetchone()
    last: datetime | None = row["last"] if row else None
    if policy.min_interval_min is None or last is None:
        return None
    if datetime.now(UTC) - last >= timedelta(minutes=policy.min_interval_min):
        return None
    problem = (
        f"The last run of this workflow was asked for at {last.astimezone(UTC):%H:%M} UTC, and the cloud may"
        f" ask for one every {policy.min_interval_min} minutes at most."
    )
    return Settled("refused", rule="min_interval_min", problem=problem)
