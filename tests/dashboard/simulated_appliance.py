"""An appliance as the dashboard sees one: it speaks the contract, and has no database behind it.

For tests, the load benchmark, and filling a dashboard to look at. It follows the rules a real one follows:
numbers its events, keeps what was not acknowledged, acts on each command once.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from appliance.contract.calls import (
    Command,
    ComponentReport,
    ConnectionReport,
    DiskReport,
    Enrolled,
    EnrolRequest,
    Event,
    EventBatch,
    EventsAccepted,
    FailureReport,
    Heartbeat,
    HeartbeatAnswer,
    HostReport,
    NewToken,
    OutboxReport,
    PolicyReport,
    ScrubbedText,
    WorkflowReport,
    WorkflowSet,
)
from appliance.contract.events import (
    CommandChanged,
    EventData,
    RunFinished,
    RunPlanned,
    RunStarted,
    StepChanged,
    TableProgress,
)
from appliance.contract.run_parts import Check, KeptLooked, StepTime, TableBrief

VERSION = "1.0.0"
TABLES = (
    ("public.customer", 40_000, 6, 4),
    ("public.invoice", 90_000, 2, 8),
    ("public.invoice_line", 210_000, 0, 5),
    ("public.product", 1_200, 0, 9),
    ("crm.contact", 25_000, 7, 3),
    ("crm.note", 60_000, 1, 4),
)


def now() -> datetime:
    return datetime.now(UTC)


class SimulatedAppliance:
    """One appliance and its outbox."""

    def __init__(self, client: httpx.Client, token: str = "") -> None:
        self.client = client
        self.token = token
        self.stream = uuid4()
        self.sequence = 0
        self.outbox: list[Event] = []
        self.etag = ""
        self.workflows = WorkflowSet(etag="0" * 64, workflows=())
        self.done_commands: set[UUID] = set()
        self.running: list[str] = []
        self.started_at = now()
        self.state: dict[str, Any] = {}
        self.policy = PolicyReport(
            workflows_from_cloud=True, update_channel="stable", update_window="Sat 02:00-05:00"
        )

    def call(self, method: str, path: str, body: str | None = None, **headers: str) -> httpx.Response:
        headers |= {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        return self.client.request(method, path, content=body, headers=headers)

    def enrol(self, token: str, attempt: str | None = None) -> Enrolled:
        asked = EnrolRequest(token=token, attempt=attempt or secrets.token_urlsafe(32), version=VERSION)
        response = self.client.post("/v1/enrol", content=asked.to_wire())
        response.raise_for_status()
        enrolled = Enrolled.from_wire(response.content)
        self.token = enrolled.token
        return enrolled

    def rotate(self) -> None:
        response = self.call("POST", "/v1/appliance/token")
        response.raise_for_status()
        self.token = NewToken.from_wire(response.content).token

    def report(self, **changes: Any) -> Heartbeat:
        ready = sorted({name for entry in self.workflows.workflows for name in _connections(entry.document)})
        state: dict[str, Any] = {
            "sent_at": now(),
            "version": VERSION,
            "started_at": self.started_at,
            "healthy": True,
            "components": (
                ComponentReport(name="scheduler", state="ok", version="3.3.2"),
                ComponentReport(name="dag_processor", state="ok"),
                ComponentReport(name="api_server", state="ok"),
                ComponentReport(name="postgres", state="ok", version="17.6"),
                ComponentReport(name="docker", state="ok", version="26.1.5"),
            ),
            "workflows": tuple(
                WorkflowReport(
                    id=entry.id,
                    origin="cloud",
                    state="active",
                    digest=entry.digest,
                    next_run_at=now() + timedelta(hours=7) if entry.document.get("schedule") else None,
                )
                for entry in self.workflows.workflows
            ),
            "workflows_etag": self.etag or None,
            "connections": tuple(ConnectionReport(name=name, state="ready") for name in ready),
            "running": tuple(self.running),
            "host": HostReport(
                system="Debian GNU/Linux 13",
                cpus=4,
                memory_total_bytes=8 * 2**30,
                memory_used_percent=41.0,
                cpu_percent=12.5,
                disk=DiskReport(total_bytes=200 * 2**30, free_bytes=131 * 2**30),
            ),
            "outbox": OutboxReport(waiting=len(self.outbox)),
            "policy": self.policy,
        }
        return Heartbeat(**{**state, **self.state, **changes})

    def heartbeat(self, **changes: Any) -> HeartbeatAnswer:
        response = self.call("POST", "/v1/appliance/heartbeat", self.report(**changes).to_wire())
        response.raise_for_status()
        answer = HeartbeatAnswer.from_wire(response.content)
        if answer.rotate_token:
            self.rotate()
        if answer.workflows_etag != self.etag:
            self.fetch()
        return answer

    def fetch(self) -> bool:
        """Fetch the workflows; False where nothing had changed."""
        response = self.call("GET", "/v1/appliance/workflows", **{"if-none-match": f'"{self.etag}"'})
        if response.status_code == 304:
            return False
        response.raise_for_status()
        self.workflows = WorkflowSet.from_wire(response.content)
        self.etag = self.workflows.etag
        return True

    def tell(self, data: EventData, at: datetime | None = None) -> Event:
        """Put an event into the outbox."""
        self.sequence += 1
        event = Event(id=uuid4(), sequence=self.sequence, at=at or now(), data=data)
        self.outbox.append(event)
        return event

    def batch(self, events: list[Event], sent_at: datetime | None = None) -> str:
        return EventBatch(stream=self.stream, sent_at=sent_at or now(), events=tuple(events)).to_wire()

    def send(self, events: list[Event] | None = None) -> EventsAccepted:
        """Send these events, or the whole outbox, which is empty afterwards."""
        chosen = self.outbox if events is None else events
        response = self.call("POST", "/v1/appliance/events", self.batch(chosen))
        response.raise_for_status()
        if events is None:
            self.outbox = []
        return EventsAccepted.from_wire(response.content)

    def take_commands(self, answer: HeartbeatAnswer) -> list[Command]:
        """The commands that are new; the others have been dealt with."""
        fresh = [command for command in answer.commands if command.id not in self.done_commands]
        self.done_commands |= {command.id for command in fresh}
        return fresh

    def run(
        self,
        workflow: str,
        *,
        outcome: str = "succeeded",
        trigger: str = "schedule",
        command_id: UUID | None = None,
        started: datetime | None = None,
        portions: int = 3,
    ) -> Iterator[str]:
        """Tell of a whole run, pausing after each portion of events; yields the run's id each time."""
        begun = started or now()
        run_id = f"{workflow}-{begun:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        self.running.append(run_id)
        at = begun
        start = RunStarted(
            run_id=run_id, workflow=workflow, trigger=trigger, origin="cloud", command_id=command_id
        )  # type: ignore[arg-type]
        self.tell(start, at)
        if command_id:
            self.tell(CommandChanged(command_id=command_id, state="accepted", run_id=run_id))
        self._step(run_id, "open_snapshot", at, 0.4)
        self._step(run_id, "plan", at, 1.3)
        tables = tuple(TableBrief(table=n, rows=r, bytes=r * 120, masked=m, kept=k) for n, r, m, k in TABLES)
        self.tell(
            RunPlanned(
                run_id=run_id,
                shards=8,
                tables=tables,
                tables_total=len(tables),
                not_carried=2,
                server_version=150018,
            ),
            at,
        )
        self._step(run_id, "schema", at, 2.1)
        yield run_id
        for shard in range(8):
            self.tell(StepChanged(run_id=run_id, step="copy", shard=shard, state="running"), at)
        share = 0.4 if outcome in {"failed", "cancelled"} else 1.0
        for portion in range(1, portions + 1):
            at = at + timedelta(seconds=9)
            self._progress(run_id, share * portion / portions, at)
            yield run_id
        yield from self._end(run_id, workflow, outcome, begun)

    def _end(self, run_id: str, workflow: str, outcome: str, begun: datetime) -> Iterator[str]:
        at = begun + timedelta(seconds=48)
        good = outcome == "succeeded"
        for shard in range(8):
            state = "succeeded" if good or shard < 3 else "failed" if outcome == "failed" else "cancelled"
            self.tell(
                StepChanged(run_id=run_id, step="copy", shard=shard, state=state, seconds=27.5 + shard), at
            )  # type: ignore[arg-type]
        if good:
            for step, seconds in (
                ("close_snapshot", 0.2),
                ("finish", 9.8),
                ("verify", 3.9),
                ("publish", 0.6),
            ):
                self._step(run_id, step, at, seconds)
        self.tell(
            RunFinished(
                run_id=run_id,
                workflow=workflow,
                outcome=outcome,  # type: ignore[arg-type]
                seconds=48.2,
                rows=sum(rows for _, rows, _, _ in TABLES) if good else 0,
                bytes=51_000_000,
                steps=(StepTime(step="plan", seconds=1.3), StepTime(step="copy", seconds=34.5)),
                checks=_checks() if good else (),
                twins=("staging",) if good else (),
                kept=KeptLooked(columns=31, looked_at=29, rows=412_000) if good else None,
                failure=_failure() if outcome == "failed" else _refusal() if outcome == "refused" else None,
            ),
            at,
        )
        self.running.remove(run_id)
        yield run_id

    def _step(self, run_id: str, step: str, at: datetime, seconds: float) -> None:
        self.tell(StepChanged(run_id=run_id, step=step, state="running"), at)  # type: ignore[arg-type]
        self.tell(StepChanged(run_id=run_id, step=step, state="succeeded", seconds=seconds), at)  # type: ignore[arg-type]

    def _progress(self, run_id: str, share: float, at: datetime) -> None:
        for index, (table, rows, _, _) in enumerate(TABLES):
            own = min(1.0, share * (1.6 - 0.2 * index))
            done = own >= 1.0
            self.tell(
                TableProgress(
                    run_id=run_id,
                    step="copy",
                    shard=index,
                    table=table,
                    rows=int(rows * own),
                    rows_expected=rows,
                    bytes=int(rows * own) * 118,
                    done=done,
                ),
                at,
            )


def _connections(document: dict[str, Any]) -> list[str]:
    targets = [target["connection"] for delivery in document["deliver"] for target in delivery.values()]
    return [document["source"], *targets]


def _checks() -> tuple[Check, ...]:
    return (
        Check(kind="row_counts", passed=True, checked=len(TABLES)),
        Check(kind="constraints", passed=True, checked=23),
        Check(kind="masked_values", passed=True, checked=16),
        Check(kind="distinct_counts", passed=True, checked=9),
        Check(kind="kept_columns", passed=True, checked=29),
    )


def _failure() -> FailureReport:
    say = ScrubbedText.mark
    return FailureReport(
        step="copy",
        shard=4,
        table="crm.contact",
        retry=True,
        sqlstate="28P01",
        exception="OperationalError",
        location="appliance/postgres/session.py:88",
        what=say("The source refused the password of the connection production."),
        why=say("PostgreSQL answered with 28P01 (invalid password)."),
        next_step=say(
            "Correct production.password in /etc/appliance/connections.yaml, then: "
            "sudo appliance connections check production"
        ),
        log_tail=tuple(
            say(f"copy shard 4: attempt {n} could not connect, waiting {n * 2} s") for n in (1, 2, 3)
        ),
    )


def _refusal() -> FailureReport:
    say = ScrubbedText.mark
    return FailureReport(
        step="plan",
        exit_code=3,
        rule="unlisted",
        what=say("2 columns are neither masked nor kept, in crm.contact."),
        why=say("Every column must be one or the other (unlisted: halt), so nothing was read."),
        next_step=say(
            "Add crm.contact.linkedin and crm.contact.birthday to masks or keep, and run it again."
        ),
    )
