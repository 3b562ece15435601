"""What a target's role and server can do, as its catalog says and as was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from psycopg import Connection
from psycopg.rows import TupleRow


@dataclass(frozen=True)
class TargetAbilities:
    """What the target's role and server can do."""

    superuser: bool
    available: frozenset[str]
    """Extensions that are installed on the server."""
    extensions: frozenset[str]
    """Those of them that the role can create."""
    roles: frozenset[str]
    collations: frozenset[tuple[str, str]]
    """(provider letter, name) of the collations every database has."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of each extension, the version that it is created in."""

    created: frozenset[str] = frozenset()
    """Extensions that the server was seen to let the role create, whatever the catalog says."""
    refused: frozenset[str] = frozenset()
    """Those that the role may create by the catalog, and that the server was seen to refuse."""

    def as_tried(self, *, created: Iterable[str], refused: Iterable[str]) -> TargetAbilities:
        """The same, with what came of a trial."""
        made, not_made = frozenset(created), frozenset(refused)
        return replace(self, extensions=(self.extensions | made) - not_made, created=made, refused=not_made)


def read_abilities(admin: Connection[TupleRow]) -> TargetAbilities:
    """Ask the target, from any of its databases."""
    superuser = admin.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (
        True,
    )
    extensions = admin.execute(
        "SELECT name::text, bool_or(%s OR trusted OR NOT superuser)"
        " FROM pg_available_extension_versions GROUP BY name",
        [superuser],
    ).fetchall()
    roles = admin.execute("SELECT rolname::text FROM pg_roles")
    collations = admin.execute(
        "SELECT collprovider::text, collname::text FROM pg_collation"
        " WHERE collnamespace = 'pg_catalog'::regnamespace"
    )
    versions = admin.execute("SELECT name::text, default_version FROM pg_available_extensions")
    return TargetAbilities(
        versions={name: version for name, version in versions if version is not None},
        superuser=superuser,
        available=frozenset(name for name, _ in extensions),
        extensions=frozenset(name for name, creatable in extensions if creatable) | {"plpgsql"},
        roles=frozenset(name for (name,) in roles),
        collations=frozenset((provider, name) for provider, name in collations),
    )
