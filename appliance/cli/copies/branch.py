"""Make copies of a twin to try things in, which end by themselves."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from appliance.cli.work.workflows.branch_options import (
    AsJson,
    ConnectionsFile,
    Name,
    On,
    PolicyFile,
    Ttl,
    Workflow,
)

if TYPE_CHECKING:
    from appliance.branches.server import Made

app = typer.Typer(no_args_is_help=True)


class Template(Enum):
    """What a branch can be a copy of."""

    golden = "golden"
    twin = "twin"
    former = "former"


Role = Annotated[
    str | None,
    typer.Option(
        "--for", metavar="ROLE", help="Only this role may open it, and may write to everything in it."
    ),
]
From = Annotated[
    Template | None,
    typer.Option("--from", help="What to copy: what the run has proven, the twin, or the former twin."),
]


@app.callback()
def _branch() -> None:
    """Databases of their own, copied from a twin, that anyone may change and that end by themselves."""


@app.command()
def create(  # noqa: PLR0917 - as typer has it
    workflow: Workflow,
    name: Name,
    ttl: Ttl = None,
    role: Role = None,
    of: From = None,
    on: On = None,
    connections: ConnectionsFile = None,
    policy: PolicyFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a branch: a database of its own, with the rows of the newest run."""
    from appliance.branches.lifetime import lifetime  # noqa: PLC0415 - help does without
    from appliance.branches.server import Asked  # noqa: PLC0415
    from appliance.cli.work.copies.branch_server import BranchesOfWorkflow  # noqa: PLC0415

    asked = Asked(ttl=lifetime(ttl) if ttl else None, role=role, of=of.value if of else None)
    branches = BranchesOfWorkflow(workflow, on, connections, policy)
    _print_made(branches.make(lambda: branches.server.create(name, asked)), as_json)


@app.command()
def reset(  # noqa: PLR0917
    workflow: Workflow,
    name: Name,
    ttl: Ttl = None,
    of: From = None,
    on: On = None,
    connections: ConnectionsFile = None,
    policy: PolicyFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a branch again, with the rows of the newest run. What was written to it is gone."""
    from appliance.branches.lifetime import lifetime  # noqa: PLC0415
    from appliance.branches.server import Asked  # noqa: PLC0415
    from appliance.cli.work.copies.branch_server import BranchesOfWorkflow  # noqa: PLC0415

    asked = Asked(ttl=lifetime(ttl) if ttl else None, of=of.value if of else None)
    branches = BranchesOfWorkflow(workflow, on, connections, policy)
    _print_made(branches.make(lambda: branches.server.reset(name, asked)), as_json)


@app.command()
def extend(  # noqa: PLR0917
    workflow: Workflow,
    name: Name,
    ttl: Ttl = None,
    on: On = None,
    connections: ConnectionsFile = None,
    policy: PolicyFile = None,
) -> None:
    """Let a branch stand longer: for this time from now. What was written to it stays."""
    from appliance.branches.lifetime import lifetime  # noqa: PLC0415
    from appliance.cli.work.copies.branch_server import BranchesOfWorkflow  # noqa: PLC0415

    server = BranchesOfWorkflow(workflow, on, connections, policy).server
    branch = server.extend(name, lifetime(ttl) if ttl else None)
    typer.echo(f"'{branch.database.name}' ends at {branch.marker.ends_at:%Y-%m-%d %H:%M} UTC.")


@app.command("list")
def list_(
    workflow: Workflow,
    on: On = None,
    connections: ConnectionsFile = None,
    policy: PolicyFile = None,
    as_json: AsJson = False,
) -> None:
    """List the branches of a twin: of which run each is, how large, and when it ends."""
    from appliance.cli.terminal.output import print_json  # noqa: PLC0415
    from appliance.cli.terminal.results.branches import branches_json, print_branches  # noqa: PLC0415
    from appliance.cli.work.copies.branch_server import BranchesOfWorkflow  # noqa: PLC0415

    branches = BranchesOfWorkflow(workflow, on, connections, policy).server.branches()
    print_json(branches_json(branches)) if as_json else print_branches(branches)


@app.command()
def drop(
    workflow: Workflow,
    name: Name,
    on: On = None,
    connections: ConnectionsFile = None,
    policy: PolicyFile = None,
) -> None:
    """Drop a branch, and disconnect who is in it."""
    from appliance.cli.work.copies.branch_server import BranchesOfWorkflow  # noqa: PLC0415

    branch = BranchesOfWorkflow(workflow, on, connections, policy).server.drop(name)
    typer.echo(f"'{branch.database.name}' is dropped.")


@app.command()
def connect(  # noqa: PLR0917
    workflow: Workflow,
    name: Name,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file", help="Write the owner's password to this new file, as libpq reads it."
        ),
    ] = None,
    on: On = None,
    connections: ConnectionsFile = None,
    policy: PolicyFile = None,
) -> None:
    """Print an entry for pg_service.conf that leads to a branch. It holds no password."""
    from appliance.branches.connecting import service_entry  # noqa: PLC0415
    from appliance.cli.work.copies.branch_server import BranchesOfWorkflow, write_password  # noqa: PLC0415

    branches = BranchesOfWorkflow(workflow, on, connections, policy)
    branch = branches.server.find(name)
    if password_file is not None:
        write_password(password_file, branch, branches.connection)
    passfile = str(password_file.resolve()) if password_file is not None else None
    typer.echo(service_entry(branch, branches.connection, passfile))


@app.command()
def end(
    workflow: Workflow,
    on: On = None,
    connections: ConnectionsFile = None,
    policy: PolicyFile = None,
) -> None:
    """Drop every branch whose time has come. A timer does it every ten minutes."""
    from appliance.cli.work.copies.branch_server import BranchesOfWorkflow  # noqa: PLC0415

    for line in BranchesOfWorkflow(workflow, on, connections, policy).server.end_due():
        typer.echo(line)


def _print_made(made: Made, as_json: bool) -> None:
    from appliance.cli.terminal.output import print_json  # noqa: PLC0415
    from appliance.cli.terminal.results.branches import made_json, print_made  # noqa: PLC0415

    print_json(made_json(made)) if as_json else print_made(made)
