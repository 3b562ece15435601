"""What only PostgreSQL 18 has: virtual columns, keys over time, constraints that are not enforced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.system.postgres_programs import PG_DUMP_VARIABLE
from tests.engine.clusters import Cluster, program
from tests.engine.scenario import Scenario
from tests.engine.schema_text import schema_text

SCHEMA = """
CREATE SCHEMA crm;
CREATE EXTENSION btree_gist;
CREATE TABLE crm.customer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL,
    phone text,
    domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) VIRTUAL,
    length integer GENERATED ALWAYS AS (length(email)) STORED,
    CONSTRAINT has_phone CHECK (phone IS NOT NULL) NOT ENFORCED
);
INSERT INTO crm.customer (email, phone)
SELECT format('person.%s@shop-%s.test', i, i % 7), CASE WHEN i % 9 > 0 THEN '+4930' || (1000000 + i) END
FROM generate_series(1, 300) AS i;
ALTER TABLE crm.customer ADD CONSTRAINT email_there NOT NULL phone NOT VALID;
CREATE TABLE crm.room (id uuid DEFAULT uuidv7(), during tstzrange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
CREATE TABLE crm.booking (
    room uuid, during tstzrange, guest text,
    FOREIGN KEY (room, PERIOD during) REFERENCES crm.room (id, PERIOD during)
);
INSERT INTO crm.room (during) SELECT tstzrange(t, t + interval '1 day')
FROM generate_series(timestamptz '2026-01-01', timestamptz '2026-02-01', interval '1 day') AS t;
INSERT INTO crm.booking SELECT id, during, 'Erika Mustermann' FROM crm.room;
CREATE TABLE crm.note (id integer PRIMARY KEY, customer bigint REFERENCES crm.customer NOT ENFORCED);
INSERT INTO crm.note VALUES (1, 1), (2, 999999);
CREATE TABLE crm.visit (customer bigint, day integer, remark text) PARTITION BY LIST (day);
CREATE TABLE crm.visit_rest PARTITION OF crm.visit DEFAULT;
INSERT INTO crm.visit VALUES (999999, 1, NULL);
ALTER TABLE crm.visit ADD CONSTRAINT remarked NOT NULL remark NOT VALID,
    ADD CONSTRAINT whose FOREIGN KEY (customer) REFERENCES crm.customer NOT VALID;
"""


@pytest.fixture
def future(
    scenario: Scenario, postgres18: Cluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Scenario, str]]:
    """A source of PostgreSQL 18 and its name; the twin is on the same server."""
    database = f"future_{scenario.twin}"
    postgres18.create_database(database)
    postgres18.sql(database, SCHEMA)
    postgres18.sql(database, "GRANT pg_read_all_data TO reader; ALTER ROLE reader BYPASSRLS")
    scenario.connections["production"] = postgres18.connection(database, "reader")
    scenario.connections["staging"] = postgres18.connection(scenario.twin, "twin_owner")
    scenario.environment_changes = {PG_DUMP_VARIABLE: program(18, "pg_dump")}
    monkeypatch.setenv(PG_DUMP_VARIABLE, program(18, "pg_dump"))
    yield scenario, database
    for name in (database, *(scenario.twin + suffix for suffix in ("", "__next", "__prev"))):
        postgres18.drop_database(name)


def test_a_twin_carries_what_only_18_has(future: tuple[Scenario, str], postgres18: Cluster) -> None:
    scenario, database = future
    scenario.workflow |= {
        "tables": {"include": ["crm.*"]},
        "masks": {
            "crm.customer.email": "email",
            "crm.customer.phone": "phone",
            "crm.booking.guest": "full_name",
            # The key without overlaps compares it by =, and the bookings of the rooms follow.
            "crm.room.id": "uuid",
        },
        "keep": ["crm.customer.id", "crm.room.during", "crm.booking.during", "crm.note.*", "crm.visit.*"],
    }
    ended = scenario.run()
    assert ended.code == 0, ended.text
    assert schema_text(postgres18, scenario.twin) == schema_text(postgres18, database)
    twin = postgres18.rows(scenario.twin, "SELECT email, domain, length FROM crm.customer ORDER BY id")
    assert len(twin) == 300
    assert all(domain == email.partition("@")[2] and length == len(email) for email, domain, length in twin)
    assert not any(email.startswith("person.") for email, _, _ in twin)
