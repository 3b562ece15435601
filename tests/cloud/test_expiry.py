"""Exports and receipts go when they are too old; every deletion is recorded on the machine, and reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.exports.manifest import Manifest
from appliance.exports.stored import Deletion
from tests.cloud.appliance_rig import ApplianceRig

DAY_S = 86_400


def export(rig: ApplianceRig, run: str, days: float) -> Path:
    folder = rig.settings.exports_dir / "staging-twin" / run
    folder.mkdir(parents=True)
    (folder / "public.a.csv.gz").write_bytes(b"12345")
    manifest = Manifest(
        workflow="staging-twin",
        run=run,
        created_at=datetime.now(UTC) - timedelta(days=days),
        appliance_version="1",
        formats=(),
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


def receipt(rig: ApplianceRig, name: str, days: float) -> Path:
    path = rig.settings.receipts_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"run": name}))
    written = datetime.now(UTC).timestamp() - days * DAY_S
    os.utime(path, (written, written))
    return path


def expire(rig: ApplianceRig, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance.cleanup.exports_and_receipts"],
        env={**rig.process_environment, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def deletions_reported(rig: ApplianceRig) -> list[str]:
    rows = rig.db.execute(
        "SELECT payload FROM appliance.event WHERE kind = 'noticed' ORDER BY seq"
    ).fetchall()
    return [row["payload"]["kind"] for row in rows]


def deletions(exports: Path) -> list[Deletion]:
    """What is written down of exports that were deleted."""
    lines = (exports / "deletions.jsonl").read_text().splitlines()
    return [Deletion.model_validate_json(line) for line in lines]


def test_what_is_too_old_is_deleted_recorded_and_told_and_the_rest_stays(rig: ApplianceRig) -> None:
    assert rig.settings.exports.max_days == 30 and rig.settings.receipts.max_days == 3650
    old, young = export(rig, "run-1", 30.1), export(rig, "run-2", 29.9)
    gone, kept = receipt(rig, "2015/run-0.json", 3651), receipt(rig, "run-1.json", 3649)
    elsewhere = rig.folder / "elsewhere"
    elsewhere.write_text("no receipt")
    link = rig.settings.receipts_dir / "link.json"
    link.symlink_to(elsewhere)
    os.utime(link, (0, 0), follow_symlinks=False)
    done = expire(rig)
    assert done.returncode == 0, done.stderr
    assert (old.exists(), young.exists(), gone.exists(), kept.exists()) == (False, True, False, True)
    assert elsewhere.exists() and link.is_symlink()
    (recorded,) = deletions(rig.settings.exports_dir)
    assert (recorded.run, recorded.by) == ("run-1", "retention") and "30 days" in recorded.why
    (line,) = (rig.settings.receipts_dir / "deletions.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["receipt"] == "2015/run-0.json" and len(record["sha256"]) == 64
    assert deletions_reported(rig) == ["export_deleted", "receipt_deleted"]
    assert expire(rig).stdout == ""
    assert len(deletions(rig.settings.exports_dir)) == 1


def test_the_settings_say_how_old_is_too_old(rig: ApplianceRig) -> None:
    young, kept = export(rig, "run-1", 2), receipt(rig, "run-1.json", 5000)
    done = expire(rig, APPLIANCE_EXPORTS_MAX_DAYS="1", APPLIANCE_RECEIPTS_MAX_DAYS="null")
    assert done.returncode == 0, done.stderr
    assert (young.exists(), kept.exists()) == (False, True)


def test_without_its_database_it_deletes_and_records_all_the_same(rig: ApplianceRig) -> None:
    old = export(rig, "run-1", 40)
    done = expire(rig, APPLIANCE_DATABASE_URL="host=127.0.0.1 port=9 dbname=none")
    assert done.returncode == 0, done.stderr
    assert not old.exists() and len(deletions(rig.settings.exports_dir)) == 1


def test_what_cannot_be_recorded_is_not_deleted(rig: ApplianceRig) -> None:
    old, gone = export(rig, "run-1", 40), receipt(rig, "run-1.json", 4000)
    for folder in (rig.settings.exports_dir, rig.settings.receipts_dir):
        (folder / "deletions.jsonl").mkdir()
    done = expire(rig)
    assert done.returncode == 1
    assert old.exists() and gone.exists() and deletions_reported(rig) == []
    assert "could not be deleted" in done.stderr


def test_the_end_of_the_chain_and_the_key_stay_whatever_their_age(rig: ApplianceRig) -> None:
    names = ("00000001-a.json", "00000002-b.json", "head.json", "receipts.pub")
    first, *others = [receipt(rig, name, 5000) for name in names]
    assert expire(rig).returncode == 0
    assert not first.exists() and all(path.exists() for path in others)
