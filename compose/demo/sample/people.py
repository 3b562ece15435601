"""Customers, their addresses and visits, the companies they work for, and the staff of the shop."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random

from .names import COMPANY, INTERESTS, MAIL_DOMAINS, REGIONS, Region

OPENED = datetime(2023, 1, 1, tzinfo=UTC)
TODAY = datetime(2026, 6, 30, tzinfo=UTC)
"""The day on which the sample was taken. Not the clock's: the sample is the same whenever it is made."""
SHOP_DOMAIN = "shop.example"
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2)",
    "Mozilla/5.0 (Windows NT 10.0)",
)

Row = tuple[object, ...]


@dataclass(frozen=True)
class Person:
    """A customer, as the other tables need to know one."""

    id: int
    first_name: str
    last_name: str
    email: str
    phone: str | None
    region: Region
    street: str
    city: str
    postcode: str
    created_at: datetime

    @property
    def name(self) -> str:
        """As it stands on a parcel."""
        return f"{self.first_name} {self.last_name}"


def source_of(table: str) -> Random:
    """The randomness of one table, so that a change to one leaves the others as they are."""
    return Random(f"appliance sample:{table}")


def fill(pattern: str, random: Random) -> str:
    """``#`` becomes a digit and ``@`` a capital letter."""
    return "".join(
        str(int(random.random() * 10)) if c == "#" else chr(65 + int(random.random() * 26)) if c == "@" else c
        for c in pattern
    )


def moment(random: Random, after: datetime, before: datetime = TODAY) -> datetime:
    """A time between the two, to the second."""
    return after + timedelta(seconds=int((before - after).total_seconds() * random.random()))


def mail_name(text: str) -> str:
    """A name as the first part of an e-mail address; empty where it has no Latin letters."""
    plain = text.replace("ß", "ss").replace("ł", "l").replace("Ł", "L").replace("ø", "o")
    letters = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode().lower()
    return "".join(c for c in letters if c.isalnum())


def make_people(count: int) -> list[Person]:
    """``count`` customers, oldest account first."""
    random = source_of("person")
    weights = [region.weight for region in REGIONS]
    ages = sorted(random.random() for _ in range(count))
    taken: set[str] = set()
    people = []
    for number, age in enumerate(ages, start=1):
        region = random.choices(REGIONS, weights)[0]
        first, last = random.choice(region.first_names), random.choice(region.last_names)
        people.append(
            Person(
                id=number,
                first_name=first,
                last_name=last,
                email=_email(first, last, random, taken),
                phone=fill(random.choice(region.phone), random) if random.random() < 0.85 else None,
                region=region,
                street=region.street_format.format(
                    number=1 + int(random.random() * 180), street=random.choice(region.streets)
                ),
                city=random.choice(region.cities),
                postcode=fill(region.postcode, random),
                created_at=OPENED + timedelta(seconds=int(age * (TODAY - OPENED).total_seconds())),
            )
        )
    return people


def _email(first: str, last: str, random: Random, taken: set[str]) -> str:
    name = ".".join(part for part in (mail_name(first), mail_name(last)) if part) or "customer"
    domain = random.choice(MAIL_DOMAINS)
    address = f"{name}@{domain}"
    while address in taken:
        address = f"{name}{int(random.random() * 100_000)}@{domain}"
    taken.add(address)
    return address


def customers(people: list[Person]) -> Iterator[Row]:
    """id, email, first_name, last_name, phone, birth_date, tier, interests, preferences, ssn, created_at"""
    random = source_of("customer")
    for person in people:
        chance = random.random()
        tier = "gold" if chance < 0.04 else "silver" if chance < 0.15 else "bronze" if chance < 0.5 else "new"
        born = (
            date(1938, 1, 1) + timedelta(days=int(random.random() * 25_000))
            if random.random() < 0.7
            else None
        )
        interests = random.sample(INTERESTS, int(random.random() * 4)) if random.random() < 0.8 else None
        preferences: dict[str, object] = {
            "newsletter": random.random() < 0.4,
            "language": person.region.code.lower(),
        }
        if random.random() < 0.3:
            preferences["contact"] = {"email": person.email, "phone": person.phone, "best_time": "evenings"}
        ssn = fill("###-##-####", random) if person.region.code == "US" and random.random() < 0.3 else None
        yield (
            person.id,
            person.email,
            person.first_name,
            person.last_name,
            person.phone,
            born,
            tier,
            interests,
            json.dumps(preferences, ensure_ascii=False),
            ssn,
            person.created_at,
        )


def addresses(people: list[Person]) -> Iterator[Row]:
    """customer_id, recipient, street, city, postcode, country_code, is_default"""
    random = source_of("address")
    for person in people:
        yield (person.id, person.name, person.street, person.city, person.postcode, person.region.code, True)
        if random.random() < 0.3:
            other = random.choice(people)
            postcode = other.postcode if random.random() < 0.9 else None
            yield (person.id, other.name, other.street, other.city, postcode, other.region.code, False)


def visits(people: list[Person], count: int) -> Iterator[Row]:
    """customer_id, at, ip, path, agent"""
    random = source_of("visit")
    pages = ("/", "/basket", "/account", "/sale", "/garden", "/kitchen", "/search?q=kettle")
    span = (TODAY - OPENED).total_seconds() / count
    for number in range(count):
        person = random.choice(people) if random.random() < 0.6 else None
        ip = fill("198.51.100.", random) + str(int(random.random() * 256))
        if random.random() < 0.2:
            ip = f"2001:db8::{int(random.random() * 65_536):x}"
        at = OPENED + timedelta(seconds=int(span * (number + random.random())))
        yield (person.id if person else None, at, ip, random.choice(pages), random.choice(AGENTS))


def employees(count: int) -> Iterator[Row]:
    """id, manager_id, full_name, email, salary, password_hash, hired_on, left_on"""
    random = source_of("employee")
    for number in range(1, count + 1):
        region = random.choice(REGIONS[:4])
        first, last = random.choice(region.first_names), random.choice(region.last_names)
        hired = date(2023, 1, 1) + timedelta(days=int(random.random() * 1200))
        yield (
            number,
            None if number == 1 else max(1, number // 4),
            f"{first} {last}",
            f"{mail_name(first)}.{mail_name(last)}{number}@{SHOP_DOMAIN}",
            round(24_000 + random.random() * 60_000, 2),
            "$2b$12$" + "".join(random.choice("./ABCDEFGHIJabcdefghij0123456789") for _ in range(53)),
            hired,
            hired + timedelta(days=200) if random.random() < 0.15 else None,
        )


def companies(people: list[Person], count: int) -> Iterator[Row]:
    """id, name, contact_id, tax_number, employees"""
    random = source_of("company")
    for number in range(1, count + 1):
        name = " ".join(random.choice(COMPANY[part]) for part in ("words", "trades", "forms"))
        contact = random.choice(people)
        staff = 1 + int(random.random() * 400) if random.random() < 0.8 else None
        yield (number, name, contact.id, f"{contact.region.code}{number:05d}{fill('####', random)}", staff)


def subscribers(people: list[Person]) -> Iterator[Row]:
    """subscriberId, emailAddress, Vorname, signedUpAt, größe"""
    random = source_of("subscriber")
    for person in people:
        if random.random() < 0.4:
            name = person.first_name if random.random() < 0.9 else None
            size = random.choice(("S", "M", "L", "XL", None))
            yield (person.id, person.email, name, moment(random, person.created_at), size)
