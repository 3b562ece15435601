"""Carry an erasure to every copy, and keep the subject out of later ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from appliance.erasure.carrying import Erasing
    from appliance.subjects.records import ErasureRecord, PlaceRecord

app = typer.Typer(no_args_is_help=True)

SubjectName = Annotated[str, typer.Option("--subject", metavar="NAME", help="A subject of subjects.yaml.")]
By = Annotated[
    str | None, typer.Option("--by", metavar="COLUMN", help="What it is found by (default: its key).")
]
ValueFile = Annotated[
    Path | None,
    typer.Option("--value-file", metavar="FILE", help="Holds the value, mode 600; else it is asked for."),
]
SubjectsFile = Annotated[
    Path | None, typer.Option("--subjects", metavar="FILE", help="Instead of the appliance's subjects.yaml.")
]
Connections = Annotated[
    Path | None, typer.Option("--connections", metavar="FILE", help="Instead of the appliance's.")
]
State = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="Keys and runs (default: the appliance's).")
]
ExportsDir = Annotated[Path | None, typer.Option("--exports-dir", metavar="DIR", help="Where files are.")]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="policy.yaml; else the appliance's own.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _erasure() -> None:
    """Erase a subject from every copy. What names it is typed or read from a file, and never kept."""


@app.command()
def plan(  # noqa: PLR0917 - options
    subject: SubjectName,
    by: By = None,
    value_file: ValueFile = None,
    subjects: SubjectsFile = None,
    connections: Connections = None,
    state: State = None,
    exports_dir: ExportsDir = None,
    policy: PolicyFile = None,
    as_json: AsJson = False,
) -> None:
    """Show in counts what is where about a subject. Nothing is changed."""
    erasing = _erasing(subject, by, value_file, subjects, connections, state, exports_dir, policy)
    _print_places(erasing.look(), as_json=as_json)


@app.command()
def run(  # noqa: PLR0917 - options
    subject: SubjectName,
    by: By = None,
    value_file: ValueFile = None,
    reference: Annotated[
        str | None, typer.Option(help="Your own number of the request; is kept, so no name or address.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    subjects: SubjectsFile = None,
    connections: Connections = None,
    state: State = None,
    exports_dir: ExportsDir = None,
    policy: PolicyFile = None,
) -> None:
    """Remove a subject from every copy, and from the source where a connection may write there.

    What cannot be reached now stays open: run the same command again. Later runs leave the subject out.
    """
    from appliance.cli.work.copies.asked_erasures import is_asked_for, tell_progress  # noqa: PLC0415
    from appliance.cli.work.copies.erasing import confirm  # noqa: PLC0415 - help is instant
    from appliance.cli.work.workflows.local import user_of_command  # noqa: PLC0415
    from appliance.scrubbing.reference import check_reference  # noqa: PLC0415

    if reference is not None:
        check_reference(reference)
    erasing = _erasing(subject, by, value_file, subjects, connections, state, exports_dir, policy)
    erasing.reference = check_reference(reference, erasing.typed) if reference is not None else None
    erasing.user = user_of_command()
    erasing.asked_by = "dashboard" if is_asked_for(reference) else "local"
    looked = erasing.look()
    _print_places(looked, as_json=False)
    confirm(looked, yes=yes)
    record = erasing.run(looked, typer.echo)
    if note := tell_progress(record.reference):
        typer.echo(note)
    _end(record)


@app.command("list")
def list_(state: State = None, as_json: AsJson = False) -> None:
    """List the erasures, the oldest first."""
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415
    from appliance.cli.work.copies.erasing import state_dir  # noqa: PLC0415
    from appliance.subjects.records import list_records  # noqa: PLC0415

    records = list_records(state_dir(state))
    if as_json:
        print_json([record.model_dump(mode="json", exclude={"digests"}) for record in records])
        return
    rows = [
        (
            record.id,
            record.subject,
            record.reference or "",
            f"{record.begun_at:%Y-%m-%d %H:%M}",
            "open" if record.is_open else "done",
            str(len(record.places)),
            f"{record.removed:,}",
        )
        for record in records
    ]
    columns = ("id", "subject", "reference", "begun", "state", "places", "rows removed")
    print_table(columns, rows, empty="No subject was erased.")


@app.command()
def requests(as_json: AsJson = False) -> None:
    """List what the dashboard asked to erase: by a reference number, and never whom it is about.

    Nothing happens until the subject is typed here: appliance erasure run --reference REFERENCE
    """
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415
    from appliance.cli.work.copies.asked_erasures import waiting_requests  # noqa: PLC0415

    found = waiting_requests()
    if as_json:
        print_json(
            [{"reference": each.reference, "asked_at": each.received_at.isoformat()} for each in found]
        )
        return
    rows = [(each.reference, f"{each.received_at:%Y-%m-%d %H:%M}") for each in found]
    print_table(("reference", "asked for"), rows, empty="The dashboard asks for no erasure.")


@app.command()
def decline(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="appliance erasure requests has it.")],
) -> None:
    """Answer the dashboard that an erasure which it asked for is not done."""
    from appliance.cli.work.copies.asked_erasures import decline_request  # noqa: PLC0415

    decline_request(reference)
    typer.echo(f"{reference}: declined. The dashboard hears of it with the next report.")


@app.command()
def verify(  # noqa: PLR0917 - options
    erasure_id: Annotated[str, typer.Argument(metavar="ID", help="appliance erasure list has them.")],
    value_file: ValueFile = None,
    subjects: SubjectsFile = None,
    connections: Connections = None,
    state: State = None,
    exports_dir: ExportsDir = None,
    policy: PolicyFile = None,
) -> None:
    """Look again whether any copy has rows of an erased subject. The value is asked for: it was not kept."""
    from appliance.cli.work.copies.erasing import check_same, state_dir  # noqa: PLC0415
    from appliance.errors import WorkFailedError  # noqa: PLC0415
    from appliance.subjects.records import find_record  # noqa: PLC0415

    record = find_record(state_dir(state), erasure_id)
    erasing = _erasing(
        record.subject, record.found_by, value_file, subjects, connections, state, exports_dir, policy
    )
    check_same(erasing, record)
    looked = erasing.look()
    _print_places(looked, as_json=False)
    copies = [place for place in looked if place.kind != "source" and place.state != "empty"]
    if copies:
        raise WorkFailedError(
            f"{len(copies)} copies are not free of the subject, or could not be looked at.",
            "They are listed above.",
            f"appliance erasure run --subject {record.subject} --by {record.found_by}",
        )
    typer.echo(f"{erasure_id}: no copy has a row about the subject.")


@app.command()
def sql(
    subject: SubjectName,
    by: By = None,
    subjects: SubjectsFile = None,
    connections: Connections = None,
    state: State = None,
) -> None:
    """Print the SQL that removes a subject from the source, for a role that may run it. It holds no value."""
    from appliance.cli.work.copies.erasing import make_erasing  # noqa: PLC0415
    from appliance.erasure.printed_sql import printed_sql  # noqa: PLC0415

    erasing = make_erasing(subject, by, "", subjects, connections, state, None)
    sys.stdout.write(printed_sql(erasing.walked, erasing.by))


@app.command()
def check(subjects: SubjectsFile = None, connections: Connections = None, state: State = None) -> None:
    """Hold subjects.yaml against the sources that it names."""
    from appliance.cli.work.copies.erasing import make_erasing, read_subjects  # noqa: PLC0415

    for name in read_subjects(subjects).subjects:
        walked = make_erasing(name, None, "", subjects, connections, state, None).walked
        typer.echo(f"{name}: {len(walked.tables)} tables, found by {', '.join(walked.anchors)}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of subjects.yaml."""
    from appliance.documents.json_schema import document_schema, printed  # noqa: PLC0415
    from appliance.subjects.document import Subjects  # noqa: PLC0415

    sys.stdout.write(printed(document_schema(Subjects, "Subjects")))


def _erasing(  # noqa: PLR0917
    subject: str,
    by: str | None,
    value_file: Path | None,
    subjects: Path | None,
    connections: Path | None,
    state: Path | None,
    exports_dir: Path | None,
    policy: Path | None,
) -> Erasing:
    from appliance.cli.work.copies.erasing import make_erasing, read_value  # noqa: PLC0415

    erasing = make_erasing(subject, by, "", subjects, connections, state, exports_dir, policy)
    erasing.typed = read_value(value_file, f"{erasing.subject.table}.{erasing.by}")
    return erasing


def _print_places(places: list[PlaceRecord], *, as_json: bool) -> None:
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415

    if as_json:
        print_json([place.model_dump(mode="json") for place in places])
        return
    rows = [
        (
            f"{place.kind} {place.name}",
            table.table if table else "",
            f"{table.before:,}" if table else "0" if place.state == "empty" else "?",
            place.why if number == 0 else "",
        )
        for place in places
        for number, table in enumerate(place.tables or (None,))
    ]
    print_table(("place", "table", "rows", "note"), rows, empty="There is no place to look at.")


def _end(record: ErasureRecord) -> None:
    from appliance.errors import WorkFailedError  # noqa: PLC0415

    if record.is_open:
        open_places = [place for place in record.places if place.state == "open"]
        raise WorkFailedError(
            f"{record.id} stays open: {len(open_places)} places are not done.",
            "They are listed above, each with the reason. Runs leave the subject out from now on.",
            f"appliance erasure run --subject {record.subject} --by {record.found_by}",
        )
    typer.echo(f"{record.id}: done, {record.removed:,} rows removed. Runs leave the subject out from now on.")
