"""Fill an empty database with the shop, or leave it alone where the shop is there already.

    python -m sample.load "service=…"

The connection comes from the argument (a libpq connection string) and libpq's own environment variables.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from . import people, sales, service
from .names import REGIONS

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Size:
    """How much of everything there is."""

    customers: int = 20_000
    products: int = 2_000
    orders: int = 45_000
    visits: int = 30_000
    tickets: int = 6_000
    reviews: int = 9_000
    companies: int = 1_200
    audit: int = 8_000
    employees: int = 60
    warehouses: int = 3


Table = tuple[str, tuple[str, ...], Iterable[people.Row]]


def tables(size: Size) -> Iterator[Table]:
    """Every table with its columns and rows, in an order that satisfies the foreign keys."""
    folk = people.make_people(size.customers)
    items = sales.make_products(size.products)
    made = sales.make_orders(folk, items, size.orders)
    questions = service.make_tickets(folk, size.tickets)
    towns = REGIONS[0].cities[: size.warehouses]
    employees = size.employees

    def table(name: str, columns: str, rows: Iterable[people.Row]) -> Table:
        return name, tuple(columns.split(", ")), rows

    order = "order_id, ordered_at"
    yield table("country", "code, name", [(region.code, region.country) for region in REGIONS])
    yield table("category", "id, parent_id, name", sales.categories())
    yield table("product", "id, category_id, sku, name, price, tags, attributes, size", sales.products(items))
    yield table(
        "customer",
        "id, email, first_name, last_name, phone, birth_date, tier, interests, preferences, ssn, created_at",
        people.customers(folk),
    )
    columns = "customer_id, recipient, street, city, postcode, country_code, is_default"
    yield table("address", columns, people.addresses(folk))
    columns = "id, ordered_at, customer_id, status, total, ship_to, note"
    yield table("orders", columns, sales.orders(made))
    columns = f"{order}, line, product_id, quantity, unit_price, engraving"
    yield table("order_item", columns, sales.order_items(made))
    columns = f"id, {order}, amount, card_holder, card_number, iban, paid_at"
    yield table("payment", columns, sales.payments(made))
    yield table("shipment", f"id, {order}, carrier, tracking, on_the_road", sales.shipments(made))
    columns = "customer_id, product_id, rating, signed_as, body, written_at"
    yield table("review", columns, sales.reviews(made, size.reviews))
    yield table("warehouse", "id, city", list(enumerate(towns, start=1)))
    yield table("stock", "warehouse_id, product_id, on_hand", sales.stock(items, len(towns)))
    yield table("visit", "customer_id, at, ip, path, agent", people.visits(folk, size.visits))
    yield table("audit_log", "at, actor, change", sales.audit(made, size.audit))
    columns = "id, manager_id, full_name, email, salary, password_hash, hired_on, left_on"
    yield table("crm.employee", columns, people.employees(employees))
    columns = "id, name, contact_id, tax_number, employees"
    yield table("crm.company", columns, people.companies(folk, size.companies))
    columns = "id, customer_id, assigned_to, state, subject, opened_at"
    yield table("crm.ticket", columns, service.tickets(questions, employees))
    yield table("crm.message", "id, ticket_id, sent_at, from_us, body", service.messages(questions))
    columns = "subscriberId, emailAddress, Vorname, signedUpAt, größe"
    yield table("crm.NewsletterSubscriber", columns, people.subscribers(folk))


def load(connection: psycopg.Connection, size: Size) -> int | None:
    """Make the shop in one transaction and return its rows; None where it is there already."""
    if connection.execute("SELECT to_regclass('crm.company')").fetchone() != (None,):
        return None
    total = 0
    with connection.transaction():
        connection.execute((HERE / "schema.sql").read_bytes())
        for name, columns, rows in tables(size):
            copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(*name.split(".")), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with connection.cursor() as cursor:
                with cursor.copy(copy) as stream:
                    for row in rows:
                        stream.write_row(row)
                total += cursor.rowcount
        connection.execute((HERE / "finish.sql").read_bytes())
    return total


def main() -> int:
    """The command line."""
    began = time.monotonic()
    with psycopg.connect(sys.argv[1] if len(sys.argv) > 1 else "", autocommit=True) as connection:
        rows = load(connection, Size())
    if rows is None:
        print("The shop is there already.")
    else:
        print(f"The shop has {rows:,} rows now, after {time.monotonic() - began:.1f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
