"""A machine in memory, on which updates go up and down between 1.0 and 2.0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

SCHEMAS = {"1.0": "schema 1", "2.0": "schema 2"}


class KilledError(BaseException):
    """The process is gone: nothing after this line happened."""


class Machine:
    """A machine in memory that obeys the same orders, and can be struck before or after each."""

    def __init__(
        self,
        *,
        broken: str = "",
        fails_its_probe: bool = False,
        fails_later: bool = False,
        current: str = "1.0",
    ) -> None:
        self.former, self.current, self.updater, self.running = current, current, current, True
        self.metadata, self.copy = SCHEMAS[current], ""
        self.kept: list[str] = []
        self.installed = {current}
        self.broken, self.fails_its_probe, self.fails_later = broken, fails_its_probe, fails_later
        self.journals: list[str] = []
        self.left_by_a_probe = False
        self.asked_since: datetime | None = None
        self.strike: Callable[[str], None] = lambda _: None

    def _deed(self, name: str) -> Iterator[None]:
        self.strike(f"before {name}")
        yield
        self.strike(f"after {name}")

    def install(self, version: str) -> None:
        for _ in self._deed("install"):
            self.installed.add(version)

    def stop(self) -> None:
        for _ in self._deed("stop"):
            self.running = False

    def start(self) -> None:
        for _ in self._deed("start"):
            self.running = True
            if self.current == "2.0":
                self.metadata = SCHEMAS["2.0"]

    def metadata_version(self) -> str:
        for _ in self._deed("metadata_version"):
            pass
        return self.metadata

    def save_metadata(self) -> None:
        for _ in self._deed("save_metadata"):
            assert self.metadata == SCHEMAS[self.former], "what is put aside is what the former release had"
            self.copy = self.metadata

    def restore_metadata(self) -> None:
        for _ in self._deed("restore_metadata"):
            assert not self.running, "services would write into a database that is being replaced"
            assert self.copy, "there is nothing to restore"
            self.metadata = self.copy

    def lower_metadata(self, former: str, schema: str) -> None:
        for _ in self._deed("lower_metadata"):
            assert not self.running, "services would write into a schema that is not theirs"
            assert (former, self.copy) == (self.former, SCHEMAS[former]), "there must be a way back"
            self.metadata = schema

    def keep_metadata(self, version: str) -> None:
        self.kept.append(f"{self.metadata} of {version}")

    def keep_copy(self, version: str) -> None:
        for _ in self._deed("keep_copy"):
            # As a file that is moved: what was kept before is not kept again.
            if self.copy:
                self.kept.append(f"{self.copy} of {version}")
                self.copy = ""

    def switch(self, version: str) -> None:
        for _ in self._deed("switch"):
            assert not self.running, "a service would go on with half of another release"
            assert version in self.installed
            self.current = version

    def unproven(self) -> str:
        for _ in self._deed("unproven"):
            pass
        works = self.running and self.current != self.broken
        works = works and self.metadata == SCHEMAS[self.current]
        return "" if works else "The scheduler is not proven."

    def in_contact(self) -> bool:
        for _ in self._deed("in_contact"):
            assert self.current == self.former, "it is asked of the former release"
        return True

    def probe(self, version: str, contact_since: datetime | None) -> str:
        for _ in self._deed("probe"):
            assert (self.running, self.current) == (True, version)
            assert contact_since is not None, "the dashboard was there before"
            self.left_by_a_probe = True
            self.strike("within probe")
            self.left_by_a_probe = False
        return "A tiny run did not come through." if self.fails_its_probe else ""

    def remove_probe(self) -> None:
        for _ in self._deed("remove_probe"):
            assert self.current == self.former, "a release that is tried still needs it"
            self.left_by_a_probe = False

    def wrong(self, since: datetime) -> str:
        self.asked_since = since
        for _ in self._deed("wrong"):
            assert self.running and self.copy, "there must be a way back as long as it is judged"
        return "Does not stay up: x." if self.fails_later else ""

    def keep_journal(self, version: str, since: datetime) -> None:
        for _ in self._deed("keep_journal"):
            self.journals.append(version)

    def settle(self, version: str) -> None:
        for _ in self._deed("settle"):
            self.updater, self.copy = version, ""

    def state(self) -> tuple[str, str, str, bool, str]:
        return self.current, self.updater, self.metadata, self.running, self.copy
