"""Commands to appliances: requests that wait until they are acknowledged or expire."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping

from pydantic import JsonValue

from appliance.contract.calls import Command
from appliance.contract.erasures import ErasureReported
from appliance.contract.events import CommandChanged
from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.security import Actor
from appliance.dashboard.store.access import audit, authority
from appliance.dashboard.store.appliances.fleet import appliance
from appliance.dashboard.store.appliances.rows import DRAFT, LONG, CommandRow, CommandShown, WaitingCommand
from appliance.dashboard.store.database import Database, Session
from appliance.errors import WrongRequestError
from appliance.scrubbing.reference import check_reference

LIFETIME_SECONDS = {
    "run": 900,
    "cancel": 900,
    "sync": 900,
    "scan": 900,
    "plan": 900,
    "test": 900,
    "branch": 900,
    "rehearse": 900,
    "update": 7 * 86400,
    "erase": 7 * 86400,
}
"""A run that was asked for must not surprise its author next week."""
OPEN_AT_MOST = 50

POWERLESS = "Its maker may not ask for it any more."
_SHOWN = (
    "id, kind, argument,"
    " CASE WHEN state = 'waiting' AND expires_at < ? THEN 'expired' ELSE state END AS state,"
    " created_at, created_by, expires_at, offered_at, changed_at, run_id, rule, problem, erasure"
)


def send(
    database: Database, actor: Actor, appliance_id: str, kind: str, argument: Mapping[str, JsonValue]
) -> str:
    """Ask an appliance for something; returns the command's id. An equal one that waits is not doubled."""
    if kind not in LIFETIME_SECONDS:
        raise WrongRequestError(
            f"There is no command {kind[:20]}.",
            "",
            f"Use one of: {', '.join(LIFETIME_SECONDS)}.",
        )
    argument = {key: value for key, value in argument.items() if value is not None}
    now, command_id, text = time.time(), str(uuid.uuid4()), json.dumps(argument, sort_keys=True)
    if kind == "erase":
        check_reference(str(argument.get("reference") or ""))
    Command.model_validate({"id": command_id, "expires_in": 1, "request": {"kind": kind, **argument}})
    with database.write() as session:
        row = appliance(session, appliance_id)
        if row.revoked_at is not None:
            raise WrongRequestError(
                f"{row.name} is revoked.", "It takes no commands.", "Enrol it again first."
            )
        waiting = session.value(
            str,
            "SELECT id FROM command WHERE appliance_id = ? AND kind = ? AND argument = ?"
            " AND state = 'waiting' AND expires_at > ?",
            appliance_id,
            kind,
            text,
            now,
        )
        if waiting:
            return waiting
        count = session.count(
            "SELECT count(*) FROM command WHERE appliance_id = ? AND state = 'waiting' AND expires_at > ?",
            appliance_id,
            now,
        )
        if count >= OPEN_AT_MOST:
            raise WrongRequestError(
                f"{row.name} has {count} commands waiting already.", "", "Wait until it has taken them."
            )
        session.run(
            "INSERT INTO command (id, appliance_id, kind, argument, state, created_at, created_by,"
            " maker, expires_at) VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?, ?)",
            command_id,
            appliance_id,
            kind,
            text,
            now,
            actor.name,
            actor.maker,
            now + LIFETIME_SECONDS[kind],
        )
        noted = {key: value for key, value in argument.items() if key not in LONG}
        audit.record(session, actor, f"command.{kind}", row.name, **noted)
    return command_id


def waiting_for(session: Session, appliance_id: str, now: float) -> list[Command]:
    """What to offer with a heartbeat, oldest first. Commands of users who have lost the right expire."""
    rows = session.all(
        WaitingCommand,
        "SELECT id, kind, argument, expires_at, maker FROM command"
        " WHERE appliance_id = ? AND state = 'waiting' AND expires_at > ? ORDER BY created_at LIMIT 20",
        appliance_id,
        now,
    )
    powerless = [row.id for row in rows if not authority.may(session, row.maker, "editor")]
    for command_id in powerless:
        session.run("UPDATE command SET expires_at = ?, problem = ? WHERE id = ?", now, POWERLESS, command_id)
    offered: list[Command] = []
    drafts = 0
    for row in rows:
        argument = row.argument
        # A draft is long, and an answer may not be: the next one is offered once this one is taken.
        is_long = not LONG.isdisjoint(argument)
        drafts += is_long
        if row.id in powerless or (is_long and drafts > 1):
            continue
        request = {"kind": row.kind, **argument}
        offered.append(
            Command.model_validate({"id": row.id, "expires_in": row.expires_at - now, "request": request})
        )
    return offered


def mark_offered(session: Session, commands: list[Command], now: float) -> None:
    """Note that the appliance has received it."""
    session.many(
        "UPDATE command SET offered_at = ? WHERE id = ? AND offered_at IS NULL",
        [(now, str(command.id)) for command in commands],
    )


def apply(session: Session, appliance_id: str, change: CommandChanged, at: float, ordinal: int) -> None:
    """Take an acknowledgement, unless a newer one is known."""
    session.run(
        "UPDATE command SET state = ?, changed_at = ?, ordinal = ?, run_id = coalesce(?, run_id), rule = ?,"
        " problem = ? WHERE id = ? AND appliance_id = ? AND ordinal < ?",
        change.state,
        at,
        ordinal,
        change.run_id,
        change.rule,
        change.problem,
        str(change.command_id),
        appliance_id,
        ordinal,
    )


def apply_erasure(session: Session, appliance_id: str, reported: ErasureReported, ordinal: int) -> None:
    """Keep how far an erasure is, unless something newer is known."""
    session.run(
        "UPDATE command SET erasure = ?, erasure_ordinal = ? WHERE id = ? AND appliance_id = ?"
        " AND kind = 'erase' AND erasure_ordinal < ?",
        reported.model_dump_json(exclude={"type", "command_id"}),
        ordinal,
        str(reported.command_id),
        appliance_id,
        ordinal,
    )


def recent(session: Session, appliance_id: str, limit: int = 20) -> list[CommandRow]:
    """An appliance's latest commands; one that waited too long reads ``expired``."""
    return session.all(
        CommandRow,
        f"SELECT {_SHOWN} FROM command WHERE appliance_id = ? ORDER BY created_at DESC LIMIT ?",  # noqa: S608
        time.time(),
        appliance_id,
        limit,
    )


def command(session: Session, command_id: str) -> CommandShown:
    """One command; raises WrongRequestError for an unknown id."""
    row = session.one(
        CommandShown,
        f"SELECT appliance_id, {_SHOWN} FROM command WHERE id = ?",  # noqa: S608
        time.time(),
        command_id if re.fullmatch(r"[0-9a-f-]{36}", command_id) else "",
    )
    if row is None:
        raise NotFoundError("There is no such command.", "", "It may have been long ago.")
    return row


def draft(session: Session, command_id: str) -> str:
    """The document, as JSON, that a plan was asked for with; empty where it was for a saved version."""
    text = session.value(str, "SELECT argument FROM command WHERE id = ?", command_id)
    return str(json.loads(text or "{}").get(DRAFT, ""))


def that_starts(session: Session, appliance_id: str, run_id: str) -> str | None:
    """The command that an appliance has answered with this run, or None."""
    return session.value(
        str,
        "SELECT id FROM command WHERE appliance_id = ? AND run_id = ? AND kind = 'run'",
        appliance_id,
        run_id,
    )
