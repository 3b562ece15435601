"""What the deliveries of one workflow may be together: each error names the entry that does not fit."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.documents.model import wrong
from appliance.documents.problems import KeyPath
from appliance.workflow.deliveries.delivery import Delivery


def check_together(deliver: Sequence[Delivery], source: str) -> None:
    """Raises a validator's error, with the place in ``deliver`` of what does not fit the others."""
    places = list(enumerate(deliver))
    twins = {place: each.twin for place, each in places if each.twin}
    files = {place: each.files for place, each in places if each.files}
    buckets = {place: each.bucket for place, each in places if each.bucket}
    _each_once(
        {("deliver", place, "files", "format"): each.format for place, each in files.items()},
        "delivers files as {} twice",
        "each format once",
    )
    _each_once(
        {("deliver", place, "bucket"): f"{each.connection}:{each.prefix}" for place, each in buckets.items()},
        "delivers to one place in a bucket twice",
        "each connection and prefix once",
    )
    built: dict[KeyPath, str] = {
        ("deliver", place, kind, "build_in"): each.build_in
        for kind, those in (("files", files), ("bucket", buckets))
        for place, each in those.items()
        if each.build_in is not None
    }
    _check_building(built, has_twin=bool(twins), only_buckets=bool(buckets) and not files, source=source)
    to: dict[KeyPath, str] = {
        ("deliver", place, "twin", "connection"): each.connection for place, each in twins.items()
    }
    for at, name in to.items():
        if name == source:
            raise wrong(f"delivers to its own source, `{name}`", "a twin on another connection", at)
    _each_once(to, "delivers to `{}` twice", "each connection once")
    for place, container in [(place, each.container) for place, each in places if each.container]:
        at = ("deliver", place, "container")
        if container.reads == "files" and not files:
            raise wrong("reads files, and the workflow delivers none", "{files: {…}} as well", (*at, "reads"))
        if container.reaches_databases and not twins:
            raise wrong("reaches databases, and the workflow has no twin", "a twin as well", (*at, "network"))


def _each_once(named: dict[KeyPath, str], what: str, expected: str) -> None:
    seen: set[str] = set()
    for at, name in named.items():
        if name in seen:
            raise wrong(what.format(name), expected, at)
        seen.add(name)


def _check_building(built: dict[KeyPath, str], *, has_twin: bool, only_buckets: bool, source: str) -> None:
    if has_twin and built:
        raise wrong(
            "names build_in beside a twin",
            "no build_in: beside a twin, files are written from the twin",
            next(iter(built)),
        )
    if not has_twin and not built:
        raise wrong(
            f"delivers {'to a bucket' if only_buckets else 'files'} and no twin",
            "a twin beside them, or build_in: a connection where the database is built, proven and dropped",
            ("deliver",),
        )
    for at, name in built.items():
        if name == source:
            raise wrong(f"builds in its own source, `{source}`", "build_in: another connection", at)
        if name != next(iter(built.values())):
            raise wrong(
                "names another build_in than an entry before it",
                "one connection: all files are written from one database",
                at,
            )
