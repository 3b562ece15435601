"""Every mask of text in databases that hold other bytes than UTF-8, whatever those bytes are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from appliance.masking.compiler import check_column, compile_column
from appliance.masking.registry import MASKS
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import KEY, Lab, bind, kept_beside, make_lab, remove_lab, spec
from tests.engine.test_masks_every_value import WHOLE, asked

# Written as PostgreSQL reads them: no client could send some of these bytes as text.
TEXTS = (
    "Ann Lee", "ann@corp.test, 4111 1111 1111 1111", "", r"M\xfcller", r"\xc3\xbc", r"\xff\xfe\x80 a1",
    r"\xc3", "1é", r"\xe2\x82", r"\"\xfc\"@x\xfc.de", r"\\\xa0\xa0", r"\xf0\x9f\xa6",
    "x\\n1", r"\xb2\xb3\xb9",
    r"<a id=\"\xfc\"><b>M\xfcller</b></a>", r"<a><b>\xc3\xbc &#252;&#8364;</b></a>", "<a><b>&#0;</b></a>",
    r"<?xml version=\"1.0\"?><b>é</b>", "<a><b>&#252;&#x1F98A;</b></a>",

)  # fmt: skip
NAMES = sorted(name for name, mask in MASKS.items() if "text" in mask.kinds and name not in WHOLE)


@pytest.fixture(scope="module", params=["SQL_ASCII", "LATIN1"])
def lab(request: pytest.FixtureRequest, source: Cluster) -> Iterator[Lab]:
    made = make_lab(source, f"ENCODING '{request.param}' TEMPLATE template0 LOCALE 'C'", request.param)
    for kind in ("text", "varchar(40)", "text[]"):
        table = made.table_of(kind)
        texts = [each.replace("é", r"\xe9") for each in TEXTS]
        for number, text in enumerate(texts):
            value = f"E'{text}'" if kind != "text[]" else f"ARRAY[E'{text}', NULL, 'b']"
            made.session().execute(f"INSERT INTO lab.{table.name} VALUES ({number}, {value})".encode("ascii"))
        made.session().execute(f"INSERT INTO lab.{table.name} VALUES ({len(texts)}, NULL)".encode())
    for session in (made.session(), made.session(made.reader)):
        # As a run copies: bytes pass as they are.
        session.execute(f"SET client_encoding = '{request.param}'".encode())
        session.commit()
    yield made
    remove_lab(made)


@pytest.mark.parametrize("name", NAMES)
def test_no_byte_makes_a_mask_fail_and_what_it_makes_is_what_it_says(lab: Lab, name: str) -> None:
    for kind in ("text", "varchar(40)", "text[]"):
        table, column = lab.table_of(kind), lab.column(kind)
        for params in asked(name):
            chosen = spec(name, **params)
            if check_column(table, column, chosen, encoding=lab.encoding):
                continue
            _hold(
                lab,
                kind,
                chosen,
                compile_column(table, column, chosen, encoding=lab.encoding, row=kept_beside(table)),
            )


def _hold(lab: Lab, kind: str, chosen: Any, compiled: Any) -> None:
    table = lab.table_of(kind)
    session, twin = lab.session(), f"lab.{table.name}_twin"
    session.execute(f"TRUNCATE {twin}".encode())
    copied = lab.copy_out(f"SELECT id, {compiled.sql} FROM lab.{table.name}", [compiled])
    with session.cursor().copy(f"COPY {twin} FROM STDIN (FORMAT binary)".encode()) as copy:
        copy.write(copied)
    for facet in compiled.proved():
        odd = [f"({facet.shape_sql}) IS FALSE"] if facet.shape_sql else []
        odd += [facet.leak_sql] if facet.leak_sql else []
        with session.transaction():
            bind(session, [compiled], KEY)
            for condition in odd:
                found = session.execute(f"SELECT id FROM {twin} WHERE {condition}".encode()).fetchall()
                assert found == [], (chosen, kind, found)
            session.execute(f"SELECT count({facet.value_sql}) FROM {twin}".encode())
