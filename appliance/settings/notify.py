"""The part of ``appliance.yaml`` that says who is notified, of what, and by which way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from appliance.documents.model import StrictModel, wrong

NoticeKind = Literal[
    "run_failed",
    "run_halted",
    "run_would_halt",
    "twin_stale",
    "disk_low",
    "certificate_expires",
    "update_refused",
    "update_failed",
    "erasure_waits",
]
"""What is notified. That a run works again, or that anything else is over, is said by the same kind."""
Way = Literal["webhook", "email", "ntfy", "healthchecks", "apprise"]
_BY_URL: tuple[Way, ...] = ("webhook", "ntfy", "healthchecks")


def _as_list(value: Any) -> Any:
    """What stands in a variable, which has no lists."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


class Address(StrictModel):
    """Where messages go, and by which way. What it is notified of is said by those who derive from it."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,39}$")] = Field(
        description="What it is called, for appliance notify test NAME.", examples=["on-call"]
    )
    by: Way = Field(
        description="The way: webhook (signed JSON), email, ntfy, healthchecks (a ping while all is well), or"
        " apprise for Slack, Teams and whatever else it speaks.",
        examples=["webhook"],
    )
    url: str | None = Field(
        default=None,
        max_length=2_000,
        description="Where to send it, for webhook, ntfy and healthchecks.",
        examples=["https://hooks.example.com/appliance"],
    )
    url_file: Path | None = Field(
        default=None,
        description="File that holds the address instead, where it is a secret itself; for apprise always.",
        examples=["/etc/appliance/notify/slack"],
    )
    secret_file: Path | None = Field(
        default=None,
        description="File with a webhook's key, the token of ntfy, or the password of email.",
        examples=["/etc/appliance/notify/key"],
    )
    server: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?$",
        description="Mail server, for email; port 465 speaks TLS at once, any other begins with STARTTLS.",
        examples=["smtp.example.com:587"],
    )
    user: str | None = Field(
        default=None, max_length=200, description="User of the mail server.", examples=["appliance"]
    )
    sender: str | None = Field(
        default=None,
        max_length=200,
        description="From whom an e-mail is.",
        examples=["appliance@example.com"],
    )
    recipients: tuple[Annotated[str, Field(pattern="^[^@\\s]+@[^@\\s]+$")], ...] = Field(
        default=(), description="To whom an e-mail goes.", examples=[["ops@example.com"]]
    )
    events: tuple[str, ...] = Field(default=(), description="What it is notified of.")

    @model_validator(mode="after")
    def _has_what_its_way_needs(self) -> Self:
        if self.by == "email" and not (self.server and self.sender and self.recipients):
            raise wrong("is an e-mail without server, sender or recipients", "all three")
        if self.by == "apprise" and self.url_file is None:
            raise wrong(
                "has no url_file", "a file with an address as apprise has them: slack://…", ("url_file",)
            )
        if self.by in _BY_URL and (self.url is None) == (self.url_file is None):
            raise wrong("has none, or both, of url and url_file", "one of them")
        if self.by == "webhook" and self.secret_file is None:
            raise wrong(
                "is a webhook without secret_file",
                "a file with the key that it is signed with",
                ("secret_file",),
            )
        if self.url is not None and (urlsplit(self.url).scheme != "https" and not self._stays_here(self.url)):
            raise wrong("has a url that is not https", "https, or http to this machine itself", ("url",))
        return self

    @staticmethod
    def _stays_here(url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")


class NotifyAddress(Address):
    """One address, and what it is notified of."""

    events: tuple[NoticeKind, ...] = Field(
        default=get_args(NoticeKind),
        description="What it is notified of.",
        examples=[["run_failed", "disk_low"]],
    )


class NotifySettings(StrictModel):
    """Who is notified of failures. policy.yaml names the places that may be."""

    addresses: Annotated[tuple[NotifyAddress, ...], BeforeValidator(_as_list)] = Field(
        default=(),
        description="Whom to notify, and of what. In a variable, as JSON.",
        examples=[[{"name": "on-call", "by": "ntfy", "url": "https://ntfy.example.com/appliance"}]],
    )
    stale_after_h: int | None = Field(
        default=26,
        ge=1,
        le=8_784,
        description="Hours without a fresh twin after which a scheduled workflow is named; null for never.",
        examples=[26],
    )
    certificate_days: int = Field(
        default=14,
        ge=1,
        le=365,
        description="Days before its end that a certificate is named.",
        examples=[14],
    )
    repeat_h: int = Field(
        default=24, ge=1, le=8_784, description="Hours after which what goes on is said again.", examples=[24]
    )

    @model_validator(mode="after")
    def _names_are_different(self) -> NotifySettings:
        check_names(self.addresses)
        return self


def check_names(addresses: Sequence[Address]) -> None:
    """Raises a validator's error where two have one name: what has been said to one is kept under it."""
    names = [each.name for each in addresses]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise wrong("has two addresses of one name", "another name", ("addresses", place, "name"))
