"""A vendor's release repository, which each test may change, and a machine that trusts it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.release_rig import Machine, Vendor


@pytest.fixture(scope="module")
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a module's tests find it: with the releases that its ``STABLE`` names."""
    folder = tmp_path_factory.mktemp("vendor")
    Vendor(folder).begin(*getattr(request.module, "STABLE", ("1.2.0",)))
    return folder


@pytest.fixture
def vendor(tmp_path: Path, begun: Path) -> Vendor:
    """A copy for one test."""
    shutil.copytree(begun, tmp_path / "vendor")
    return Vendor(tmp_path / "vendor")


@pytest.fixture
def machine(tmp_path: Path, vendor: Vendor) -> Machine:
    """One that has pinned the vendor's root."""
    return Machine(tmp_path / "machine").pin(vendor)
