"""Check whether this machine can be an appliance."""

from __future__ import annotations

from typing import Annotated

import typer

from appliance.cli.work.workflows.run_options import QuietOption

app = typer.Typer()


@app.command()
def preflight(
    in_spite_of: Annotated[
        list[str] | None,
        typer.Option("--in-spite-of", help="A check that may fail; can be given again.", metavar="CHECK"),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Only list the checks, and why each is made.")
    ] = False,
    quiet: QuietOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check whether this machine can be an appliance, and say what to do where it cannot.

    It looks at the system, resources, ports, kernel, clock, keys, Docker and ways out.
    It changes nothing, and runs before the appliance is installed, before every upgrade, and whenever it is
    asked for. The exit status is 1 if a check fails; warnings are none. As root it sees more.
    """
    from appliance.cli.terminal.findings import print_findings  # noqa: PLC0415 - help is instant
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415
    from appliance.errors import ExitCode, WrongRequestError  # noqa: PLC0415
    from appliance.preflight.checks import CHECKS, run_checks  # noqa: PLC0415
    from appliance.preflight.gather import gather  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415
    from appliance.system.findings import failed  # noqa: PLC0415

    names = [check.name for check in CHECKS]
    if explain:
        rows = [(check.name, check.why) for check in CHECKS]
        print_json([{"check": name, "why": why} for name, why in rows]) if as_json else print_table(
            ("check", "why"), rows
        )
        return
    unknown = [name for name in in_spite_of or () if name not in names]
    if unknown:
        raise WrongRequestError(f"There is no check '{unknown[0]}'.", f"There are: {', '.join(names)}.")
    findings = run_checks(gather(load_settings()), in_spite_of or ())
    if as_json:
        print_json({"ok": not failed(findings), "findings": [finding.as_json() for finding in findings]})
    else:
        print_findings(findings, quiet=quiet)
    if failed(findings):
        raise typer.Exit(ExitCode.WORK_FAILED)
