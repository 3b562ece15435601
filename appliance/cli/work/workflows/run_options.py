"""The argument and options of the commands that run, or plan, a workflow on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WorkflowArgument = Annotated[Path, typer.Argument(help="The workflow.", metavar="FILE")]
ConnectionsOption = Annotated[
    Path | None, typer.Option(help="connections.yaml; else the appliance's own.", metavar="FILE")
]
PolicyOption = Annotated[
    Path | None, typer.Option(help="policy.yaml; else the appliance's own, if it has one.", metavar="FILE")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print what is wrong, and nothing else.")]
StateOption = Annotated[
    Path | None, typer.Option(help="Where plans, results and the mask key are kept.", metavar="DIR")
]
