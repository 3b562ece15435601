"""One person, one name everywhere: whatever keys and addresses are, as a second implementation has it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.keys.keys import source_key
from appliance.postgres.copying.copy_sql import masked_select
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, bind, make_lab, remove_lab
from tests.engine.plan_making import plan_of
from tests.engine.pseudonyms import Pseudonyms

ROOT = bytes(range(50, 82))
PEOPLE = Pseudonyms(ROOT, "production", 1)
KEY = source_key(ROOT, "production", 1)
DAY = dt.date(2024, 2, 29)
Key = tuple[int | str, ...]
_FORMS: dict[str, Callable[[str], str]] = {"citext": str.lower, "numeric": lambda text: text.rstrip("0")}


@dataclass(frozen=True)
class Shape:
    """What a key, and what else is unique to a customer, is made of."""

    key: tuple[str, ...]
    """Types of the customer's key; whole numbers are wider where others refer to it."""
    address: str
    unique: str
    partitioned: bool
    people: tuple[str, ...]
    """What their keys and addresses are made from, all different in any case."""
    looked_for: tuple[str | None, ...]
    """What rows that carry addresses are made from."""

    @property
    def folded(self) -> bool:
        """Whether an address means the same in any case."""
        return self.address == "citext" or "lower" in self.unique

    def keyed(self, place: int) -> tuple[Any, ...]:
        """The key of one of the people."""
        made: dict[str, Any] = {
            "int": 1000 - 37 * place,
            "uuid": uuid.uuid5(uuid.NAMESPACE_DNS, self.people[place]),
            "text": f"K\\{self.people[place]}",
            "citext": f"Key {self.people[place]}",
            "numeric": f"{place}.50",
        }
        return tuple(made[each] for each in self.key)

    def hashed(self, place: int) -> Key:
        """The same as it is drawn from."""
        return tuple(
            value if isinstance(value, int) else _FORMS.get(kind, str)(str(value))
            for kind, value in zip(self.key, self.keyed(place), strict=True)
        )

    def found(self, text: str) -> int | None:
        """Whose address it is."""
        if self.folded:
            same = [place for place, each in enumerate(self.people) if each.lower() == text.lower()]
        else:
            same = [place for place, each in enumerate(self.people) if each == text]
        return same[0] if same else None


_NAMES = st.text(alphabet="abcXYZ@. 'ß\\", min_size=1, max_size=12)
_PEOPLE = st.lists(_NAMES, min_size=1, max_size=5, unique_by=str.lower)
KEYS = (("int",), ("uuid",), ("text",), ("citext",), ("numeric",), ("int", "text"), ("uuid", "int"))
ADDRESSES = (
    ("text", "UNIQUE (mail)"),
    ("varchar(60)", "UNIQUE (mail)"),
    ("citext", "UNIQUE (mail)"),
    ("text", "lower(mail)"),
    ("varchar(60)", "lower(mail)"),
    ('text COLLATE "C"', "UNIQUE (mail)"),
)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    people = tuple(draw(_PEOPLE))
    known = st.sampled_from(people)
    others = st.one_of(st.none(), st.just(""), known, known.map(str.swapcase), _NAMES)
    address, unique = draw(st.sampled_from(ADDRESSES))
    looked_for = draw(st.lists(others, min_size=1, max_size=8))
    return Shape(draw(st.sampled_from(KEYS)), address, unique, draw(st.booleans()), people, tuple(looked_for))


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    made.script("CREATE EXTENSION citext")
    yield made
    remove_lab(made)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=shapes())
def test_a_person_is_the_same_in_every_table(lab: Lab, shape: Shape) -> None:
    _fill(lab, shape)
    names = tuple(f"k{place}" for place in range(len(shape.key)))
    keyed = [f"lab.orders.{name}" for name in names]
    masks = {
        "lab.*.name": "full_name",
        "lab.*.day": "date_shift",
        "lab.*.extra": "email",
    }
    also: list[Any] = [keyed[0] if len(keyed) == 1 else keyed, {"column": "lab.lead.address", "via": "mail"}]
    subjects = {"customer": {"table": "lab.customer", "key": list(names), "also": also}}
    tables = {"include": ["lab.*"]}
    plan = plan_of(lab.cluster, lab.database, tables=tables, masks=masks, subjects=subjects, keep=["lab.*.*"])
    found: dict[str, dict[int, tuple[Any, ...]]] = {"customer": {}, "orders": {}, "lead": {}}
    for table in plan.tables:
        with lab.session().transaction():
            bind(lab.session(), table.columns, KEY)
            rows = lab.session().execute(masked_select(table).encode()).fetchall()
        shown = [column.name for column in table.columns]
        for row in rows:
            values = dict(zip(shown, row, strict=True))
            found[table.name.partition("_")[0]][values["nr"]] = tuple(
                values[name] for name in ("name", "day", "extra")
            )
    people = [_masked(lambda mask, p=place: _of(shape, mask, p)) for place in range(len(shape.people))]  # type: ignore[misc]
    assert found["customer"] == dict(enumerate(people))
    assert found["orders"] == {
        **dict(enumerate(people)),
        len(people): _by_value(len(people)),
    }
    for place, text in enumerate(shape.looked_for):
        assert found["lead"][place] == _lead(shape, place, text), (place, text)


def _fill(lab: Lab, shape: Shape) -> None:
    keys = ", ".join(f"k{place} {kind} NOT NULL" for place, kind in enumerate(shape.key))
    wide = ", ".join(f"k{n} {kind.replace('int', 'bigint')}" for n, kind in enumerate(shape.key))
    names = ", ".join(f"k{place}" for place in range(len(shape.key)))
    constraint = f", {shape.unique}" if shape.unique.startswith("UNIQUE") else ""
    index = "" if constraint else f"CREATE UNIQUE INDEX ON lab.customer ({shape.unique});"
    split = " PARTITION BY HASH (nr)" if shape.partitioned else ""
    parts = "".join(
        f"CREATE TABLE lab.orders_{n} PARTITION OF lab.orders FOR VALUES WITH (MODULUS 2, REMAINDER {n});"
        for n in (range(2) if shape.partitioned else ())
    )
    body = "nr int NOT NULL, name text, day date, extra text"
    lab.script(
        "DROP TABLE IF EXISTS lab.customer, lab.orders, lab.lead;"
        f"CREATE TABLE lab.customer ({keys}, mail {shape.address}, {body},"
        f" PRIMARY KEY ({names}){constraint});"
        f"CREATE TABLE lab.orders ({wide}, {body}){split};"
        f"CREATE TABLE lab.lead (address text, {body}, PRIMARY KEY (nr)); {index} {parts}"
    )
    session = lab.session()
    marks = ", ".join(["%s"] * len(shape.key))
    for place, person in enumerate(shape.people):
        rest = [place, f"Name {place}", DAY, f"{place}@corp.test"]
        made = [*shape.keyed(place), person, *rest]
        session.execute(f"INSERT INTO lab.customer VALUES ({marks}, %s, %s, %s, %s, %s)".encode(), made)
        spelled = [*shape.keyed(place), place, f"Spelled {place}", DAY, "other@corp.test"]
        session.execute(f"INSERT INTO lab.orders VALUES ({marks}, %s, %s, %s, %s)".encode(), spelled)
    last = len(shape.people)
    no_key = [None] * len(shape.key)
    values = [*no_key, last, f"Spelled {last}", DAY, "other@corp.test"]
    session.execute(f"INSERT INTO lab.orders VALUES ({marks}, %s, %s, %s, %s)".encode(), values)
    for place, text in enumerate(shape.looked_for):
        session.execute(
            b"INSERT INTO lab.lead VALUES (%s, %s, %s, %s, %s)",
            [text, place, f"Spelled {place}", DAY, "other@corp.test"],
        )
    session.execute("ANALYZE lab.customer, lab.lead")


def _of(shape: Shape, mask: str, place: int) -> bytes:
    return PEOPLE.of_subject(mask, "customer", shape.hashed(place))


def _masked(digest: Any) -> tuple[str, dt.date, str]:
    return (
        PEOPLE.picked_of("full_name", digest("full_name")),
        PEOPLE.shifted_by(digest("date_shift"), DAY),
        PEOPLE.email_of(digest("email")),
    )


def _by_value(place: int) -> tuple[str, dt.date, str]:
    """Of a table without a primary key the date decides for itself."""
    moment = PEOPLE.digest(
        "date_shift", None, b"d\0\0\0\4", (DAY - dt.date(2000, 1, 1)).days.to_bytes(4, "big")
    )
    return (
        PEOPLE.picked("full_name", f"Spelled {place}"),
        PEOPLE.shifted_by(moment, DAY),
        PEOPLE.email("other@corp.test"),
    )


def _lead(shape: Shape, place: int, text: str | None) -> tuple[str, dt.date, str]:
    found = shape.found(text) if text is not None else None
    if found is not None:
        return _masked(lambda mask: _of(shape, mask, found))
    if not text:
        name, _, mail = _by_value(place)
        return name, PEOPLE.shifted(DAY, place), mail
    folded = text.lower() if shape.folded else text
    return _masked(lambda mask: PEOPLE.of_address(mask, "customer", "mail", folded))
