"""List, show or cancel the rehearsals that were asked for from elsewhere."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.store.asked_work import AskedWork
    from appliance.store.database import Connection

app = typer.Typer(no_args_is_help=True)

Found = TypeVar("Found")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_MOST = 200
_UNDER_WAY = ("queued", "running")


@app.callback()
def _rehearsal() -> None:
    """Rehearsals that came over the status service or from the dashboard.

    One that runs in a terminal (`appliance rehearse`) is cancelled there, by Ctrl-C.
    """


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest rehearsals."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - help does without

    from appliance.cli.terminal.output import moment, print_json, print_table  # noqa: PLC0415
    from appliance.store.asked_work import AskedWork, recent_rehearsals  # noqa: PLC0415

    found = _asked(lambda db: recent_rehearsals(db, limit))
    if as_json:
        print_json(TypeAdapter(list[AskedWork]).dump_python(found, mode="json"))
        return
    rows = [
        (each.id, each.workflow, each.state, moment(each.asked_at), _by(each), (each.said or ("",))[-1])
        for each in found
    ]
    print_table(
        ("rehearsal", "workflow", "state", "asked for", "by", "how far"),
        rows,
        empty="No rehearsal was asked for from elsewhere.",
        clipped="how far",
    )


@app.command()
def show(
    work_id: Annotated[str, typer.Argument(metavar="ID", help="As listed.")],
    as_json: AsJson = False,
) -> None:
    """Show one: how far it is, or its report."""
    from appliance.cli.terminal.output import print_json  # noqa: PLC0415 - help does without
    from appliance.cli.terminal.results.remote import print_work  # noqa: PLC0415
    from appliance.cli.work.remote.work import Work  # noqa: PLC0415
    from appliance.errors import WrongRequestError  # noqa: PLC0415
    from appliance.store.asked_work import find_work  # noqa: PLC0415

    found = _asked(lambda db: find_work(db, work_id))
    if found is None or found.kind != "rehearse":
        raise WrongRequestError(f"There is no rehearsal {work_id}.", "", "appliance rehearsal list")
    if as_json:
        print_json(vars(found))
        return
    if found.state in _UNDER_WAY:
        typer.echo(f"{found.workflow}: {found.state}")
        for line in found.said:
            typer.echo(f"  {line}")
        return
    print_work(Work.model_validate(vars(found)))


@app.command()
def cancel(
    work_id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="As listed; none where one is going on."),
    ] = None,
    why: Annotated[str, typer.Option(help="Is shown with it.")] = "Cancelled on the command line.",
) -> None:
    """End a rehearsal within seconds: its branch is dropped, its report says that it was cancelled."""
    from appliance.orchestration.rehearsal_cancelling import cancel_rehearsal  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415

    settings = load_settings()

    def end(db: Connection) -> str:
        named = work_id or _only_one(db)
        cancel_rehearsal(db, settings, named, why)
        return named

    typer.echo(f"{_asked(end)}: is asked to end")


def _only_one(db: Connection) -> str:
    from appliance.errors import WrongRequestError  # noqa: PLC0415
    from appliance.store.asked_work import recent_rehearsals  # noqa: PLC0415

    open_now = [each.id for each in recent_rehearsals(db, _MOST) if each.state in _UNDER_WAY]
    if len(open_now) == 1:
        return open_now[0]
    what = f"{len(open_now)} rehearsals are under way." if open_now else "No rehearsal is under way."
    raise WrongRequestError(what, ", ".join(open_now), "appliance rehearsal list")


def _by(work: AskedWork) -> str:
    return "the dashboard" if work.origin == "cloud" else "the owner"


def _asked(ask: Callable[[Connection], Found]) -> Found:
    """What the appliance's database says. Raises WorkFailedError while it is away."""
    import psycopg  # noqa: PLC0415 - help does without

    from appliance.errors import WorkFailedError  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415
    from appliance.store.database import connect  # noqa: PLC0415

    try:
        with closing(connect(load_settings().database_url)) as db:
            return ask(db)
    except psycopg.Error as error:
        raise WorkFailedError(
            "The appliance's database does not answer, or has no such tables yet.",
            f"PostgreSQL answered with {error.sqlstate or type(error).__name__}.",
            "appliance status",
        ) from None
