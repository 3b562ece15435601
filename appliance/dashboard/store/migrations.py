"""Reads ``schema.sql``: numbered blocks of statements that both SQLite and PostgreSQL understand."""

from __future__ import annotations

import re

_SERIAL = {
    True: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    False: "INTEGER PRIMARY KEY AUTOINCREMENT",
}


def split_migrations(schema: str) -> list[tuple[int, str]]:
    """The blocks that follow a ``-- migration N`` line, in order."""
    parts = re.split(r"^-- migration (\d+)$", schema, flags=re.MULTILINE)
    return [(int(parts[i]), parts[i + 1]) for i in range(1, len(parts), 2)]


def statements(block: str, is_postgres: bool) -> list[str]:
    """One block's statements. ``SERIAL_KEY`` is the one word the two databases spell differently."""
    text = "\n".join(line for line in block.splitlines() if not line.lstrip().startswith("--"))
    return [
        part.strip().replace("SERIAL_KEY", _SERIAL[is_postgres]) for part in text.split(";") if part.strip()
    ]
