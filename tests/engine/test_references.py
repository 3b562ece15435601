"""A masked key and all that refers to it, on real servers: the twin's foreign keys hold."""

from __future__ import annotations

from pathlib import Path

from tests.engine.clusters import Cluster
from tests.engine.engine_run import EngineRun

SCRIPT = """
CREATE EXTENSION citext;
CREATE TABLE customer (id int PRIMARY KEY, parent int REFERENCES customer, mail citext UNIQUE NOT NULL);
CREATE TABLE login (mail citext REFERENCES customer (mail), customer int UNIQUE REFERENCES customer);
CREATE TABLE orders (shop int, nr int, customer int REFERENCES customer ON DELETE CASCADE,
    PRIMARY KEY (shop, nr));
CREATE TABLE line (shop int, nr int, place int, FOREIGN KEY (shop, nr) REFERENCES orders MATCH FULL);
CREATE TABLE event (at date, who int REFERENCES customer) PARTITION BY RANGE (at);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE lead (id int PRIMARY KEY, customer_ref int, mail text);
INSERT INTO customer SELECT n, nullif(n / 2, 0), 'Person' || n || '@Corp.test'
    FROM generate_series(1, 200) AS g (n);
INSERT INTO login SELECT mail, id FROM customer;
INSERT INTO orders SELECT n % 7, n, n FROM generate_series(1, 200) AS g (n);
INSERT INTO line SELECT n % 7, n, 1 FROM generate_series(1, 200) AS g (n);
INSERT INTO event SELECT date '2024-01-01' + n, 1 + n % 200 FROM generate_series(0, 600) AS g (n);
INSERT INTO lead SELECT n, n, 'x' FROM generate_series(1, 150) AS g (n);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""


def test_a_masked_key_is_found_by_all_that_refers_to_it(
    source: Cluster, source_database: str, target: Cluster, twin_database: str, run_folder: Path
) -> None:
    source.sql(source_database, SCRIPT)
    document = {
        "masks": {
            "public.customer.id": "number_key",
            "public.customer.mail": "email",
            "public.orders.nr": {"mask": "number_key", "domain": "orders"},
            "public.lead.mail": "blank",
        },
        "references": {"*.lead.*_ref": "public.customer.id"},
        "keep": ["*.*.*"],
    }
    run = EngineRun(source, source_database, target, twin_database, run_folder, document)
    run.copied().verify()
    rows = run.target.rows
    unproven = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"
    assert rows(run.next, unproven) == [(0,)]
    joined = {
        "customer AS c JOIN customer AS p ON p.id = c.parent": 199,
        "login JOIN customer AS c ON c.mail = login.mail AND c.id = login.customer": 200,
        "line JOIN orders USING (shop, nr)": 200,
        "event JOIN customer ON customer.id = who": 601,
        "lead JOIN customer ON customer.id = customer_ref": 150,
    }
    for tables, count in joined.items():
        assert rows(run.next, f"SELECT count(*) FROM {tables}") == [(count,)], tables
    same = "SELECT count(*) FROM lead WHERE id = customer_ref"
    assert rows(run.next, same)[0][0] < 15
