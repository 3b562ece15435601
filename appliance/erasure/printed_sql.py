"""The SQL of an erasure in the source, for those who may run it: psql asks for the value."""

from __future__ import annotations

from appliance.erasure.finding import table_sql
from appliance.erasure.statements import changes
from appliance.masking.expressions.sql_text import identifier
from appliance.subjects.conditions import rows_about, rows_referring
from appliance.subjects.walk import Walk
from appliance.workflow.catalog import Column


def printed_sql(walked: Walk, by: str) -> str:
    """A script for psql, in one transaction that shows its counts before it ends."""
    root = walked.root
    its_own = f"SELECT {{}} FROM {table_sql(root.table)} AS s WHERE s.{identifier(by)}::text = :'subject'"  # noqa: S608

    def anchor(value: str, column: Column, root_column: str) -> str:  # noqa: ARG001
        return f"{value} IN ({its_own.format(f's.{identifier(root_column)}')})"

    lines = [
        "-- Asks for the value, which stands neither in this file nor in the shell's history.",
        "-- psql sends it as a part of the statements: have the server log none of them meanwhile.",
        "\\set ON_ERROR_STOP on",
        f"\\prompt '{root.name}.{by} of the subject: ' subject".replace("\n", " "),
        "BEGIN;",
    ]
    for each in changes(
        walked,
        lambda table: rows_about(walked, table.name, anchor),
        lambda unlinked: rows_referring(walked, unlinked, anchor),
        in_source=True,
    ):
        if each.change is not None:
            lines.append(f"{each.change};")
    return "\n".join([*lines, "COMMIT;", ""])
