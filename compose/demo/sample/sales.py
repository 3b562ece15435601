"""Products and everything that follows from selling them: orders, payments, parcels, reviews."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from .names import ADJECTIVES, CATEGORIES, COLOURS, MATERIALS, NOUNS
from .people import SHOP_DOMAIN, Person, Row, fill, moment, source_of
from .words import card_number, said

CARRIERS = ("Parcel & Sons", "Northpost", "Vélo Express")
NOTES = (
    "Please leave it with the neighbour at number 4.",
    "Ring {phone} before you come, the bell is broken.",
    "Invoice to {email} please.",
    "It is a present: no price tag, thank you!",
    "Nicht in den Regen stellen, danke. Rückfragen an {email}.",
)
REVIEWS = (
    "Exactly what I was looking for.",
    "Arrived a day late, but it is lovely.",
    "Très joli, mais la couleur n'est pas celle de la photo.",
    "Broke after two weeks. Wrote to you from {email} and never heard back.",
    "Solide Verarbeitung, würde ich wieder kaufen.",
    "とても良いです。",
    "My third one. Everybody at work wants it too 🙂",
)


@dataclass(frozen=True)
class Product:
    """A product, as an order needs to know one."""

    id: int
    price: float


@dataclass(frozen=True)
class Order:
    """An order, as what follows from it needs to know one."""

    id: int
    at: datetime
    person: Person
    status: str
    lines: tuple[tuple[Product, int], ...]

    @property
    def total(self) -> float:
        """What the customer pays."""
        return round(sum(product.price * quantity for product, quantity in self.lines), 2)


def categories() -> Iterator[Row]:
    """id, parent_id, name"""
    number = 0
    for parent, children in CATEGORIES.items():
        number += 1
        parent_id = number
        yield (parent_id, None, parent)
        for child in children:
            number += 1
            yield (number, parent_id, child)


def make_products(count: int) -> list[Product]:
    """``count`` products with their prices."""
    random = source_of("price")
    return [Product(number, round(2 + random.random() ** 3 * 240, 2)) for number in range(1, count + 1)]


def products(items: list[Product]) -> Iterator[Row]:
    """id, category_id, sku, name, price, tags, attributes, size"""
    random = source_of("product")
    leaves = [row[0] for row in categories() if row[1] is not None]
    for item in items:
        colour = random.choice(COLOURS)
        name = f"{random.choice(ADJECTIVES)} {random.choice(NOUNS)}, {colour}"
        attributes = {
            "colour": colour,
            "material": random.choice(MATERIALS),
            "weight_g": int(random.random() * 5000),
        }
        size = f"({','.join(str(10 + int(random.random() * 900)) for _ in range(3))})"
        yield (
            item.id,
            random.choice(leaves),
            f"{colour[:2].upper()}-{item.id:05d}",
            name,
            item.price,
            random.sample(("new", "sale", "gift", "eco", "bestseller"), int(random.random() * 3)),
            json.dumps(attributes, ensure_ascii=False),
            size if random.random() < 0.7 else None,
        )


def make_orders(people: list[Person], items: list[Product], count: int) -> list[Order]:
    """``count`` orders, numbered as they came in; a few people order often, most once or twice."""
    random = source_of("order")
    statuses = ("delivered",) * 14 + ("shipped", "paid", "placed", "returned", "cancelled", "cancelled")
    buyers = (people[int(len(people) * random.random() ** 1.6)] for _ in range(count))
    times = sorted((moment(random, person.created_at), person.id) for person in buyers)
    made = []
    for number, (at, person_id) in enumerate(times, start=1):
        lines = tuple(
            (items[int(len(items) * random.random() ** 2)], 1 + int(random.random() ** 3 * 4))
            for _ in range(1 + int(random.random() ** 1.5 * 5))
        )
        made.append(Order(number, at, people[person_id - 1], random.choice(statuses), lines))
    return made


def orders(made: list[Order]) -> Iterator[Row]:
    """id, ordered_at, customer_id, status, total, ship_to, note"""
    random = source_of("order note")
    for order in made:
        person = order.person
        ship_to = {
            "name": person.name,
            "street": person.street,
            "city": person.city,
            "postcode": person.postcode,
            "country": person.region.code,
            "gift": random.random() < 0.1,
        }
        note = said(random.choice(NOTES), person, random) if random.random() < 0.15 else None
        yield (
            order.id,
            order.at,
            person.id,
            order.status,
            order.total,
            json.dumps(ship_to, ensure_ascii=False),
            note,
        )


def order_items(made: list[Order]) -> Iterator[Row]:
    """order_id, ordered_at, line, product_id, quantity, unit_price, engraving"""
    random = source_of("order item")
    for order in made:
        for line, (product, quantity) in enumerate(order.lines, start=1):
            engraving = f"For {order.person.first_name} ♥" if random.random() < 0.02 else None
            yield (order.id, order.at, line, product.id, quantity, product.price, engraving)


def payments(made: list[Order]) -> Iterator[Row]:
    """id, order_id, ordered_at, amount, card_holder, card_number, iban, paid_at"""
    random = source_of("payment")
    for order in made:
        if order.status in {"placed", "cancelled"}:
            continue
        by_card = random.random() < 0.8
        yield (
            UUID(int=random.getrandbits(128), version=4),
            order.id,
            order.at,
            order.total,
            order.person.name.upper() if by_card else None,
            card_number(random) if by_card else None,
            None if by_card else fill(f"{order.person.region.code}## #### #### #### #### ##", random),
            order.at + timedelta(minutes=int(random.random() * 90)),
        )


def shipments(made: list[Order]) -> Iterator[Row]:
    """id, order_id, ordered_at, carrier, tracking, on_the_road"""
    random = source_of("shipment")
    for order in made:
        if order.status not in {"shipped", "delivered", "returned"}:
            continue
        left = order.at + timedelta(hours=6 + int(random.random() * 40))
        arrived = (
            ""
            if order.status == "shipped"
            else (left + timedelta(hours=20 + int(random.random() * 90))).isoformat()
        )
        road = f"[{left.isoformat()},{arrived})"
        yield (
            order.id,
            order.id,
            order.at,
            random.choice(CARRIERS),
            f"{fill('@@', random)}{order.id:09d}",
            road,
        )


def reviews(made: list[Order], count: int) -> Iterator[Row]:
    """customer_id, product_id, rating, signed_as, body, written_at"""
    random = source_of("review")
    seen: set[tuple[int, int]] = set()
    while len(seen) < count:
        order = random.choice(made)
        person, product = order.person, order.lines[0][0]
        if (person.id, product.id) in seen:
            continue
        seen.add((person.id, product.id))
        signed = person.first_name if random.random() < 0.7 else None
        body = said(random.choice(REVIEWS), person, random) if random.random() < 0.9 else None
        yield (
            person.id,
            product.id,
            1 + int(random.random() ** 0.5 * 5),
            signed,
            body,
            moment(random, order.at),
        )


def stock(items: list[Product], warehouses: int) -> Iterator[Row]:
    """warehouse_id, product_id, on_hand"""
    random = source_of("stock")
    for warehouse in range(1, warehouses + 1):
        for item in items:
            yield (warehouse, item.id, int(random.random() ** 2 * 300))


def audit(made: list[Order], count: int) -> Iterator[Row]:
    """at, actor, change"""
    random = source_of("audit")
    for order in sorted(random.sample(made, count), key=lambda order: order.at):
        change = {"order": order.id, "email": order.person.email, "was": "placed", "is": order.status}
        yield (order.at, f"staff{int(random.random() * 40)}@{SHOP_DOMAIN}", json.dumps(change))
