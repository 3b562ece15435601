"""List the masks that there are, and explain one."""

from __future__ import annotations

from typing import Annotated

import typer

from appliance.cli.terminal.completion import mask_names

app = typer.Typer()


@app.command()
def masks(
    name: Annotated[
        str | None,
        typer.Argument(help="The mask to explain; without it, all are listed.", autocompletion=mask_names),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Argument(help="Options to compute the examples with.", metavar="OPTION=VALUE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which masks there are; of one, what it takes, promises, hides and lets through.

    The examples are computed from the options: ``appliance masks date_shift max_days=60``.
    """
    from appliance.cli.terminal.output import print_json  # noqa: PLC0415
    from appliance.cli.terminal.results.mask_pages import (  # noqa: PLC0415 - help does without
        list_json,
        mask_json,
        print_list,
        print_mask,
    )
    from appliance.cli.work.workflows.mask_options import wanted_mask  # noqa: PLC0415

    if name is None:
        print_json(list_json()) if as_json else print_list()
        return
    mask, params = wanted_mask(name, options or [])
    print_json(mask_json(mask, params)) if as_json else print_mask(mask, params)
