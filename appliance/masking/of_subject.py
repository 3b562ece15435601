"""What a mask draws from where a row's subject decides: the subject's key, in whichever table it stands.

The message says whose it is and how it is known, each with its length, before the key::

    s  length  subject  k  the key's own message
    s  length  subject  v  length  column  the value's own message

The second is of rows that carry a unique column's value (an e-mail address) which no subject has: the value
stands for a person then. A row that carries neither is drawn from as if there were no subject. A letter of
its own begins all of them, so nothing that is drawn from a subject meets what is drawn from a value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from appliance.masking.compiled import SubjectLookup
from appliance.masking.expressions.drawing import Message, integer_message, text_message
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.shape import INTEGERS, Value, column_value
from appliance.workflow.catalog import Column
from appliance.workflow.matching.link import Link, Lookup


def key_message(values: Sequence[Value]) -> Message:
    """Of a key's values, none of which is NULL.

    Of several each has its length before it, so that no two keys are drawn from alike.
    """
    if len(values) > 1:
        texts = (value.key_text for value in values)
        parts = ", ".join(f"coalesce(octet_length({text}), -1), coalesce({text}, '')" for text in texts)
        return text_message(f"concat_ws(chr(31), {parts})")
    (value,) = values
    if value.shape.kind in INTEGERS and not value.shape.is_array:
        return integer_message(f"{value.sql}::bigint")
    return text_message(value.key_text)


def subject_message(
    link: Link, own: Message, column: Column, alias: Callable[[str], str]
) -> tuple[Message, tuple[SubjectLookup, ...]]:
    """What a mask of ``column`` draws from, and what is looked up. ``own`` is for rows without a subject.

    ``alias`` gives a name that no column of the table has.
    """
    found: list[str] = []
    unknown: list[str] = []
    lookups: list[SubjectLookup] = []
    for way in link.ways:
        values = [column_value(each) for each in way.columns]
        if way.lookup is not None:
            lookups.append(_lookup(link, way.lookup, values[0], alias))
            found.append(lookups[-1].scalar)
            if column not in way.columns:
                unknown.append(_of_value(link, way.lookup, values[0]))
            continue
        keyed = _of_key(link.subject, values)
        if way.certain:
            if not found:
                return keyed, ()
            return Message("", f"coalesce({', '.join([*found, _whole(keyed)])})"), tuple(lookups)
        known = " AND ".join(f"{each.sql} IS NOT NULL" for each in values)
        found.append(f"CASE WHEN {known} THEN {_whole(keyed)} END")
    return Message("", f"coalesce({', '.join([*found, *unknown, _whole(own)])})"), tuple(lookups)


def _of_value(link: Link, lookup: Lookup, value: Value) -> str:
    """What no subject has stands for a person, if it is anything."""
    message = key_message([_known_value(lookup, value)])
    header = _name(link.subject) + "76" + _text(lookup.column.name) + message.header
    return f"CASE WHEN nullif({value.text}, '') IS NOT NULL THEN {_whole(Message(header, message.body))} END"


def _of_key(subject: str, values: Sequence[Value]) -> Message:
    message = key_message([_one_form(value) for value in values])
    return Message(_name(subject) + "6b" + message.header, message.body)


def _one_form(value: Value) -> Value:
    """1.50 and 1.5 are one key."""
    if value.shape.kind == "numeric" and not value.shape.is_array:
        return Value(f"trim_scale({value.sql})", value.shape)
    return value


def _name(subject: str) -> str:
    return "73" + _text(subject)


def _text(text: str) -> str:
    encoded = text.encode()
    return f"{len(encoded):08x}{encoded.hex()}"


def _whole(message: Message) -> str:
    """Header and message in one expression."""
    header = f"decode('{message.header}', 'hex') || " if message.header else ""
    return f"({header}{message.body})"


def _known_value(lookup: Lookup, value: Value) -> Value:
    """The value as it is compared: two that are taken for equal are drawn from alike."""
    if not lookup.folded or value.shape.folded:
        return value
    return Value(f'lower({value.text} COLLATE "default")', value.shape)


def _lookup(link: Link, lookup: Lookup, value: Value, alias: Callable[[str], str]) -> SubjectLookup:
    """The subject's key by another unique column of its table, in the source's own SQL."""
    key = _of_key(link.subject, [column_value(each) for each in link.key])
    known = " AND ".join(f"{identifier(each.name)} IS NOT NULL" for each in link.key)
    there, here = _compared(lookup, value)
    table = ".".join(map(identifier, link.table))
    digest = hashlib.sha256("\n".join([key.header, key.body, there, here, table]).encode()).hexdigest()[:8]
    found, by, people = (
        identifier(alias(f"appliance_{what}_{digest}")) for what in ("subject", "known", "people")
    )
    relation = (
        f"(SELECT CASE WHEN {known} THEN {_whole(key)} END AS {found}, {there} AS {by}"
        f" FROM {table}) AS {people}"
    )
    return SubjectLookup(
        name=found,
        relation=relation,
        condition=f"{by} = {here}",
        table=link.table,
        by=lookup.column.name,
        rows=lookup.rows,
        bytes=lookup.bytes,
    )


def _compared(lookup: Lookup, value: Value) -> tuple[str, str]:
    """Both sides of the comparison, so that an index of the subject's table can serve."""
    there = column_value(lookup.column)
    if there.shape.kind != "text":
        return there.sql, value.sql
    collation = lookup.column.collation or '"default"'
    if there.shape.folded:
        folded = value if value.shape.folded else _known_value(lookup, value)
        return there.key_text, folded.key_text
    plain = f"{value.sql}::text COLLATE {collation}"
    if lookup.folded:
        return f"lower({there.sql}::text)", f"lower({plain})"
    return f"{there.sql}::text", plain
