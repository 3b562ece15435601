"""A systemctl that a test has written itself, before the machine's own."""

from __future__ import annotations

from pathlib import Path

import pytest


def put_systemctl(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have ``systemctl`` be this shell script for as long as the test runs; where it lies."""
    program = folder / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program
