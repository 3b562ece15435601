"""One person is one person in the whole twin, on real servers."""

from __future__ import annotations

from pathlib import Path

from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun
from tests.engine.plan_making import plan_of

SCRIPT = """
CREATE EXTENSION citext;
CREATE SCHEMA crm;
CREATE TABLE customer (id int PRIMARY KEY, email text UNIQUE, first_name text, full_name text, street text,
    phone text, born date, joined timestamp);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint REFERENCES customer, full_name text,
    ship_street text, at timestamptz, email text);
CREATE TABLE crm.lead (id int PRIMARY KEY, email text, full_name text, first_name varchar(60), seen date,
    customer_ref int);
CREATE TABLE message (id int PRIMARY KEY, sender_id int, recipient_id int, from_name text, to_name text,
    sent date);
INSERT INTO customer SELECT n, 'person' || n || '@corp.test', 'First' || n, 'Full Name' || n, n || ' Elm Rd',
    '+49 170 ' || 1000000 + n, date '1980-01-01' + n, timestamp '2020-01-01' + n * interval '1 hour'
    FROM generate_series(1, 300) AS g (n);
INSERT INTO orders SELECT n, nullif(1 + n % 301, 301), 'Spelled ' || n, n || ' Oak St',
    timestamptz '2024-01-01 12:00+00' + n * interval '1 day', 'order' || n || '@corp.test'
    FROM generate_series(1, 900) AS g (n);
INSERT INTO crm.lead SELECT n, 'person' || n || '@corp.test', 'Lead ' || n, 'L' || n, date '2024-01-01' + n
    FROM generate_series(200, 400) AS g (n);
INSERT INTO crm.lead VALUES (1, NULL, 'Alone', 'Al', '2024-01-01'), (2, NULL, 'Alone', 'Al', '2024-01-01'),
    (3, 'person350@corp.test', 'Twice', 'Tw', '2024-01-01');
INSERT INTO crm.lead SELECT n, 'elsewhere' || n || '@corp.test', 'Also ' || n, 'A' || n,
    date '2024-01-01' + n, n FROM generate_series(20, 40) AS g (n);
INSERT INTO message SELECT n, 1 + n % 300, 1 + (n * 7) % 300, 'From ' || n, 'To ' || n, date '2024-01-01' + n
    FROM generate_series(1, 300) AS g (n);
GRANT USAGE ON SCHEMA crm TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, crm TO reader;
"""
DOCUMENT = {
    "tables": {"include": ["public.*", "crm.*"]},
    "subjects": {
        "customer": {
            "table": "public.customer",
            "key": "id",
            "also": [
                "public.orders.customer_id",
                {"column": "crm.lead.customer_ref", "via": "id"},
                "crm.lead.email",
                {"column": "public.message.sender_id", "name": "sender"},
                {"column": "public.message.recipient_id", "name": "recipient"},
            ],
        }
    },
    "masks": {
        "*.*.email": "email",
        "*.*.first_name": "first_name",
        "*.*.full_name": "full_name",
        "*.*.*street": "street",
        "*.*.phone": "phone_number",
        "public.customer.born": "date_shift",
        "public.customer.joined": "date_shift",
        "public.orders.at": "date_shift",
        "crm.lead.seen": "date_shift",
        "public.message.from_name": {"mask": "full_name", "subject": "sender"},
        "public.message.to_name": {"mask": "full_name", "subject": "recipient"},
        "public.message.sent": {"mask": "date_shift", "subject": "sender"},
    },
    "keep": ["*.*.id", "*.*.*_id", "*.*.*_ref"],
}


def test_one_person_has_one_name_one_address_and_one_shift_everywhere(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Path
) -> None:
    source.sql(source_database, SCRIPT)
    run = EngineRun(source, source_database, target, twin_database, run_folder, DOCUMENT)
    run.copied().verify()

    def rows(sql: str) -> list[tuple[object, ...]]:
        return run.target.rows(run.next, sql)

    different = {
        "orders AS o JOIN customer AS c ON c.id = customer_id": "(o.full_name, ship_street, o.email)"
        " IS DISTINCT FROM (c.full_name, c.street, c.email)",
        "crm.lead AS l JOIN customer AS c ON c.id = l.id AND l.id > 9": "(l.full_name, l.first_name, l.email)"
        " IS DISTINCT FROM (c.full_name, c.first_name, c.email)",
        "message AS m JOIN customer AS s ON s.id = sender_id JOIN customer AS r ON r.id = recipient_id": "("
        "from_name, to_name) IS DISTINCT FROM (s.full_name, r.full_name)",
        "customer AS c JOIN crm.lead AS l USING (id)": "l.seen - (date '2024-01-01' + l.id)"
        " <> c.born - (date '1980-01-01' + c.id) AND l.id > 9",
        "customer AS c JOIN orders AS o ON c.id = customer_id": "o.at::date - (date '2024-01-01' + o.id::int)"
        " <> c.born - (date '1980-01-01' + c.id)",
    }
    for tables, condition in different.items():
        assert rows(f"SELECT count(*) FROM {tables} WHERE {condition}") == [(0,)], tables
    # Rows of no person are masked by their values, and an address that no customer has is a person too.
    assert rows("SELECT count(DISTINCT full_name) FROM crm.lead WHERE id IN (1, 2)") == [(1,)]
    assert rows("SELECT count(DISTINCT (full_name, email)) FROM crm.lead WHERE id IN (3, 350)") == [(1,)]
    assert rows("SELECT count(DISTINCT email) > 290, count(DISTINCT full_name) > 200 FROM customer") == [
        (True, True)
    ]


ODD = """
CREATE EXTENSION citext;
CREATE TABLE people (tenant int, nr int, mail citext UNIQUE, name text, profile jsonb, nicks text[],
    ref uuid UNIQUE, referred_by int, referrer text, age int, PRIMARY KEY (tenant, nr));
CREATE TABLE login (mail citext PRIMARY KEY REFERENCES people (mail), name text);
CREATE TABLE visit (at date NOT NULL, nr int, tenant int, name text, role text, label text,
    FOREIGN KEY (tenant, nr) REFERENCES people) PARTITION BY RANGE (at);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM ('2024-01-01') TO ('2024-07-01');
CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM ('2024-07-01') TO ('2026-01-01');
CREATE TABLE note (id int PRIMARY KEY, person uuid, author text);
CREATE TABLE old_note (reason text) INHERITS (note);
CREATE TABLE hidden (id int PRIMARY KEY, code text UNIQUE);
CREATE TABLE guest (id int PRIMARY KEY, code text, name text);
INSERT INTO people SELECT n % 3, n, 'P' || n || '@Corp.test', 'Name ' || n,
    format('{"name": "Json %s", "friends": [{"name": "F%s"}]}', n, n)::jsonb,
    ARRAY['a' || n, 'b' || n], md5(n::text)::uuid, nullif(n - 1, 0), 'Name ' || n - 1, n
    FROM generate_series(1, 90) AS g (n);
INSERT INTO login SELECT mail, 'L' || nr FROM people WHERE nr < 50;
INSERT INTO visit SELECT date '2024-01-01' + n * 4, 1 + n % 90, (1 + n % 90) % 3, 'V' || n,
    CASE WHEN n % 5 = 0 THEN 'staff' END, 'V' FROM generate_series(1, 180) AS g (n);
INSERT INTO note SELECT n, md5(n::text)::uuid, 'N' || n FROM generate_series(1, 60) AS g (n);
INSERT INTO old_note SELECT n, md5(n::text)::uuid, 'O' || n, 'r' FROM generate_series(61, 90) AS g (n);
INSERT INTO hidden SELECT n, 'C' || n FROM generate_series(1, 40) AS g (n);
INSERT INTO guest SELECT n, 'C' || 1 + n % 60, 'G' || n FROM generate_series(1, 60) AS g (n);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
ODD_DOCUMENT = {
    "tables": {"include": ["public.*"], "exclude": ["public.hidden"]},
    "rows": {"public.people": {"where": "nr > 10"}},
    "subjects": {
        "person": {
            "table": "public.people",
            "key": ["tenant", "nr"],
            "also": [
                "public.login.mail",
                ["public.visit.nr", "public.visit.tenant"],
                {"column": "public.note.person", "via": "ref"},
            ],
        },
        "member": {"table": "public.hidden", "key": "id", "also": ["public.guest.code"]},
    },
    "masks": {
        "public.*.mail": "email",
        "public.*.name": "full_name",
        "public.people.profile": {
            "mask": "json",
            "paths": {"name": "full_name", "friends[*].name": "full_name"},
        },
        "public.people.nicks": "full_name",
        "public.people.referrer": {"mask": "full_name", "subject": "none"},
        "public.people.age": "age_band",
        "public.note.author": "full_name",
        "public.visit.name": [{"when": "role = 'staff'", "mask": "keep", "because": "ours"}, "full_name"],
        "public.visit.label": {"mask": "template", "text": "by {name}"},
        "public.guest.code": "hash",
    },
    "keep": ["*.*.*"],
}


def test_keys_of_several_columns_lists_partitions_and_tables_that_are_not_copied(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Path
) -> None:
    source.sql(source_database, ODD)
    run = EngineRun(source, source_database, target, twin_database, run_folder, ODD_DOCUMENT)
    run.copied().verify()

    def rows(sql: str) -> list[tuple[object, ...]]:
        return run.target.rows(run.next, sql)

    joined = {
        "login AS l JOIN people AS p ON p.mail = l.mail": (39, "l.name = p.name"),
        "visit AS v JOIN people AS p USING (tenant, nr) WHERE role IS NULL": (128, "v.name = p.name"),
        "visit AS v JOIN people AS p USING (tenant, nr) WHERE role = 'staff'": (32, "v.name LIKE 'V%'"),
        "visit AS v": (160, "label = 'by ' || name"),
        "note AS n JOIN people AS p ON p.ref = n.person": (80, "n.author = p.name"),
        "people AS p": (80, "profile ->> 'name' = name AND profile #>> '{friends,0,name}' <> name"),
        "people": (80, "nicks[1] <> name AND nicks[2] <> nicks[1]"),
    }
    for tables, (count, same) in joined.items():
        found = rows(f"SELECT count(*) FILTER (WHERE {same}), count(*) FROM {tables}")
        assert found[0][1] == count and int(str(found[0][0])) >= count - 2, (tables, found)


def test_the_plan_says_what_is_looked_up_and_where_one_person_may_look_like_two(
    source: Cluster, source_database: str
) -> None:
    source.sql(
        source_database,
        "CREATE TABLE customer (id int PRIMARY KEY, mail text UNIQUE, name text, nick varchar(8), born date);"
        "CREATE TABLE lead (mail varchar(90), name text, second_name text, nick text, seen date,"
        " known date);",
    )
    plan = plan_of(
        source,
        source_database,
        subjects={
            "customer": {"table": "public.customer", "key": "id", "also": ["public.lead.mail"]},
            "unused": {"table": "public.customer", "key": "mail"},
        },
        masks={
            "public.*.mail": {"mask": "email", "subject": "customer"},
            "public.*.*name": {"mask": "full_name", "subject": "customer"},
            "public.*.nick": {"mask": "first_name", "subject": "customer"},
            "public.lead.seen": "date_shift",
            "public.lead.known": "date_shift",
        },
    )
    said = {column.name: column.said for column in plan.tables[1].columns}
    assert said["name"] == "full_name, of customer by mail"
    notes = [text for text in plan.warnings if "mail" in text or "name" in text or "subjects" in text]
    assert [text.split(":")[0] for text in notes if "subjects." in text] == ["subjects.unused"]
    assert any("people are looked up in public.customer by mail" in text for text in notes)
    assert any("name and second_name have the mask 'full_name' and become the same" in text for text in notes)
    assert any("public.customer.nick and public.lead.nick give one customer two" in text for text in notes)
    assert not any("seen" in text or "public.lead.mail give" in text for text in plan.warnings)
