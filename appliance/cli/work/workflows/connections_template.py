"""The text of a connections file for given workflows, to be filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from appliance.documents.json_schema import editor_line
from appliance.workflow.document import Workflow

_HEADER = """\
# Addresses and credentials of databases and buckets. They never leave this machine: keep it at mode 0600.
# Replace every changeme; a connection that still has one is refused when a run asks for it.
"""

_ENTRY = """\
{name}:  # {uses}
  type: postgres
  host: changeme
  port: 5432
  dbname: changeme
  user: changeme  # {role}
  password: 'changeme'  # keep the single quotes; write a ' inside them twice
  # password_command: [vault, kv, get, -field=password, secret/shop]  # instead: a program that prints it
  sslmode: require  # verify-full, with the next line, also proves who answers
  # sslrootcert: /etc/appliance/certs/db.pem  # the authority's certificate, or system
"""

_BUCKET = """\
{name}:  # delivered to by {workflows}
  type: s3  # or gcs, azure: docs/reference/connections.md says what these want
  bucket: changeme
  region: us-east-1
  # endpoint: https://s3.internal:9000  # of a server that is not Amazon's
  # sslrootcert: /etc/appliance/certs/lake.pem  # the authority's certificate, if it is your own
  access_key_id: changeme  # without it and its secret: the instance's own role
  secret_access_key: 'changeme'
  # password_command: [vault, kv, get, -field=key, secret/lake]  # instead: a program that prints the secret
"""


def connections_template(workflows: Iterable[Workflow]) -> str:
    """The file's text: each connection once, in the order of first use, with what it is used for."""
    reads: dict[str, list[str]] = {}
    writes: dict[str, list[str]] = {}
    builds: dict[str, list[str]] = {}
    names: dict[str, None] = {}
    delivers: dict[str, list[str]] = {}
    for workflow in workflows:
        names.update(dict.fromkeys(workflow.connections))
        reads.setdefault(workflow.source, []).append(workflow.id)
        for twin in workflow.twins.values():
            writes.setdefault(twin.connection, []).append(workflow.id)
        for bucket in dict.fromkeys(each.connection for each in workflow.buckets.values()):
            delivers.setdefault(bucket, []).append(workflow.id)
        for connection in workflow.scratch.values():
            builds.setdefault(connection, []).append(workflow.id)
    entries = [
        _ENTRY.format(
            name=name, uses=", ".join(_uses(name, reads, writes, builds)), role=_role(name, writes, builds)
        )
        for name in names
    ]
    entries += [_BUCKET.format(name=name, workflows=", ".join(ids)) for name, ids in delivers.items()]
    return "\n".join([editor_line("connections") + _HEADER, *entries])


def _uses(
    name: str, reads: dict[str, list[str]], writes: dict[str, list[str]], builds: dict[str, list[str]]
) -> Iterator[str]:
    if name in reads:
        yield f"read by {', '.join(reads[name])}"
    if name in writes:
        yield f"replaced by {', '.join(writes[name])}"
    if name in builds:
        yield f"its server builds for {', '.join(builds[name])}, and drops it again"


def _role(name: str, writes: dict[str, list[str]], builds: dict[str, list[str]]) -> str:
    if name in writes:
        return "a role with CREATEDB that owns the database"
    if name in builds:
        return "a role with CREATEDB"
    return "a role that may SELECT the tables; give it nothing more"
