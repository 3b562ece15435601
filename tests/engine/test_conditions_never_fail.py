"""A condition that a plan takes fails for no value, on this server and a newer one."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.masking.expressions.row_condition import row_condition, row_misfits
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.workflow.catalog import Table
from appliance.workflow.conditions.grammar import BeyondGrammarError, parse_condition
from tests.engine.clusters import Cluster

TABLE = """
CREATE TABLE thing (
    t text, v varchar(10), c char(5), n int, b bigint, m numeric, f float8, d date, s timestamptz, o boolean,
    u uuid, i inet, j jsonb, a int[]
);
INSERT INTO thing (t, v, c) VALUES ('', '', ''), ('\\', '%', '_'),
    (repeat('é', 3000), '\\%', '''"'), (E'\\n', ' ', E'\\t');
INSERT INTO thing (n, b, m, f) VALUES (2147483647, 9223372036854775807, 'NaN', 'NaN'),
    (-2147483648, -9223372036854775808, 1e-300, 'infinity'), (0, 0, 1e300, '-0');
INSERT INTO thing (d, s, o) VALUES ('infinity', '-infinity', true), ('0001-01-01 BC', '294276-01-01', false);
INSERT INTO thing (u, i, j, a)
    VALUES ('00000000-0000-0000-0000-000000000000', '::1', '{"a": null}', '{NULL}');
INSERT INTO thing DEFAULT VALUES;
ANALYZE thing;
"""
COLUMNS = st.sampled_from(["t", "v", "c", "n", "b", "m", "f", "d", "s", "o", "u", "i", "j", "a"])
LITERALS = st.one_of(
    st.sampled_from(
        ["''", "'%'", "'\\'", "'a'", "NULL", "TRUE", "'infinity'", "'2020-01-01'", "'NaN'", "'1'"]
    ),
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
    st.text("a%_\\'é 🦊", max_size=6).map(lambda text: "'" + text.replace("'", "''") + "'"),
)
CALLS = st.one_of(
    st.builds("{}({})".format, st.sampled_from(["lower", "upper", "length", "trim"]), COLUMNS),
    st.builds(
        "{}({}, {})".format, st.sampled_from(["left", "right"]), COLUMNS, st.integers(-(10**10), 10**10)
    ),
    st.builds("coalesce({}, {})".format, COLUMNS, LITERALS),
)
OPERANDS = st.one_of(COLUMNS, COLUMNS, LITERALS, CALLS)
COMPARED = st.one_of(
    st.builds("{} {} {}".format, OPERANDS, st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "LIKE", "ILIKE",
              "NOT LIKE", "IS DISTINCT FROM"]), OPERANDS),
    st.builds("{} IN ({}, {})".format, OPERANDS, LITERALS, LITERALS),
    st.builds("{} BETWEEN {} AND {}".format, OPERANDS, OPERANDS, OPERANDS),
    st.builds("{} IS NOT NULL".format, OPERANDS),
)  # fmt: skip
CONDITIONS = st.recursive(
    COMPARED,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=4,
)


class Things:
    """The table on one server, and a session that reads it as a source is read."""

    def __init__(self, cluster: Cluster) -> None:
        cluster.create_database("conditions")
        cluster.sql("conditions", TABLE)
        self.session = cluster.connect("conditions")
        (self.table,) = (each for each in self._tables() if each.name == "thing")
        self.asked = 0

    def _tables(self) -> tuple[Table, ...]:
        return read_catalog(self.session).tables

    def is_taken(self, text: str) -> bool:
        """Whether a plan would take the condition; then every row is asked."""
        try:
            condition = parse_condition(text)
        except BeyondGrammarError:
            return False
        if row_misfits(condition, self.table):
            return False
        where = row_condition(condition, self.table, "t")
        try:
            with self.session.transaction():
                self.session.execute(f"EXPLAIN SELECT FROM thing AS t WHERE {where}".encode())
        except psycopg.Error:
            return False
        with self.session.transaction(force_rollback=True):
            self.session.execute(f"SELECT count(*) FILTER (WHERE {where}) FROM thing AS t".encode())
        self.asked += 1
        return True


@pytest.fixture(scope="module")
def things(source: Cluster) -> Iterator[Things]:
    made = Things(source)
    yield made
    made.session.close()
    source.drop_database("conditions")


@pytest.fixture(scope="module")
def newer_things(postgres17: Cluster) -> Iterator[Things]:
    made = Things(postgres17)
    yield made
    made.session.close()
    postgres17.drop_database("conditions")


FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(text=CONDITIONS)
def test_what_a_plan_takes_fails_for_no_row(things: Things, text: str) -> None:
    things.is_taken(text)


def test_conditions_were_taken_at_all(things: Things) -> None:
    assert all(
        map(things.is_taken, ("t = 'a' OR n > 3", "left(t, 2) LIKE 'a%'", "f = 1.5", "coalesce(t, '') <> ''"))
    )
    assert things.asked >= 4


@FEW
@given(text=CONDITIONS)
def test_nor_on_a_newer_server(newer_things: Things, text: str) -> None:
    newer_things.is_taken(text)
