"""A partition's trigger comes with its parent's, and pg_dump says only whether it is on.

It writes ``ALTER TABLE partition DISABLE TRIGGER name`` as an entry of its own that needs the partition, and
leaves it to the order of names that the parent's trigger is made before.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from appliance.postgres.source.archive_contents import Entry

_NAME = r'(?:"(?:[^"]|"")+"|[^\s".(),;]+)'
_MADE = re.compile(rf"CREATE (?:CONSTRAINT )?TRIGGER (?P<name>{_NAME}) ")
_STATE = re.compile(
    rf"\s*ALTER (?:FOREIGN )?TABLE {_NAME}\.{_NAME} (?:DISABLE|ENABLE|ENABLE ALWAYS|ENABLE REPLICA)"
    rf" TRIGGER (?P<name>{_NAME});\s*"
)


def after_their_triggers(entries: Iterable[Entry]) -> list[Entry]:
    """The entries, those that turn a trigger on or off last and in need of all triggers of that name."""
    kept: list[Entry] = []
    states: list[tuple[str, Entry]] = []
    made: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        if entry.kind == "TRIGGER" and (match := _STATE.fullmatch(entry.sql)):
            states.append((match["name"], entry))
            continue
        if entry.kind == "TRIGGER" and (match := _MADE.match(entry.sql)):
            made[match["name"]].append(entry.dump_id)
        kept.append(entry)
    return kept + [
        entry.model_copy(update={"depends_on": (*entry.depends_on, *made.get(name, ()))})
        for name, entry in states
    ]
