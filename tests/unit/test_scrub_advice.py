"""What the dashboard itself wrote, names that need quoting, and advice come through; secrets never do."""

from __future__ import annotations

import re
import urllib.parse

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.scrubbing.scrub import GONE, Scrubber
from tests.unit.test_scrub import ADDRESSES, CARDS, DSNS, EMAILS, IBANS, PLAIN


@pytest.mark.parametrize(
    "text",
    [
        'The column crm.lead."Full name" is covered by no rule.',
        'masks."crm.lead.Full name" and masks."*.*.Full name" both cover it.',
        '"Sales 2024".customer does not exist',
        'null value in column "Full name" of relation "Kunden neu"',
    ],
)
def test_a_name_that_needs_quoting_stays(text: str) -> None:
    assert PLAIN.clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        'invalid input syntax for type integer: "Zoë Quagmire"',
        'the value "Zoë Quagmire" is wrong',
        'He is "Zoë Quagmire". Another sentence',
        'column "zoe@quagmire.example" of x',
        'column "+44 20 7946 0958" of x',
        'crm.lead."' + "a very long text that no name may be as long as, Zoë Quagmire" * 2 + '"',
    ],
)
def test_a_value_in_quotes_is_no_name(text: str) -> None:
    shown = PLAIN.clean(text)
    assert GONE in shown and not re.search(r"(?i)quagmire|7946", shown)


def test_a_word_that_the_dashboard_wrote_stays_though_a_host_or_a_role_is_called_so() -> None:
    scrubber = Scrubber(
        ["hunter2"],
        ["staging", "db.internal"],
        roles=["customer", "reader"],
        own_words={"staging", "customer"},
    )
    text = "Connection 'staging' could not be opened, for public.customer.email"
    assert scrubber.clean(text) == text
    assert scrubber.clean("reader at db.internal says hunter2") == f"{GONE} at {GONE} says {GONE}"
    assert GONE in Scrubber(["staging"], own_words={"staging"}).clean("it says staging")


ADVICE = (
    "Correct staging.password (and staging.user) in connections.yaml, then: appliance connections check",
    'Write into the workflow:\n  "public.customer.Full name": text',
    'On the source: GRANT SELECT ON public."Order" TO reader;',
    "appliance images trust registry.example/report@sha256:" + "0123456789abcdef" * 4,
    "Open https://dashboard.example/workflows/shop to change it.",
    "Name it 'staging-twin', or \"staging twin\".",
)


@pytest.mark.parametrize("text", ADVICE)
def test_nothing_is_removed_from_advice_but_secrets(text: str) -> None:
    assert Scrubber(["hunter2"], ["db.internal"], roles=["reader"]).clean_advice(text) == text


@given(st.sampled_from(ADVICE), st.text("abcXYZ019!$%&*-_é", min_size=4, max_size=20))
def test_a_known_secret_goes_from_advice_too(advice: str, secret: str) -> None:
    assume(secret not in advice and secret not in GONE)
    shown = Scrubber([secret]).clean_advice(f"{advice}\nUse {secret}, or {urllib.parse.quote(secret)}.")
    assert secret not in shown.replace(GONE, "")


@given(st.sampled_from(ADVICE), st.one_of(DSNS, EMAILS, CARDS, IBANS, ADDRESSES))
def test_what_is_shaped_like_a_login_or_somebodys_does_not_come_through_advice(
    advice: str, canary: str
) -> None:
    assert canary not in PLAIN.clean_advice(f"{advice} Or {canary} it is")


def test_advice_names_no_host_that_the_dashboard_does_not_know() -> None:
    scrubber = Scrubber([], ["db.internal"], roles=["reader"])
    shown = scrubber.clean_advice("Log in as reader at db.internal, with password=letmein")
    assert shown == f"Log in as reader at {GONE}, with password={GONE}"


@pytest.mark.parametrize(
    "careless",
    [
        "('invalid input syntax for type integer: \"first canary\"',)",
        '["first canary"]',
        "UniqueViolation('duplicate key value: first canary')",
        "Look again. DETAIL: Key (name)=(first canary) already exists.",
    ],
)
def test_a_server_s_message_in_place_of_advice_is_cleaned_as_one(careless: str) -> None:
    assert "canary" not in Scrubber().clean_advice(careless)
