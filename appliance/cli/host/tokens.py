"""Make, list and revoke tokens of people who fetch files with appliance pull."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.completion import workflow_ids

app = typer.Typer(no_args_is_help=True)

State = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="Where they are (default: the appliance's).")
]


@app.callback()
def _tokens() -> None:
    """Tokens of people who fetch files: each for named workflows, for a time, and revocable."""


@app.command()
def make(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whose it is, as anna.")],
    workflow: Annotated[
        list[str],
        typer.Option(
            "--workflow",
            metavar="ID",
            help="What it is for; may be given again.",
            autocompletion=workflow_ids,
        ),
    ],
    days: Annotated[int, typer.Option(help="How long it is good.")] = 90,
    state: State = None,
) -> None:
    """Make a token and print it, this once. It opens exports of these workflows and nothing else."""
    from appliance.cli.work.host.data_tokens import make_for  # noqa: PLC0415 - help is instant

    secret, token = make_for(person, tuple(workflow), days=days, state=state)
    typer.echo(secret)
    typer.echo(
        f"For {token.person}, {', '.join(token.workflows)}, until {token.expires_at:%Y-%m-%d}."
        f" It is shown this once; to end it: appliance tokens revoke {token.id}",
        err=True,
    )


@app.command("list")
def list_(
    state: State = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List them, and when each was last used. No token itself is kept."""
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415 - help is instant
    from appliance.cli.work.host.data_tokens import listed  # noqa: PLC0415

    found = listed(state)
    if as_json:
        print_json(
            [
                {
                    **each.token.model_dump(mode="json", exclude={"digest"}),
                    "state": each.state,
                    "used": each.used,
                    "last_used_at": each.last_used_at.isoformat() if each.last_used_at else None,
                }
                for each in found
            ]
        )
        return
    rows = [
        (
            each.token.id,
            each.token.person,
            ", ".join(each.token.workflows),
            each.state,
            f"{each.token.expires_at:%Y-%m-%d}",
            f"{each.last_used_at:%Y-%m-%d %H:%M}" if each.last_used_at else "never",
        )
        for each in found
    ]
    columns = ("token", "person", "workflows", "state", "until", "last used")
    print_table(columns, rows, empty="There are no tokens. Next: appliance tokens make --help")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, or a person: all tokens of theirs.")],
    state: State = None,
) -> None:
    """End a token at once. A file that is being sent is sent to its end."""
    from appliance.cli.work.host.data_tokens import revoke_for  # noqa: PLC0415 - help is instant

    ended = revoke_for(name, state)
    for each in ended:
        typer.echo(f"{each.id} of {each.person}: revoked")
    if not ended:
        typer.echo("It was revoked before.")


@app.command("uses")
def uses_(
    person: Annotated[str | None, typer.Option(help="Only of this person.")] = None,
    state: State = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what was fetched with them and what was refused, the oldest first."""
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415 - help is instant
    from appliance.cli.work.host.data_tokens import used  # noqa: PLC0415

    found = [each for each in used(state) if person in (None, each.person)]
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    rows = [
        (
            f"{each.at:%Y-%m-%d %H:%M:%S}",
            each.person,
            each.token,
            each.address,
            each.run,
            each.file if not each.start else f"{each.file}, from byte {each.start:,}",
            each.refused or "given",
        )
        for each in found
    ]
    columns = ("at", "person", "token", "from", "run", "file", "outcome")
    print_table(columns, rows, empty="No token was used yet.")
