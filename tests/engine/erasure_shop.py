"""A shop in which one person has rows in fourteen tables, linked in every way that there is."""

from __future__ import annotations

import copy
import gzip
import json
import os
import secrets
from pathlib import Path
from typing import Any

import yaml

from appliance.branches.branch import TemplateKind
from appliance.branches.opening import server_of
from appliance.branches.server import Asked, BranchServer
from appliance.connections.file import load_connections
from appliance.data_users.desk import OwnDesk, WantedFile
from appliance.data_users.tokens import make_token
from appliance.erasure.carrying import Erasing
from appliance.erasure.request import Appliance
from appliance.exports.stored import list_exports
from appliance.policy.branches import BranchPolicy
from appliance.policy.policy import Policy
from appliance.receipts.envelope import read_envelope
from appliance.receipts.removals import ErasurePredicate
from appliance.receipts.statement import Predicate, parse_statement
from appliance.settings.settings import load_settings
from appliance.subjects.document import Subjects
from tests.engine.clusters import Cluster
from tests.engine.scenario import Ended, Scenario

GONE = "of-the-subject"
"""Stands in a kept column of every row about the subject, and in no other."""
EMAIL = "person7@shop.example"
CUSTOMERS = 40
TABLES = f"""
CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, profile jsonb,
    referred_by int REFERENCES customer, tag text);
CREATE TABLE address (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, street text,
    tag text);
CREATE TABLE orders (id int, placed date NOT NULL, customer_id int NOT NULL REFERENCES customer, tag text,
    PRIMARY KEY (id, placed)) PARTITION BY RANGE (placed);
CREATE TABLE orders_2025 PARTITION OF orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE orders_2026 PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE order_item (id int PRIMARY KEY, order_id int NOT NULL, placed date NOT NULL, tag text,
    FOREIGN KEY (order_id, placed) REFERENCES orders);
CREATE TABLE invoice (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, tag text);
CREATE TABLE payment (id int PRIMARY KEY, invoice_id int NOT NULL REFERENCES invoice, tag text);
CREATE TABLE lead (id int PRIMARY KEY, email text, tag text);
CREATE TABLE newsletter (id int PRIMARY KEY, email text, tag text);
CREATE TABLE event (customer_id int, payload jsonb, tag text);
CREATE TABLE ticket (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, body text, tag text);
CREATE TABLE ticket_message (id int PRIMARY KEY, ticket_id int NOT NULL REFERENCES ticket, body text,
    tag text);
CREATE TABLE review (id int PRIMARY KEY, customer_id int REFERENCES customer, tag text);
CREATE TABLE vote (review_id int NOT NULL REFERENCES review, voter text, tag text);
CREATE MATERIALIZED VIEW spending AS SELECT customer_id, tag, count(*) FROM orders GROUP BY 1, 2;
INSERT INTO customer SELECT i, 'person' || i || '@shop.example', 'Person ' || i, '{{"likes": "tea"}}',
    CASE WHEN i > 7 AND i % 7 = 0 THEN 7 END, CASE WHEN i = 7 THEN '{GONE}' ELSE 'other' END
    FROM generate_series(1, {CUSTOMERS}) AS i;
INSERT INTO address SELECT i, i, 'Street "' || i || E'",\\nTown', (SELECT tag FROM customer c WHERE c.id = i)
    FROM generate_series(1, {CUSTOMERS}) AS i;
INSERT INTO orders SELECT 2 * i + j, CASE j WHEN 0 THEN date '2025-05-01' ELSE date '2026-05-01' END, i,
    (SELECT tag FROM customer c WHERE c.id = i)
    FROM generate_series(1, {CUSTOMERS}) AS i, generate_series(0, 1) AS j;
INSERT INTO order_item SELECT id, id, placed, tag FROM orders;
INSERT INTO invoice SELECT i, i, (SELECT tag FROM customer c WHERE c.id = i)
    FROM generate_series(1, {CUSTOMERS}) AS i;
INSERT INTO payment SELECT id, id, tag FROM invoice;
INSERT INTO lead SELECT id, email, tag FROM customer;
INSERT INTO newsletter SELECT id + 1000, email, tag FROM customer;
INSERT INTO event SELECT id, jsonb_build_object('mail', email, 'n', id), tag FROM customer;
INSERT INTO ticket SELECT id, id, 'Please call ' || name, tag FROM customer;
INSERT INTO ticket_message SELECT id, id, 'Dear ' || email, tag FROM customer;
INSERT INTO review SELECT id, id, tag FROM customer;
INSERT INTO vote SELECT id, 'a name', tag FROM customer;
REFRESH MATERIALIZED VIEW spending;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""
SUBJECTS: dict[str, Any] = {
    "subjects": {
        "customer": {
            "source": "production",
            "table": "public.customer",
            "key": "id",
            "find_by": ["email"],
            "rows": {
                "public.customer": {"do": "mask", "columns": ["email", "name", "profile", "tag"]},
                "public.address": "delete",
                "public.orders": "delete",
                "public.order_item": "delete",
                "public.invoice": {"do": "keep", "because": "invoices are kept for seven years"},
                "public.payment": {"do": "keep", "because": "they belong to invoices"},
                "public.lead": {"via": {"email": "public.customer.email"}},
                "public.newsletter": {"via": {"email": "public.customer.email"}},
                "public.event": {"via": {"customer_id": "public.customer.id"}},
                "public.ticket": {"do": "mask", "columns": ["body", "tag"]},
                "public.ticket_message": {"do": "mask", "columns": ["body", "tag"]},
                "public.review": "delete",
                "public.vote": "delete",
            },
            "unlink": ["public.customer.referred_by"],
        }
    }
}
WITH_ROWS = [name.removeprefix("public.") for name in SUBJECTS["subjects"]["customer"]["rows"]]
WORKFLOW: dict[str, Any] = {
    "tables": {"include": ["public.*"]},
    "masks": {
        "public.customer.email": "email",
        "public.customer.name": "full_name",
        "public.lead.email": "email",
        "public.newsletter.email": "null",
        "public.event.payload": "null",
        "public.customer.profile": "null",
    },
    "keep": ["*.*.*"],
    "deliver": [
        {"twin": {"connection": "staging", "grace_s": 0}},
        {"files": {"format": "csv"}},
        {"files": {"format": "jsonl"}},
    ],
}


class ErasureShop:
    """A scenario with the shop, its workflow, and ``subjects.yaml``."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.config = scenario.folder / "no-config"
        self.config.mkdir()
        self.value = scenario.folder / "value"
        self.subjects: dict[str, Any] = yaml.safe_load(yaml.safe_dump(SUBJECTS))
        scenario.workflow |= copy.deepcopy(WORKFLOW)
        scenario.policy = {"destinations": ["files"]}

    def document(self) -> dict[str, Any]:
        """The subject in subjects.yaml."""
        found: dict[str, Any] = self.subjects["subjects"]["customer"]
        return found

    def delivered(self) -> Ended:
        """One run of the workflow."""
        self.write_subjects()
        ended = self.scenario.run("run")
        assert ended.code == 0, ended.text
        return ended

    def write_subjects(self) -> None:
        """Write the document."""
        (self.config / "subjects.yaml").write_text(yaml.safe_dump(self.subjects))

    def erasure(self, command: str, *options: str, value: str | None = EMAIL, by: str = "email") -> Ended:
        """``appliance erasure COMMAND``; the subject's e-mail address must not show."""
        scenario = self.scenario
        scenario.write()
        self.write_subjects()
        arguments = ["erasure", command, "--state", str(scenario.state)]
        if command in ("plan", "run", "verify", "sql", "check"):
            arguments += ["--connections", str(scenario.folder / "connections.yaml")]
        if command in ("plan", "run", "verify"):
            arguments += ["--policy", str(scenario.folder / "policy.yaml")]
        if command in ("plan", "run", "sql"):
            arguments += ["--subject", "customer", "--by", by]
        if value is not None and command in ("plan", "run", "verify"):
            self.value.write_text(value + "\n")
            self.value.chmod(0o600)
            arguments += ["--value-file", str(self.value)]
        ended = scenario.command(*arguments, *options)
        assert value is None or value == "7" or value not in ended.text
        return ended

    def listed(self) -> list[dict[str, Any]]:
        """``appliance erasure list --json``."""
        found: list[dict[str, Any]] = json.loads(self.erasure("list", "--json").out)
        return found

    def receipts(self) -> list[ErasurePredicate]:
        """Those of erasures, after ``receipt verify`` has found all good, with the public key alone."""
        state = self.scenario.state
        exported = self.scenario.folder / f"exported-{secrets.token_hex(3)}"
        for command in (
            ["export", str(exported), "--page", "--state", str(state)],
            ["verify", str(exported)],
        ):
            key = ["--key", str(exported / "receipts.pub")] if command[0] == "verify" else []
            ended = self.scenario.command("receipt", *command, *key)
            assert ended.code == 0, ended.text
        found = [statement_of(path) for path in sorted(exported.glob("*.json"))]
        assert not any(EMAIL in path.read_text() for path in exported.iterdir())
        return [each for each in found if isinstance(each, ErasurePredicate)]

    def gone_from_source(self) -> int:
        """Rows about the subject that the source lacks."""
        found = self.rows_in(self.scenario.source, self.scenario.source_database, f"tag = '{GONE}'")
        return 16 - sum(found.values())

    def restore_the_source(self) -> None:
        """Bring back what it was, as from a backup."""
        drop = "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO reader;"
        self.scenario.source.sql(self.scenario.source_database, drop + TABLES)

    def addresses_met(self) -> tuple[int, int]:
        """Of what the newest run saw in the kept texts of messages: customers' addresses, and texts."""
        newest = max(self.scenario.state.rglob("verify.json"), key=lambda path: path.stat().st_mtime)
        ((met, texts),) = (
            (each["telling"], each["texts"])
            for look in json.loads(newest.read_text())["twins"][0]["kept"]
            for column in look["columns"]
            for each in column["originals"]
            if (look["table"], column["column"]) == ("public.ticket_message", "body")
            if each["masked"] == "public.customer.email"
        )
        return met, texts

    def databases(self) -> list[str]:
        """The twin, the former one, the golden copy and branches, as far as they are there."""
        twin = self.scenario.twin
        return [name for name in self.scenario.target.databases() if name == twin or f"{twin}__" in name]

    def branch(self, name: str, of: TemplateKind) -> BranchServer:
        """Make a branch; the server that it stands on."""
        self.scenario.write()
        connections = load_connections(self.scenario.folder / "connections.yaml")
        server = server_of("staging", connections["staging"], BranchPolicy(), "shop")
        server.create(name, Asked(of=of))
        return server

    def fetched_by(self, person: str) -> None:
        """A person pulls the newest files."""
        settings = load_settings(None, {"APPLIANCE_STATE_DIR": str(self.scenario.state)})
        export = list_exports(settings.exports_dir)[0]
        workflow, run = export.manifest.workflow, export.manifest.run
        secret, _ = make_token(settings.state_dir, person, (workflow,), days=1, made_by=None)
        wanted = WantedFile(workflow, run, export.manifest.files[0].file)
        os.close(OwnDesk(settings).file(secret, wanted).descriptor)

    def rows_in(self, cluster: Cluster, database: str, where: str) -> dict[str, int]:
        """Rows by table, without tables that have none."""
        parts = [f"SELECT '{name}', count(*) FROM {name} WHERE {where}" for name in [*WITH_ROWS, "spending"]]
        return {name: count for name, count in cluster.rows(database, " UNION ALL ".join(parts)) if count}

    def about_the_subject(self) -> dict[str, dict[str, int]]:
        """Rows about the subject, by copy and table."""
        copies = {
            name: self.rows_in(self.scenario.target, name, f"tag = '{GONE}'") for name in self.databases()
        }
        for path in self.files():
            with gzip.open(path, "rt") as file:
                copies[str(path)] = {path.name: file.read().count(GONE)}
        return {name: counts for name, counts in copies.items() if any(counts.values())}

    def lines_of_others(self) -> dict[str, int]:
        """In every file: how many rows there are of others."""
        return {str(path): gzip.decompress(path.read_bytes()).count(b"other") for path in self.files()}

    def erasing(self) -> Erasing:
        """The erasure, in this process."""
        scenario = self.scenario
        connections = load_connections(scenario.folder / "connections.yaml")
        exports = scenario.state / "exports"
        appliance = Appliance(scenario.state, exports, connections, Policy())
        subject = Subjects.model_validate(self.subjects).named("customer")
        return Erasing(appliance, "customer", subject, "email", EMAIL)

    def files(self) -> list[Path]:
        """All that were delivered."""
        return sorted(path for path in (self.scenario.state / "exports").rglob("*.gz") if path.is_file())


def statement_of(path: Path) -> Predicate:
    """What a receipt says."""
    return parse_statement(read_envelope(path.read_bytes()).envelope.payload).predicate
