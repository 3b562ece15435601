"""The schemas of Airflow's metadata that can be gone down to, and what an older Airflow has no word for.

Airflow's own downgrade takes back tables and columns. What a newer Airflow has written into those that stay
it leaves as it is: a run of a kind that the older one does not know, whose tasks that one cannot begin. So
each border that is crossed has statements that say the same in the older one's words.
"""

from __future__ import annotations

BORDERS: dict[str, tuple[str, ...]] = {
    # Airflow 3.2, from 3.3: a run that was asked for over the execution API is of a kind of its own there.
    "1d6611b6ab7c": ("UPDATE dag_run SET run_type = 'manual' WHERE run_type = 'operator_triggered'",),
}
"""By the newest schema of the older Airflow, as ``alembic_version`` has it, the newest border first.

One is added when Airflow's next schema comes, after tests/containers/test_airflow_versions.py has shown it.
"""


def values_to_say_otherwise(schema: str) -> tuple[str, ...]:
    """The statements for a way down to that schema: of every border on the way. Raises KeyError."""
    crossed = list(BORDERS)[: list(BORDERS).index(schema) + 1] if schema in BORDERS else []
    if not crossed:
        raise KeyError(schema)
    return tuple(statement for border in crossed for statement in BORDERS[border])
