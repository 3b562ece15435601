"""Free text without the people in it."""
# ruff: noqa: RUF001 - letters and signs that look like others are what this is about

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.masking.catalogue.texts.scrub_patterns import patterns
from appliance.masking.catalogue.texts.text_scrub import ALL, scrubbed
from appliance.masking.compiler import check_column, compile_column
from appliance.scrubbing.lookalikes import written_for
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import Lab, make_lab, remove_lab, spec

MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Pieces that the patterns look at, so that they meet in every order.
PIECES = st.sampled_from(
    [*"0123456789abfxz@.:-+() []<>,;'\"\\\n", "::", "1234567", "a@b.de", "10.0.0.1", "fe80::1", "[email]"]
)
SOUP = st.lists(PIECES, max_size=40).map("".join)


def zeros() -> set[str]:
    """The zero of every script: its nine others follow."""
    return {each for each in written_for("0") if unicodedata.category(each) == "Nd"}


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    yield made
    remove_lab(made)


FOUND = [
    ("Write to ann.lee+shop@corp-mail.co.uk, please.", "Write to [email], please."),
    ("<ann@corp.test>;bob@corp.test", "<[email]>;[email]"),
    ("müller@straße.de and 用户@例子.广告", "[email] and [email]"),
    ("Call +49 (170) 123-45-67 or 555-0199 now", "Call +[phone] or [phone] now"),
    ("tel. 0170.1234567/0171.7654321!", "tel. [phone]!"),
    ("(519) 555-0196, then (0)170 1234567", "[phone], then [phone]"),
    ("home (555-0199) and work (+1 (519) 555-0196)", "home ([phone]) and work (+[phone])"),
    ("card 4111 1111 1111 1111 exp 12/27", "card [card] exp 12/27"),
    ("5500-0000-0000-0004", "[card]"),
    ("SSN 078-05-1120.", "SSN [ssn]."),
    ("from 192.168.17.4:8080 to 2001:db8::8a2e:370:7334", "from [ip]:8080 to [ip]"),
    ("ann @ corp.test, ann(at)corp.test; ann [AT] corp (dot) test", "[email], [email]; [email]"),
    ("ann\u200b@corp.test, ａｎｎ＠ｃｏｒｐ．ｔｅｓｔ or <ann＠corp。test>", "[email], [email] or <[email]>"),
    ("4111\u00a01111\u20071111\u202f1111, 4111–1111—1111‑1111", "[card], [card]"),
    ("4111_1111_1111_1111 or 4111.1111/1111,1111 or 3782·822463·10005", "[card] or [card] or [card]"),
    ("４１１１１１１１１１１１１１１１ and ٤١١١ ١١١١ ١١١١ ١١١١", "[card] and [card]"),
    ("4111111111111111 1234567", "[card]"),
    (
        "078–05–1120, 078\u00a005\u00a01120, 078_05_1120 and ０７８.０５.１１２０",
        "[ssn], [ssn], [ssn] and [ssn]",
    ),
    ("5550199, 555\u20110199, 555_0199; (５１９)\u00a0555–0196", "[phone], [phone], [phone]; [phone]"),
    ("at １９２．１６８．１７．４", "at [ip]"),
    ("work 555-0199 (519) or ((519) 555-0196)", "work [phone] or ([phone])"),
    ('to "Ann Lee"@corp.test, "o\\"lee, a@b"@corp.test', "to [email], [email]"),
    ('"Ann" <"ann lee" @ corp.test>', '"Ann" <[email]>'),
    ("fe80::1 and 2001:0db8:0000:0000:0000:ff00:0042:8329", "[ip] and [ip]"),
]
LEFT = [
    "Nothing of anyone in here, at 10:30:15, for 3 of 12 rooms.",
    "ISO 9001, std::vector, room @ 4, 50% + 20%",
    "rooms (12) and (345), of (2024) 12 and (3) 45.6",
    "2.5 kg; v1.2; chapter 3.4-3.6",
    "im Jahr ２０２４ – „später“\u00a0…, bei ٣ von ١٢ (siehe S. 12–15)",
    "look (at) this, room (at) 4",
    "",
]


@pytest.mark.parametrize(("text", "shown"), FOUND)
def test_what_belongs_to_a_person_is_found(lab: Lab, text: str, shown: str) -> None:
    assert lab.masked("text", [text], spec("text_scrub")) == [shown]


def test_everything_else_is_left(lab: Lab) -> None:
    assert lab.masked("text", LEFT, spec("text_scrub")) == LEFT


def test_only_what_was_asked_for_is_looked_for(lab: Lab) -> None:
    text = "ann@corp.test, 555-0199-77, 10.0.0.1"
    for chosen, shown in (
        (["email"], "[email], 555-0199-77, 10.0.0.1"),
        (["ip"], "ann@corp.test, 555-0199-77, [ip]"),
        (["phone"], "ann@corp.test, [phone], 10.0.0.1"),
    ):
        assert lab.masked("text", [text], spec("text_scrub", find=chosen)) == [shown]


@pytest.mark.parametrize("column_type", ["text", "varchar(24)", "char(24)"])
@MANY
@given(texts=st.lists(SOUP, min_size=1, max_size=40), size=st.integers(1, 5), which=st.integers(0, 9))
def test_scrubbing_what_is_scrubbed_changes_nothing_and_leaks_nothing(
    lab: Lab, column_type: str, texts: list[str], size: int, which: int
) -> None:
    choices = list(combinations(ALL, size))
    chosen = spec("text_scrub", find=list(choices[which % len(choices)]))
    values = texts if column_type == "text" else [text[:24] for text in texts]
    once = lab.masked(column_type, values, chosen)
    compiled = lab.shapes(column_type, chosen)
    table = lab.table_of(column_type)
    leaked = f"SELECT v FROM lab.{table.name}_twin WHERE {compiled.leak_sql}"
    assert lab.session().execute(leaked.encode()).fetchall() == []
    assert lab.masked(column_type, once, chosen) == once


NAMES = [
    (
        "Ann",
        "Lee",
        "Ann Lee called; ANN's sleeve, lee@corp.test, Anna",
        "[name] [name] called; [name]'s sleeve, [email], Anna",
    ),
    ("Zoë", "Müller-Šťastný", "ZOË MÜLLER und müller.", "[name] [name] und [name]."),
    ("太郎", "田中", "田中太郎さんから電話", "[name][name]さんから電話"),
    ("J", "O'Hara", "J. Hara and I", "J. [name] and I"),
    ("(.*", "[a-z]+\\", "(.* (a-z) \\", "(.* (a-z) \\"),
    ("", None, "Ann", "Ann"),
    ("x" * 600, "|||", "x and " + "x" * 500, "x and [name]"),
    ("Ann", "Lee", None, None),
]


def test_the_names_of_the_row_are_removed_from_its_text(lab: Lab) -> None:
    lab.script(
        "CREATE TABLE lab.letter (id int PRIMARY KEY, first text, last text, v text);"
        f" GRANT SELECT ON lab.letter TO {lab.reader}"
    )
    with lab.session().cursor() as cursor:
        cursor.executemany(
            b"INSERT INTO lab.letter VALUES (%s, %s, %s, %s)",
            [(number, *row[:3]) for number, row in enumerate(NAMES)],
        )
    table = lab.catalog_table("letter")
    column = next(each for each in table.columns if each.name == "v")
    compiled = compile_column(table, column, spec("text_scrub", names=["first", "last"]))
    query = f"SELECT {compiled.sql} FROM lab.letter ORDER BY id"
    assert [shown for (shown,) in lab.session(lab.reader).execute(query.encode())] == [
        row[3] for row in NAMES
    ]
    gone = check_column(table, column, spec("text_scrub", names=["middle"]))
    assert gone == ["names: the table has no column `middle`"]


@MANY
@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), SOUP),
        min_size=20,
        max_size=20,
    )
)
def test_no_name_makes_the_removal_fail(lab: Lab, rows: list[tuple[str, str]]) -> None:
    table = lab.table_of("text")
    column = lab.column("text")
    twin = table.model_copy(update={"columns": (*table.columns, column.model_copy(update={"name": "name"}))})
    compiled = compile_column(twin, column, spec("text_scrub", names=["name"]))
    texts = ", ".join(["(%s, %s)"] * len(rows))
    values = [each for row in rows for each in row]
    query = f"SELECT {compiled.sql.replace('%', '%%')} FROM (VALUES {texts}) AS t (name, v)"
    assert len(lab.session().execute(query.encode(), values).fetchall()) == len(rows)


GAPS = "".join(written_for(" -._/")) + " -._/"
GAP = st.text(st.sampled_from(GAPS), min_size=1, max_size=2)
DIGITS = st.sampled_from(["0", *sorted(zeros())])
NUMBERS = st.sampled_from(
    [("card", (4, 4, 4, 4)), ("card", (4, 6, 5)), ("ssn", (3, 2, 4)), ("phone", (3, 4))]
)


@MANY
@given(st.lists(st.tuples(NUMBERS, DIGITS, GAP, st.integers(0, 10**16 - 1)), min_size=1, max_size=20))
def test_numbers_are_found_whatever_stands_between_their_digits_and_however_those_are_written(
    lab: Lab, numbers: list[tuple[tuple[str, tuple[int, ...]], str, str, int]]
) -> None:
    texts, wanted = [], []
    for (kind, groups), zero, gap, number in numbers:
        digits = iter(f"{number:016}")
        parts = ["".join(chr(ord(zero) + int(next(digits))) for _ in range(size)) for size in groups]
        texts.append(f"für Ann: {gap.join(parts)}!")
        wanted.append((kind, "".join(parts)))
    found = lab.masked("text", texts, spec("text_scrub"))
    for (kind, digits_), text, shown in zip(wanted, texts, found, strict=True):
        assert shown.startswith("für Ann: ") and shown.endswith("!"), text
        assert not set(shown) & set(digits_), (kind, text, shown)


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "SQL_ASCII", "EUC_JP"])
def test_numbers_are_found_in_databases_of_other_encodings(source: Cluster, encoding: str) -> None:
    database = f"scrub_{encoding.lower()}"
    source.sql("postgres", f"CREATE DATABASE {database} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
    text = scrubbed("v", ALL, encoding)
    gap = {"LATIN1": r"\xa0", "WIN1252": r"\x96", "SQL_ASCII": r"\xe2\x80\x93"}.get(encoding, "-")
    values = f"(E'card 4111{gap}1111{gap}1111{gap}1111, ssn 078{gap}05{gap}1120, ann @ corp.test')"
    shown = source.value(database, f"SELECT {text} FROM (VALUES {values}) AS t (v)")
    # psycopg gives bytes where there is no encoding.
    assert shown in ("card [card], ssn [ssn], [email]", b"card [card], ssn [ssn], [email]")


def test_the_sql_grows_by_as_much_with_every_pattern() -> None:
    texts = [scrubbed("v", ALL[:count]) for count in range(1, len(ALL) + 1)]
    assert [text.count("regexp_replace(") for text in texts] == [1, 4, 9, 10, 11]


@pytest.mark.parametrize("raw", ["ann@corp.test", "call 555-0199-77", "at 10.0.0.1", "078-05-1120"])
def test_text_that_was_not_scrubbed_is_a_leak(lab: Lab, raw: str) -> None:
    lab.masked("text", [raw], spec("constant", value=raw))
    compiled = lab.shapes("text", spec("text_scrub"))
    table = lab.table_of("text")
    query = f"SELECT count(*) FROM lab.{table.name}_twin WHERE {compiled.leak_sql}"
    assert lab.session().execute(query.encode()).fetchall() == [(1,)]


@pytest.mark.parametrize(
    "piece", ["a", "1", "@", "a@", "1.", "1 ", ":", "a:", "[", "1a", "12-", ".@", "a.b@c "]
)
def test_two_megabytes_of_anything_take_no_longer_than_is_allowed(lab: Lab, piece: str) -> None:
    table = lab.table_of("text")
    compiled = lab.shapes("text", spec("text_scrub"))
    session = lab.session()
    with session.transaction():
        # Quadratic time would be hours: the limit only has to tell it from linear.
        session.execute("SET LOCAL statement_timeout = '60s'")
        session.execute(f"DELETE FROM lab.{table.name}".encode())
        session.execute(
            f"INSERT INTO lab.{table.name} VALUES (1, repeat(%s, 2000000 / length(%s)))".encode(),
            (piece, piece),
        )
        session.execute(f"SELECT length({compiled.sql}) FROM lab.{table.name}".encode())


@MANY
@given(texts=st.lists(SOUP, min_size=1, max_size=60))
def test_a_shorter_expression_finds_the_same_where_it_is_taken(lab: Lab, texts: list[str]) -> None:
    shortened = [pattern for pattern in patterns("UTF8") if pattern.short]
    assert [pattern.kind for pattern in shortened] == ["email", "phone"]
    for pattern in shortened:
        unless = pattern.unless.replace("{text}", "v").replace("%", "%%")
        query = (
            "SELECT regexp_replace(v, %s, '#', 'g'), regexp_replace(v, %s, '#', 'g')"
            f" FROM unnest(%s::text[]) AS t (v) WHERE NOT ({unless})"
        )
        rows = lab.session().execute(query.encode(), (pattern.regex, pattern.short, texts)).fetchall()
        assert all(long == short for long, short in rows)
