"""A small shop to copy, with one table that takes seconds over a slow line; and workflows over it."""

from __future__ import annotations

from typing import Any

from tests.engine.clusters import Cluster

CUSTOMERS = 2_000
LETTERS = 20_000
FAR, FAR_BYTES_PER_S = "far", 1 << 20
"""A connection to the shop over a line so slow that its letters, 5 MB, are seconds on the way: these cost
no processor time, as a table of so many rows would."""
SCHEMA = f"""
CREATE TABLE customer (id integer PRIMARY KEY, email text UNIQUE NOT NULL, full_name text, phone text);
CREATE TABLE purchase
    (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customer, cents integer);
CREATE TABLE letter (id integer PRIMARY KEY, customer_id integer NOT NULL, body text);
INSERT INTO customer SELECT n, 'person' || n || '@real.example', 'Real Person ' || n, '+43 660 1234' || n
    FROM generate_series(1, {CUSTOMERS}) n;
INSERT INTO purchase SELECT n, 1 + n % {CUSTOMERS}, n * 7 FROM generate_series(1, {CUSTOMERS * 3}) n;
INSERT INTO letter SELECT n, 1 + n % {CUSTOMERS},
    'Dear person' || n || '@real.example, call +43 660 555' || n || ', regards. ' || repeat(md5(n::text), 5)
    FROM generate_series(1, {LETTERS}) n;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
ANALYZE;
"""


def make_shop(cluster: Cluster) -> None:
    """Create and fill the database ``shop``."""
    cluster.create_database("shop")
    cluster.sql("shop", SCHEMA)


def workflow(id_: str, twin: str, **changes: Any) -> dict[str, Any]:
    """A workflow over the two quick tables."""
    document: dict[str, Any] = {
        "id": id_,
        "title": f"Test of {id_}",
        "source": "production",
        "tables": {"include": ["public.customer", "public.purchase"]},
        "masks": {
            "public.customer.email": "email",
            "public.customer.full_name": "full_name",
            "public.customer.phone": "phone",
        },
        "keep": ["public.*.id", "public.purchase.*"],
        "deliver": [{"twin": {"connection": twin, "grace_s": 0}}],
        "limits": {"parallel": 2, "memory_mb": 256, "retries": 2},
    }
    return document | changes


def slow_workflow(id_: str, twin: str, **changes: Any) -> dict[str, Any]:
    """The same with the table that takes seconds."""
    document = workflow(id_, twin, source=FAR, **changes)
    document["tables"] = {"include": ["public.*"]}
    document["masks"] = document["masks"] | {"public.letter.body": "text_scrub"}
    document["keep"] = [*document["keep"], "public.letter.customer_id"]
    return document
