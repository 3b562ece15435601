"""The arguments and options of branches and rehearsals, on this machine and elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.completion import connection_names, workflow_ids

_ON = "Which twin, where the workflow has several."

Workflow = Annotated[
    str,
    typer.Argument(metavar="WORKFLOW", help="The workflow's id, or its file.", autocompletion=workflow_ids),
]
WorkflowElsewhere = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's id.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The branch's name, as feature/pay-123.")]
On = Annotated[
    str | None,
    typer.Option("--on", metavar="CONNECTION", help=_ON, autocompletion=connection_names),
]
OnElsewhere = Annotated[str | None, typer.Option("--on", metavar="CONNECTION", help=_ON)]
Ttl = Annotated[
    str | None,
    typer.Option(
        "--ttl", metavar="TIME", help="How long it stands: 90m, 12h, 3d, 2w. Else what policy allows."
    ),
]
ConnectionsFile = Annotated[
    Path | None, typer.Option("--connections", help="Connections file (default: the appliance's own).")
]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help="Policy file (default: the appliance's own).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Sql = Annotated[
    list[Path] | None,
    typer.Option(
        "--sql",
        metavar="FILE",
        help="The migration: a file, a folder's *.sql, or - for standard input. Again for more.",
    ),
]
Image = Annotated[
    str | None,
    typer.Option("--image", metavar="IMAGE", help="The migration: an image that policy.yaml names."),
]
Command = Annotated[
    str, typer.Option("--command", metavar="WORDS", help="Arguments for the image's entry point.")
]
Down = Annotated[
    list[Path] | None,
    typer.Option("--down", metavar="FILE", help="Its way back; then the schema is compared. Again for more."),
]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the branch; it ends by itself.")]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML there as well.")]
Markdown = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="FILE", help="Write Markdown there as well, for a pull request."),
]
