"""Running the real deploy, and reading what it says it did."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYINFRA = [str(Path(sys.executable).with_name("pyinfra"))]
_PROPOSED = re.compile(r"^    (?P<name>\S.*?) {2,}(?P<hosts>\d+ \(.*?\)|-) {2,}\S")
_DONE = re.compile(r"^    (?P<name>\S.*?) {2,}\d+ +(?P<success>\d+|-) +(?P<error>\d+|-) +(?P<same>\d+|-)\s*$")


@dataclass(frozen=True)
class Outcome:
    """One run of the deploy: what it changed, by operation, and all that it said."""

    status: int
    output: str
    changed: tuple[str, ...]

    def __str__(self) -> str:
        return f"status {self.status}, changed {self.changed}:\n{self.output[-6000:]}"


class Deploy:
    """The deploy of one host, with its knobs."""

    def __init__(self, folder: Path, target: str, connect: dict[str, Any], knobs: dict[str, Any]) -> None:
        self._folder, self._target, self._connect, self.knobs = folder, target, connect, knobs

    def run_with(self, knobs: dict[str, Any]) -> Outcome:
        """Run it with some knobs set otherwise, this once."""
        return Deploy(self._folder, self._target, self._connect, self.knobs | knobs).run()

    def run(self, *options: str, dry: bool = False, target: str | None = None) -> Outcome:
        """Run it for real, or dry, as an operator would from the repository's root."""
        inventory = self._inventory(target, self.knobs)
        # Without --yes pyinfra looks for changes first and then asks; there is no one to ask.
        mode = ["--dry"] if dry else ["--yes"]
        done = subprocess.run(
            [*PYINFRA, *mode, *options, str(inventory), "provisioning/deploy.py"],
            cwd=ROOT,
            env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, changed(done.stdout))

    def _inventory(self, target: str | None, knobs: dict[str, Any]) -> Path:
        data = knobs | ({} if target else self._connect)
        path = self._folder / "inventory.py"
        path.write_text(f"hosts = [({target or self._target!r}, {data!r})]\n")
        path.chmod(0o600)
        return path


def changed(output: str) -> tuple[str, ...]:
    """The operations that changed something or, of a dry run, would."""
    found: list[str] = []
    for line in output.splitlines():
        if match := _DONE.match(line):
            if match["success"] != "-" and match["name"] != "Grand total":
                found.append(match["name"])
        elif (match := _PROPOSED.match(line)) and match["hosts"] != "-":
            found.append(match["name"])
    return tuple(found)


def make_bundle(folder: Path, *options: str) -> Path:
    """A release bundle of this checkout; who asks first makes it for all who share the folder."""
    if named := os.environ.get("APPLIANCE_TEST_BUNDLE"):
        return Path(named)
    folder.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        return next(folder.glob("appliance-*.tar"), None) or _made_bundle(folder, *options)


def _made_bundle(folder: Path, *options: str) -> Path:
    ca = Path("/etc/ssl/certs/ca-certificates.crt")
    environment = os.environ | ({"EXTRA_CA": str(ca)} if ca.exists() and "EXTRA_CA" not in os.environ else {})
    command = [sys.executable, "-m", "provisioning.release.bundle", *options, "--output", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(folder.glob("appliance-*.tar"))
