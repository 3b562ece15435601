"""What the demo shows when the run is over: rows side by side, counts, proof, times, and where to look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from appliance.cli.terminal.output import duration
from appliance.postgres.plan import Plan

from .branches import BAD_MIGRATION, BRANCH
from .dashboard import ADMIN
from .sample_workflow import ID
from .stack import Stack

PRODUCTION = ("production", "shop")
TWIN = ("staging", "shop_twin")
SHOWN_FILES = 3
RECEIPTS = "/var/lib/appliance/receipts"

CUSTOMERS = """
SELECT c.email, c.first_name, c.last_name, c.phone, c.birth_date, c.tier, a.street, a.city,
       (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS orders
FROM customer c JOIN address a ON a.customer_id = c.id AND a.is_default
WHERE c.id = {id}
"""
PAYMENT = "SELECT card_holder, card_number, amount FROM payment WHERE order_id = {id}"
MESSAGE = "SELECT body AS message FROM crm.message WHERE id = {id}"

# Rows that show something, looked for in production only; the twin is asked for the same ones.
WITH_PHONE = """
SELECT min(c.id) AS id FROM customer c JOIN orders o ON o.customer_id = c.id
WHERE c.phone IS NOT NULL AND c.birth_date IS NOT NULL AND c.first_name ~ '{letters}'
"""
WITH_CARD = "SELECT min(order_id) AS id FROM payment WHERE card_number IS NOT NULL"
WITH_ADDRESS = "SELECT min(id) AS id FROM crm.message WHERE body ~ '@.*[.]example.*[0-9]{4}'"

TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname IN ('public', 'crm') ORDER BY 1
"""


def side_by_side(console: Console, stack: Stack) -> None:
    """A few rows as they are in production and in the twin."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for title, width in (("", 12), ("in production", 48), ("in the twin", 48)):
        table.add_column(title, max_width=width, overflow="fold")
    wanted = (
        (CUSTOMERS, WITH_PHONE.format(letters="[äöüé]")),
        (CUSTOMERS, WITH_PHONE.format(letters="[Łłż]")),
        (PAYMENT, WITH_CARD),
        (MESSAGE, WITH_ADDRESS),
    )
    for number, (query, choice) in enumerate(wanted):
        chosen = stack.query(*PRODUCTION, choice)[0]["id"]
        [production] = stack.query(*PRODUCTION, query.format(id=chosen))
        [twin] = stack.query(*TWIN, query.format(id=chosen))
        if number:
            table.add_row("", "", "")
        for column, value in production.items():
            masked = twin[column]
            table.add_row(
                Text(column, style="dim"),
                _shown(value),
                Text(_shown(masked), style="green" if masked != value else ""),
            )
    console.print(table)


def counts(console: Console, stack: Stack, plan: Plan) -> None:
    """Rows of every table, on both sides; tables that the workflow leaves out are empty in the twin."""
    production = _count(stack, PRODUCTION)
    twin = _count(stack, TWIN)
    left_out = {table.qualified for table in plan.left_out}
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    table.add_column("table")
    table.add_column("rows in production", justify="right")
    table.add_column("rows in the twin", justify="right")
    for name, rows in sorted(production.items(), key=lambda item: -item[1]):
        copied = "left out" if name in left_out else f"{twin.get(name, 0):,}"
        table.add_row(name, f"{rows:,}", copied)
    table.add_row("together", f"{sum(production.values()):,}", f"{sum(twin.values()):,}", style="bold")
    console.print(table)


def verification(console: Console, run: dict[str, Any]) -> None:
    """What was proven of the twin before anyone could see it."""
    for step in run["steps"]:
        if step["step"] == "verify" and step["result"]:
            found = step["result"]
            console.print(
                f"Verified before anyone saw it: {found['rows']:,} rows of {found['tables']} tables counted"
                f" against the snapshot; {found['masked_columns']} masked columns looked at,"
                f" {found['values_equal']:,} values equal to what the mask gives, and no original found.",
                style="green",
            )


def step_times(console: Console, run: dict[str, Any]) -> None:
    """How long each step took, parallel parts taken together."""
    spans: dict[str, tuple[str, str]] = {}
    parts: dict[str, int] = {}
    for step in run["steps"]:
        if step["started_at"] is None or step["ended_at"] is None:
            continue
        began, ended = spans.get(step["step"], (step["started_at"], step["ended_at"]))
        spans[step["step"]] = (min(began, step["started_at"]), max(ended, step["ended_at"]))
        parts[step["step"]] = parts.get(step["step"], 0) + 1
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    table.add_column("step")
    table.add_column("containers", justify="right")
    table.add_column("took", justify="right")
    for name, (began, ended) in sorted(spans.items(), key=lambda item: item[1]):
        table.add_row(name, str(parts[name]), duration(_seconds(began, ended)))
    table.add_row("the whole run", "", duration(run["seconds"]), style="bold")
    console.print(table)


@dataclass(frozen=True)
class Addresses:
    """What a browser shows, on this machine only."""

    status: str
    dashboard: str
    run: str


def where_to_watch(console: Console, stack: Stack, page: str, password: str | None) -> None:
    """Said before the run begins, for anyone who wants to see it in a browser meanwhile."""
    _pairs(console, ("Watch it in a browser", page), ("Sign in as", _opened_with(stack, password)))


def state_on_the_dashboard(console: Console, shown: dict[str, Any] | None) -> None:
    """What the vendor's side knows of the run: how much, how long, and that it was proven; never a value."""
    if shown is None:
        console.print("The dashboard has not heard of the run's end yet; it will, when it is reached.")
        return
    checks = shown["outcome"]["checks"] or ()
    held = sum(check["passed"] for check in checks)
    console.print(
        f"The dashboard has: {shown['state']}, {shown['rows_done']:,} rows of {len(shown['tables'])}"
        f" tables, {held} of {len(checks)} checks held. No value of a row has left the appliance."
    )


def receipt(console: Console, stack: Stack, run_id: str) -> None:
    """The run's receipt as the appliance has it, checked, and how anyone checks it."""
    shown = stack.execute("scheduler", "appliance", "receipt", "show", run_id)
    console.print(Text("The run's receipt", style="bold"))
    console.print(_without_most_files(shown.strip()), markup=False, highlight=False, soft_wrap=True)
    checked = ["exec", "scheduler", "appliance", "receipt", "verify", RECEIPTS]
    console.print(stack.execute(*checked[1:]).strip(), markup=False, highlight=False, soft_wrap=True)
    console.print(f"Check it again: {stack.command(*checked)}", markup=False, soft_wrap=True)


def _without_most_files(shown: str) -> str:
    """A receipt's text with three of the many files that it has a digest of."""
    lines = shown.splitlines()
    files = [number for number, line in enumerate(lines) if line.startswith("  files/")]
    if len(files) <= SHOWN_FILES:
        return shown
    left_out = set(files[SHOWN_FILES:])
    kept = [line for number, line in enumerate(lines) if number not in left_out]
    kept.insert(files[SHOWN_FILES - 1] + 1, f"  and {len(left_out)} more files")
    return "\n".join(kept)


def where_to_look(console: Console, stack: Stack, at: Addresses, password: str | None) -> None:
    """Addresses and commands for what comes next."""
    workflow = f"{at.dashboard}/workflows/{ID}"
    _pairs(
        console,
        ("The appliance", f"{at.status}/"),
        ("The dashboard", f"{at.dashboard}/"),
        ("  sign in as", _opened_with(stack, password)),
        ("This run", at.run),
        ("All receipts", stack.command("exec", "scheduler", "appliance", "receipt", "list")),
        ("Run it again", f"the button on {workflow}, or make demo"),
        ("Change it", f"{workflow}/edit"),
        ("Any command", stack.command("exec", "operator", "appliance", "help")),
        ("Which twins", stack.command("exec", "operator", "appliance", "twin", "show", TWIN[0])),
        ("  back to the former", stack.command("exec", "operator", "appliance", "twin", "rollback", TWIN[0])),
        ("Connect to the branch", f"{_branch(stack)} connect {ID} {BRANCH}"),
        ("Rehearse a migration", f"echo {BAD_MIGRATION!r} | {_rehearse(stack)}"),
        ("The bucket", stack.command("exec", "operator", "appliance", "connections", "check", "lake")),
        ("All that was delivered", stack.command("exec", "operator", "appliance", "copies", "list")),
        ("The twin", stack.command("exec", "staging", "psql", "shop_twin")),
        ("Logs", stack.command("logs", "--follow")),
        ("Remove it all", "make clean"),
    )


def _branch(stack: Stack) -> str:
    return stack.command("exec", "operator", "appliance", "branch")


def _rehearse(stack: Stack) -> str:
    return stack.command("exec", "-T", "operator", "appliance", "rehearse", ID, "--sql", "-")


def _opened_with(stack: Stack, password: str | None) -> str:
    if password is not None:
        return f"{ADMIN}, password {password}"
    reset = stack.command("exec", "dashboard", "appliance-dashboard", "reset-password", ADMIN)
    return f"{ADMIN}, with the password that you have given it (a new one: {reset})"


def _pairs(console: Console, *rows: tuple[str, str]) -> None:
    width = max(len(what) for what, _ in rows)
    for what, where in rows:
        # Never folded by us: an address in two halves is one that no one can click on.
        console.print(Text.assemble((what.ljust(width + 3), "bold"), where), soft_wrap=True)


def _count(stack: Stack, database: tuple[str, str]) -> dict[str, int]:
    names = [row["name"] for row in stack.query(*database, TABLES)]
    counting = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) AS rows FROM {name}" for name in names)
    return {row["name"]: row["rows"] for row in stack.query(*database, counting)}


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def _seconds(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
