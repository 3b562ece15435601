"""``appliance connections check``, asked of a scenario's documents."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from appliance.cli.workflows.connections import app
from tests.engine.clusters import Cluster
from tests.engine.scenario import Scenario

_numbers = itertools.count(1)


@dataclass
class Checked:
    """What was found, by connection and check."""

    code: int
    found: dict[str, list[dict[str, Any]]]

    def of(self, name: str, check: str) -> dict[str, Any]:
        """The first finding that is not ok, else the first of that check."""
        findings = [each for each in self.found[name] if each["check"] == check]
        return next((each for each in findings if each["state"] != "ok"), findings[0])

    def state(self, name: str, check: str) -> str:
        return str(self.of(name, check)["state"])

    def worst(self, name: str) -> dict[str, str]:
        """The checks that are not ok, with their states."""
        return {each["check"]: each["state"] for each in self.found[name] if each["state"] != "ok"}


@dataclass
class Checking:
    """The scenario's documents, given to the command."""

    scenario: Scenario

    def text(self, *options: str) -> tuple[int, str]:
        arguments = self.scenario.write()
        given = ["--connections", arguments[arguments.index("--connections") + 1], "--workflow", arguments[0]]
        if "--policy" in arguments:
            given += ["--policy", arguments[arguments.index("--policy") + 1]]
        result = CliRunner().invoke(app, ["check", *given, *options])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.scenario.assert_no_canary(result.output)
        return result.exit_code, result.stdout

    def __call__(self, *names: str) -> Checked:
        code, text = self.text("--json", *names)
        data = json.loads(text)
        assert data["ok"] == (code == 0)
        return Checked(code, {each["name"]: each["findings"] for each in data["connections"]})

    def source_role(self, options: str = "") -> str:
        """Read as a role of this test's own."""
        return self._role(self.scenario.source, "production", options)

    def target_role(self, options: str = "CREATEDB") -> str:
        """Write as a role of this test's own."""
        return self._role(self.scenario.target, "staging", options)

    def _role(self, cluster: Cluster, connection: str, options: str) -> str:
        name = f"checked_{next(_numbers)}"
        password = cluster.role(name, options)
        self.scenario.connections[connection].update(user=name, password=password)
        return name
