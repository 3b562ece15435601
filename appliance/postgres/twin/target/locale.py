"""Encoding, locale provider and collation of a new database: the source's, or the nearest the target has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from psycopg import Connection, sql
from psycopg.rows import TupleRow

_PLAIN_LOCALES = {"C", "POSIX"}
_RULES_SINCE = 160000
_LIBC_NAME = re.compile(r"([a-z]{2,3})(?:_([A-Z]{2}))?(?:\.[\w-]+)?(?:@\w+)?")


@dataclass(frozen=True)
class LocaleSettings:
    """What CREATE DATABASE takes."""

    encoding: str
    provider: str
    """``libc``, ``icu`` or ``builtin``."""
    collate: str
    ctype: str
    locale: str | None = None
    """The ICU or builtin locale."""
    icu_rules: str | None = None
    """What changes the order of an ICU locale."""

    def options(self, server_version: int) -> str:
        """For CREATE DATABASE on a server of that version."""
        chosen = {"ENCODING": self.encoding, "LC_COLLATE": self.collate, "LC_CTYPE": self.ctype}
        if server_version >= 150000:
            chosen["LOCALE_PROVIDER"] = self.provider
            if self.provider == "icu":
                chosen["ICU_LOCALE"] = self.locale or "und"
                if self.icu_rules is not None:
                    chosen["ICU_RULES"] = self.icu_rules
            if self.provider == "builtin":
                chosen["BUILTIN_LOCALE"] = self.locale or "C"
        return " ".join(f"{key} {_literal(value)}" for key, value in chosen.items())

    def described(self) -> str:
        if self.provider == "libc":
            same = self.collate == self.ctype
            return self.collate if same else f"{self.collate} (LC_CTYPE {self.ctype})"
        rules = " with rules of its own" if self.icu_rules is not None else ""
        return f"{self.provider} locale {self.locale}{rules}"


def locale_attempts(
    admin: Connection[TupleRow], wanted: LocaleSettings
) -> Iterator[tuple[LocaleSettings, str | None]]:
    """What to try in turn, each with the sentence that reports it; None where it is what was wanted."""
    version = admin.info.server_version
    tried: set[LocaleSettings] = set()
    for settings in _candidates(admin, wanted):
        if settings in tried or not _possible(settings, version):
            continue
        tried.add(settings)
        fallback = (
            f"The target does not have the source's {wanted.described()}:"
            f" the twin sorts and compares text by {settings.described()}."
        )
        yield settings, None if _spelling(settings) == _spelling(wanted) else fallback


def predict_locale(admin: Connection[TupleRow], wanted: LocaleSettings) -> tuple[LocaleSettings, str | None]:
    """The attempt that will most likely succeed, without creating anything.

    The server knows the operating system's locales from its initdb only: a newer one is found when creating.
    """
    known = {
        _spell(name)
        for (name,) in admin.execute(
            "SELECT collcollate FROM pg_collation WHERE collprovider = 'c' AND collcollate IS NOT NULL"
            " UNION SELECT datcollate FROM pg_database"
        )
    }
    has_icu = admin.execute(
        "SELECT EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i')"
    ).fetchone() == (True,)
    attempts = list(locale_attempts(admin, wanted))
    for settings, fallback in attempts:
        libc_known = all(
            name in _PLAIN_LOCALES or _spell(name) in known for name in (settings.collate, settings.ctype)
        )
        if libc_known and (settings.provider != "icu" or has_icu):
            return settings, fallback
    return attempts[-1]


def _candidates(admin: Connection[TupleRow], wanted: LocaleSettings) -> Iterator[LocaleSettings]:
    yield wanted
    wanted = replace(wanted, icu_rules=None)
    yield wanted
    libc = replace(wanted, provider="libc", locale=None)
    if wanted.provider == "icu":
        # An ICU database on a machine without the libc locale that stands beside it.
        yield replace(wanted, collate="C", ctype="C")
    if wanted.provider == "builtin":
        name = wanted.locale or "C"
        yield replace(libc, collate=name, ctype=name)
    yield libc
    for spelling in ("utf8", "UTF-8"):
        yield replace(libc, collate=_respelt(libc.collate, spelling), ctype=_respelt(libc.ctype, spelling))
    language = _LIBC_NAME.fullmatch(wanted.collate)
    if wanted.encoding == "UTF8" and language is not None:
        tag = "-".join(part for part in language.groups() if part)
        yield replace(wanted, provider="icu", locale=tag, collate="C", ctype="C")
    row = admin.execute("SELECT datcollate, datctype FROM pg_database WHERE datname = 'template0'").fetchone()
    if row is not None:
        yield replace(libc, collate=row[0], ctype=row[1])
    yield replace(libc, collate="C", ctype="C")


def _possible(settings: LocaleSettings, version: int) -> bool:
    in_utf8 = any(_spell(name).endswith(".utf8") for name in (settings.collate, settings.ctype))
    if in_utf8 and settings.encoding != "UTF8":
        return False
    if settings.icu_rules is not None and version < _RULES_SINCE:
        return False
    return settings.provider == "libc" or version >= {"icu": 150000, "builtin": 170000}[settings.provider]


def _spelling(settings: LocaleSettings) -> LocaleSettings:
    return replace(settings, collate=_spell(settings.collate), ctype=_spell(settings.ctype))


def _spell(name: str) -> str:
    return _respelt(name, "utf8").lower()


def _respelt(name: str, spelling: str) -> str:
    return re.sub(r"\.utf-?8$", f".{spelling}", name, flags=re.IGNORECASE)


def _literal(value: str) -> str:
    return sql.Literal(value).as_string(None)
