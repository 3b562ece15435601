"""Canaries of every kind, put where errors put values: none may come through, and reports stay useful."""
# ruff: noqa: RUF001 - letters and signs that look like others are what this is about

from __future__ import annotations

import base64
import html
import json
import re
import traceback
import unicodedata
import urllib.parse
import uuid

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from appliance.contract.fields import SCRUBBED_TEXT_MAX
from appliance.scrubbing.lookalikes import written_for
from appliance.scrubbing.scrub import GONE, LONGEST_LINE, Scrubber, scrub_fields
from appliance.scrubbing.shapes import _NOUN

PLAIN = Scrubber()
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="'\"„“”«»"), max_size=60)
settings.register_profile("scrub", max_examples=100, deadline=None)
settings.load_profile("scrub")
NAMES = st.sampled_from(["Zoë Quagmire", "Bartholomew O'Hara", "李小龍", "Ferrûk-Öztan", "x", "42 Acacia Rd"])


def luhn(digits: str) -> str:
    """The digits with the check digit that makes them a card's number."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return digits + str(-total % 10)


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


EMAILS = st.builds(
    lambda user, host, top: f"{user}@{host}.{top}",
    st.text("abcXYZ019._+-", min_size=1, max_size=12),
    st.text("abcxyz019-", min_size=1, max_size=12),
    st.sampled_from(["com", "co.uk", "example", "museum"]),
)
CARDS = st.builds(
    lambda body, gap: gap.join(re.findall(".{1,4}", luhn("4" + body))),
    digits(14),
    st.sampled_from(["", " ", "-"]),
)
PHONES = st.builds(
    lambda shape, body: "".join(body[i % 12] if c == "#" else c for i, c in enumerate(shape)),
    st.sampled_from(
        [
            "+## ### #### ####",
            "(###) ###-####",
            "###-###-####",
            "0##########",
            "+##(0)###/######",
            "###.###.####",
            "###-####",
        ]
    ),
    digits(12),
)
SOCIAL = st.builds(lambda a, b, c: f"{a}-{b}-{c}", digits(3), digits(2), digits(4))
IBANS = st.sampled_from(
    ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "NL91ABNA0417164300", "no9386011117947"]
)
ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str).filter(lambda text: len(text) > 3)
)
DSNS = st.builds(
    lambda password: f"postgresql://reader:{password}@db.internal:5432/shop",
    st.text("abcXYZ019!$%&*-_", min_size=1, max_size=20),
)
TOKENS = st.one_of(
    st.uuids().map(lambda u: f"apl_{u.hex}"),
    st.binary(min_size=24, max_size=40).map(lambda raw: raw.hex()),
    st.just("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"),
    st.just("AKIAIOSFODNN7EXAMPLE1"),
)
SHAPED = st.one_of(EMAILS, CARDS, PHONES, SOCIAL, IBANS, ADDRESSES, DSNS, TOKENS)
EDGES = st.sampled_from([" ", ": ", " (", "\n", ", ", "; ", "= ", "\t", " - "])


@given(WORDS, EDGES, SHAPED, st.sampled_from([" ", ".", ",", ")", "\n", "; "]), WORDS)
def test_what_is_shaped_like_personal_data_or_a_secret_does_not_come_through(
    before: str, edge: str, canary: str, behind: str, after: str
) -> None:
    assert canary not in PLAIN.clean(before + edge + canary + behind + after)


@given(WORDS, NAMES, WORDS)
def test_what_stands_in_quotes_does_not_come_through(before: str, canary: str, after: str) -> None:
    # Behind "run" or "table" it is the name of one of our own things.
    assume(not _NOUN.search(f"{before.replace(canary, '')} "))
    for quoted in (f'"{canary}"', f"'{canary}'", f"„{canary}“", f"«{canary}»", f'"{canary}', f"“{canary}”"):
        assert canary not in PLAIN.clean(f"{before.replace(canary, '')} {quoted} {after.replace(canary, '')}")


@given(
    st.sampled_from(["DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LINE 1"]),
    st.lists(st.text(min_size=1), min_size=1, max_size=4),
)
def test_nothing_of_a_line_that_shows_values_comes_through_nor_of_the_lines_it_runs_over(
    label: str, lines: list[str]
) -> None:
    canary = f"canary{uuid.uuid4().hex[:8]}"
    said = "\n".join([f"ERROR:  it broke\n{label}:  {canary}", *(f"{line}{canary}" for line in lines)])
    if any(
        re.match(r"ERROR|LOG|INFO|DEBUG|NOTICE|FATAL|PANIC|WARNING|CRITICAL|Next: ", each) for each in lines
    ):
        return
    assert canary not in PLAIN.clean(said)


@given(NAMES, st.sampled_from([ValueError, KeyError, RuntimeError, ArithmeticError]), st.booleans())
def test_an_exceptions_own_words_do_not_come_through(
    canary: str, kind: type[Exception], over_lines: bool
) -> None:
    canary = f"{canary} zanzibar"
    try:
        raise kind(f"bad row:\n{canary}" if over_lines else canary)
    except Exception as error:
        shown = PLAIN.clean("".join(traceback.format_exception(error)))
    assert "zanzibar" not in shown.replace("# zanzibar", "")
    assert kind.__name__ in shown and "test_scrub.py, line" in shown


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2",
        "p@ss w:r/d",
        'quo"te',
        "back\\slash",
        "it's",
        "ünïcode-päss",
        "%41%42",
        "a+b=c&d",
        "[x]*.$^",
    ],
)
def test_a_known_secret_does_not_come_through_however_it_is_written(secret: str) -> None:
    scrubber = Scrubber([secret])
    raw, apart = secret.encode(), unicodedata.normalize("NFD", secret)
    for written in (
        secret,
        apart,
        urllib.parse.quote(secret),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote(secret, safe="").lower()
        if secret.isascii() and secret == secret.lower()
        else secret,
        urllib.parse.quote_plus(apart),
        json.dumps(secret),
        json.dumps(json.dumps(apart)),
        repr(secret),
        ascii(secret),
        repr(raw),
        repr(apart.encode()),
        "".join(f"\\x{byte:02x}" for byte in raw),
        raw.hex(),
        raw.hex().upper(),
        f"\\\\x{raw.hex()}",
        html.escape(secret),
        html.escape(apart, quote=False),
        html.escape(secret).encode("ascii", "xmlcharrefreplace").decode(),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        secret.replace("'", "''"),
        secret.replace("\\", "\\\\").replace(":", "\\:"),
    ):
        shown = scrubber.clean(f"x{written}y and z")
        assert written not in shown and secret not in shown
        assert GONE in shown


@pytest.mark.parametrize("user", ["a", "ab", "abc", "reader"])
@pytest.mark.parametrize("secret", ["hunter2", "p@ss w:r/d", "ünïcode-päss"])
def test_a_secret_inside_of_what_a_header_encodes_does_not_come_through(user: str, secret: str) -> None:
    coded = base64.b64encode(f"{user}:{secret}@x".encode()).decode()
    shown = Scrubber([secret]).clean(f"sent {coded} and")
    left = base64.b64decode(
        "".join(re.findall(r"[A-Za-z0-9+/]", shown.partition(GONE)[2])) + "====", validate=False
    )
    assert GONE in shown and secret.encode()[1:-1] not in left


@given(st.text(min_size=3, max_size=30), st.text(max_size=50), st.text(max_size=50))
def test_any_known_secret_is_taken_out_of_any_text(secret: str, before: str, after: str) -> None:
    if secret in GONE or secret in before + after:
        return
    shown = Scrubber([secret]).clean(before + secret + after)
    assert secret not in shown.replace(GONE, "")


def test_a_hosts_name_goes_as_a_word_and_not_as_a_part_of_one() -> None:
    scrubber = Scrubber(names=["shop", "db.internal"])
    assert scrubber.clean("shop at db.internal:5432, workshop and shopping") == (
        f"{GONE} at {GONE}:5432, workshop and shopping"
    )
    assert scrubber.clean("put it into the workflow shop-twin, or pet-shop") == (
        "put it into the workflow shop-twin, or pet-shop"
    )
    assert scrubber.clean("shop-, -shop and host=shop") == f"{GONE}-, -{GONE} and host={GONE}"


@pytest.mark.parametrize(
    "text",
    [
        'null value in column "email" of relation "customer" violates not-null constraint',
        'duplicate key value violates unique constraint "customer_email_key"',
        "permission denied for table customer",
        "The step copy needed more than the 512 MB of memory it may use.",
        "The target needs 12884901888 bytes and has 734003200 bytes.",
        "Raise limits.memory_mb in the workflow above 512, or lower limits.parallel.",
        "The column public.customer.ssn must be masked (*.*.ssn); the workflow keeps it (public.*.ssn).",
        "2026-11-23 02:00:00.123 run twin-20261123t020000z-3f9a: appliance.steps.copy:123, SQLSTATE 23505",
        "Connection 'staging' could not be opened.",
        "Correct staging.password (and staging.user) in connections.yaml, then run it again.",
        "The workflow 'staging-twin' doesn't know the step 'copy', and can't go on.",
        "Run: df -h /var/lib/appliance/runs/staging-twin-20261123t020000z-3f9a",
    ],
)
def test_what_a_person_needs_to_act_on_stays(text: str) -> None:
    assert Scrubber(["hunter2"], ["db.internal"]).clean(text) == text


GAPS = st.text(st.sampled_from(written_for(" -._/") + " -._/"), min_size=1, max_size=2)
ZEROS = st.sampled_from(["0", *(each for each in written_for("0") if unicodedata.category(each) == "Nd")])


@given(st.sampled_from([(4, 4, 4, 4), (4, 6, 5), (3, 2, 4), (3, 3, 4), (3, 4)]), GAPS, ZEROS, digits(16))
def test_a_number_goes_whatever_stands_between_its_digits_and_however_they_are_written(
    groups: tuple[int, ...], gap: str, zero: str, body: str
) -> None:
    figures = iter(body)
    parts = ["".join(chr(ord(zero) + int(next(figures))) for _ in range(size)) for size in groups]
    shown = PLAIN.clean(f"für – Ann {gap.join(parts)} at – home")
    assert not set(shown) & set("".join(parts))
    assert shown == f"für – Ann {GONE} at – home"


@pytest.mark.parametrize(
    "text",
    [
        "ann @ corp.test", "ann(at)corp.test", "ann [at] corp (dot) test", "ａｎｎ＠ｃｏｒｐ．ｔｅｓｔ",
        "5550199", "555 0199",
        "(519) 555-0196", "((519) 555-0196)", "555-0196 (519)", "(555-0199)", "4111,1111,1111,1111",
        "078.05.1120",
    ],
)  # fmt: skip
def test_nothing_of_it_is_left_and_no_lone_bracket(text: str) -> None:
    shown = PLAIN.clean(f"call {text} now")
    assert not re.search(r"\d|corp|test|ann|ａ", shown)
    assert shown.count("(") == shown.count(")")


@pytest.mark.parametrize(
    "text",
    [
        "The row 0b5c6e2e-1111-4222-8333-123456789012 of events, id 3F2B8C1E-5D4A-4B6F-9C3D-1234567890AB.",
        "Copied 1,234,567,890 rows, 12 345 678 rows and 1.234.567 bytes of 734003200 bytes.",
        "PostgreSQL 15.18, appliance 0.1.0, kernel 6.1.0-28, version 10.0.19041.3570",
        "2026-11-23 02:00:00.123+00 to 2026-11-24T02:00:00Z, on 2026-11-23 - 2026-11-24 and 2026-11-23",
        "process 1234567 waits for transaction 98765432, rows: 1234567, pid=4194303",
        "Connection 'staging' and shop-twin-2, run staging-twin-20261123t020000z-3f9a, shard 3 of 12",
    ],
)
def test_numbers_of_ours_stay(text: str) -> None:
    assert PLAIN.clean(text) == text


def test_a_failed_load_still_tells_what_and_where() -> None:
    said = (
        'pg_restore: error: could not execute query: ERROR:  insert or update on table "invoice" violates'
        ' foreign key constraint "invoice_customer_fk"\nDETAIL:  Key (id)=(Zoë Quagmire) is not present.\n'
        "Command was: ALTER TABLE ONLY public.invoice ADD CONSTRAINT x CHECK (name <> 'Zoë Quagmire');\n"
        "pg_restore: warning: errors ignored on restore: 1"
    )
    shown = PLAIN.clean(said)
    assert "Zoë" not in shown and "Quagmire" not in shown
    assert 'table "invoice" violates foreign key constraint "invoice_customer_fk"' in shown
    assert "errors ignored on restore: 1" in shown


def test_a_stream_of_lines_remembers_that_a_value_goes_on() -> None:
    clean = PLAIN.stream()
    lines = [
        "DETAIL:  Failing row contains (1, Zoë",
        "Quagmire, 1980-01-01",
        "), and more",
        "pg_restore: finished",
    ]
    assert [clean(line) for line in lines] == [f"DETAIL: {GONE}", GONE, GONE, "pg_restore: finished"]


def test_a_quoted_value_is_followed_over_its_lines() -> None:
    shown = PLAIN.clean('ERROR:  invalid input for type integer: "Zoë\nQuagmire"\nERROR:  next "one"')
    assert shown == f"ERROR:  invalid input for type integer: {GONE}\n{GONE}\nERROR:  next {GONE}"


def test_a_long_line_is_cut_between_words_so_that_no_half_of_a_number_is_left() -> None:
    shown = PLAIN.clean("x " * (LONGEST_LINE // 2 - 4) + "4111 1111 1111 1111 " + "y" * 100)
    assert len(shown) <= LONGEST_LINE and "4111" not in shown.replace(GONE, "")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    [
        "a@",
        "'",
        '"',
        "1 ",
        "1-",
        "a.",
        "password=",
        ":",
        "(",
        "=(",
        "://",
        "eyJ",
        "A1a",
        "DETAIL",
        "\\",
        "Error: ",
    ],
)
def test_no_text_however_made_takes_long(piece: str) -> None:
    PLAIN.clean(piece * 100_000)
    PLAIN.clean(f"{piece}\n" * 20_000)


@given(st.text(max_size=400))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = PLAIN.clean(text)
    assert GONE not in text and PLAIN.clean(once).replace(GONE, "") == PLAIN.clean(PLAIN.clean(once)).replace(
        GONE, ""
    )


@given(st.text(max_size=3000))
def test_marked_text_fits_the_wire(text: str) -> None:
    assert len(PLAIN.mark(text)) <= SCRUBBED_TEXT_MAX


def test_a_list_that_is_too_long_for_an_event_ends_at_a_line_and_says_how_many_are_left() -> None:
    lines = [f"  public.person.field_{number}: null" for number in range(71)]
    shown = PLAIN.mark("\n".join(lines))
    *whole, last = shown.split("\n")
    assert len(shown) <= SCRUBBED_TEXT_MAX
    assert whole == lines[: len(whole)]
    assert last == f"… and {71 - len(whole)} more lines, which the appliance itself shows."


def test_every_free_text_of_an_event_is_cleaned_and_nothing_else_is_touched() -> None:
    event = {
        "run_id": "a@b",
        "failure": {
            "what": "x@y.example broke",
            "next_step": "Write 'keep', call 555-123-4567",
            "log_tail": ["call 555-123-4567"],
            "table": "public.a",
        },
        "problem": None,
        "steps": [{"step": "copy", "problem": "'Zoë'"}],
    }
    assert scrub_fields(event, PLAIN) == {
        "run_id": "a@b",
        "failure": {
            "what": f"{GONE} broke",
            "next_step": f"Write 'keep', call {GONE}",
            "log_tail": [f"call {GONE}"],
            "table": "public.a",
        },
        "problem": None,
        "steps": [{"step": "copy", "problem": GONE}],
    }
