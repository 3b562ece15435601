"""A release bundle is checked byte by byte before anything of it runs."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from appliance.releases.repository.contents import ARCHITECTURES, this_architecture
from provisioning.release import unpack
from provisioning.release.bundle import _check_image, _project_wheel, _write
from provisioning.release.contents import bill_of_materials, notes_of, size_on_disk
from provisioning.release.wheels import PYTHONS, LocksDisagreeError, merged_lock

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "requirements" / f"{name}.txt" for name in ("orchestration", "status", "provisioning")]


def bundle(
    path: Path,
    files: dict[str, bytes],
    listed: dict[str, bytes] | None = None,
    member: tuple[str, bytes] | None = None,
    **more: Any,
) -> str:
    """Write a bundle whose manifest lists ``listed``; its SHA-256."""
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in (listed or files).items()}
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    manifest = {"version": "9.9.9", "pythons": [python], "files": digests} | more
    with tarfile.open(path, "w") as archive:
        for name, text in {"manifest.json": json.dumps(manifest).encode(), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
        if member is not None:
            entry = tarfile.TarInfo(member[0])
            entry.type, entry.linkname = member[1], "/etc/passwd"
            archive.addfile(entry)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(path: Path, sha256: str, root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(unpack.__file__)
    command = [sys.executable, "-I", str(program), str(path), "--sha256", sha256, "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("files", "listed", "message"),
    [
        ({"tools/uv": b"other"}, {"tools/uv": b"own"}, "not what its manifest says"),
        ({"tools/uv": b"own", "extra": b""}, {"tools/uv": b"own"}, "does not list"),
        ({"tools/uv": b"own"}, {"tools/uv": b"own", "image/step.tar.gz": b""}, "lacks a file"),
        ({"../outside": b"own"}, {"../outside": b"own"}, "not a plain file"),
        ({"/tmp/outside": b"own"}, {"/tmp/outside": b"own"}, "not a plain file"),
    ],
)
def test_a_bundle_that_is_not_what_its_manifest_says_is_refused(
    tmp_path: Path, files: dict[str, bytes], listed: dict[str, bytes], message: str
) -> None:
    sha256 = bundle(tmp_path / "b.tar", files, listed)
    done = install(tmp_path / "b.tar", sha256, tmp_path / "root")
    assert done.returncode == 1
    assert message in done.stderr
    assert not list((tmp_path / "root").rglob(".complete"))
    assert not (tmp_path / "outside").exists()


def test_a_bundle_with_another_sha256_is_not_even_opened(tmp_path: Path) -> None:
    bundle(tmp_path / "b.tar", {"tools/uv": b"own"})
    done = install(tmp_path / "b.tar", "0" * 64, tmp_path / "root")
    assert (done.returncode, "fetch the bundle again" in done.stderr) == (1, True)


def test_a_bundle_for_other_pythons_is_refused_with_what_it_has(tmp_path: Path) -> None:
    sha256 = bundle(tmp_path / "b.tar", {"tools/uv": b"own"}, pythons=["2.7"])
    assert "only for 2.7" in install(tmp_path / "b.tar", sha256, tmp_path / "root").stderr


@pytest.mark.parametrize("kept", [300, 600, 11_000], ids=["header", "manifest", "file"])
def test_a_bundle_whose_sha256_was_taken_of_its_damage_is_refused_in_words(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "b.tar"
    bundle(path, {"tools/uv": b"own" * 10_000})
    path.write_bytes(path.read_bytes()[:kept])
    done = install(path, hashlib.sha256(path.read_bytes()).hexdigest(), tmp_path / "root")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("The release was not installed: it ")
    assert "\nNext: fetch the bundle again" in done.stderr
    assert not list((tmp_path / "root").rglob("9.9.9")), "half of a release only takes room"


def test_a_disk_that_fills_up_is_named_and_given_its_room_back(tmp_path: Path) -> None:
    sha256 = bundle(tmp_path / "b.tar", {"tools/uv": b"own" * 100_000})
    program = (
        f"import resource, runpy, signal, sys; sys.argv = ['unpack.py', {str(tmp_path / 'b.tar')!r},"
        f" '--sha256', {sha256!r}, '--root', {str(tmp_path / 'root')!r}];"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000));"
        f"runpy.run_path({unpack.__file__!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "The release was not installed: File too large.\n"
        f"Next: df -h {tmp_path / 'root'}; make room, then run the same command again.\n"
    )
    assert not list((tmp_path / "root").rglob("9.9.9"))


def test_the_size_on_disk_is_of_unpacked_packages_their_bytecode_and_what_stays(tmp_path: Path) -> None:
    wheel, image = tmp_path / "a-1-py3-none-any.whl", tmp_path / "step.tar.gz"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/__init__.py", "x" * 1000)
        archive.writestr("a/data.bin", "y" * 500)
    image.write_bytes(b"z" * 70)
    assert size_on_disk([wheel], [image]) == 2 * 1000 + 500 + 70


@pytest.mark.parametrize("version", ["../9", "", "x", "9/../../etc"])
def test_a_version_cannot_be_a_path(tmp_path: Path, version: str) -> None:
    sha256 = bundle(tmp_path / "b.tar", {"tools/uv": b"own"}, version=version)
    assert "names no version" in install(tmp_path / "b.tar", sha256, tmp_path / "root").stderr


@pytest.mark.parametrize("link", ["current", "updater"])
def test_a_release_in_use_is_not_replaced_by_another_of_its_version(tmp_path: Path, link: str) -> None:
    folder = tmp_path / "releases" / "9.9.9"
    folder.mkdir(parents=True)
    (folder / ".complete").write_text("0" * 64)
    (tmp_path / link).symlink_to(folder)
    sha256 = bundle(tmp_path / "b.tar", {"tools/uv": b"own"})
    done = install(tmp_path / "b.tar", sha256, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "release 9.9.9 is in use, and from another bundle" in done.stderr
    assert "Next: give this one another version" in done.stderr
    assert (folder / ".complete").exists()
    # The bundle that it is from is no other.
    (folder / ".complete").write_text(sha256)
    assert "already there" in install(tmp_path / "b.tar", sha256, tmp_path).stdout


def test_a_bundle_for_another_processor_is_refused_with_what_to_fetch(tmp_path: Path) -> None:
    other = next(each for each in ARCHITECTURES if each != this_architecture())
    sha256 = bundle(tmp_path / "b.tar", {"tools/uv": b""}, architecture=other)
    done = install(tmp_path / "b.tar", sha256, tmp_path / "root")
    assert done.returncode == 1
    assert f"is for machines of {other}" in done.stderr
    assert f"appliance-9.9.9-{this_architecture()}.tar" in done.stderr
    assert not list((tmp_path / "root").rglob("9.9.9"))


def test_a_step_image_of_another_processor_goes_into_no_bundle() -> None:
    other = next(each for each in ARCHITECTURES if each != this_architecture())
    with pytest.raises(SystemExit, match=f"the bundle is for {other}"):
        _check_image(None, other, [])
    _check_image(None, this_architecture(), [])


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_files_agree_and_every_pin_has_hashes(python: str, machine: str) -> None:
    lines = merged_lock(LOCKS, python, machine).splitlines()
    assert len(lines) > 100
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
    names = [line.split("==")[0].lower() for line in lines]
    assert len(names) == len(set(names))


def test_markers_decide_what_a_python_gets(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "new==1 ; python_full_version >= '3.13' \\\n    --hash=sha256:aa\n"
        "win==1 ; sys_platform == 'win32' \\\n    --hash=sha256:bb\n"
        "all==2 \\\n    --hash=sha256:cc \\\n    --hash=sha256:dd\n"
    )
    assert merged_lock([lock], "3.11") == "all==2 --hash=sha256:cc --hash=sha256:dd\n"
    assert "new==1 --hash=sha256:aa\n" in merged_lock([lock], "3.13")


def test_two_locks_that_pin_one_package_differently_are_an_error(tmp_path: Path) -> None:
    for name, version in (("a", 1), ("b", 2)):
        (tmp_path / name).write_text(f"same=={version} --hash=sha256:aa\n")
    with pytest.raises(LocksDisagreeError, match="same==1 and same==2"):
        merged_lock([tmp_path / "a", tmp_path / "b"], "3.13")


def packed(name: str, size: int) -> bytes:
    """A package or an image that is small, and becomes large."""
    out = io.BytesIO()
    if name.endswith(".whl"):
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("zeros", bytes(size))
    else:
        with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as archive:
            archive.write(bytes(size))
    return out.getvalue()


@pytest.mark.parametrize("name", ["wheels/a-1-py3-none-any.whl", "image/step.tar.gz"])
def test_what_would_swell_and_fill_the_disk_is_refused(tmp_path: Path, name: str) -> None:
    sha256 = bundle(tmp_path / "b.tar", {name: packed(name, 50 << 20)})
    done = install(tmp_path / "b.tar", sha256, tmp_path / "root")
    assert done.returncode == 1
    assert "far more room than it says" in done.stderr
    assert not list((tmp_path / "root").rglob("9.9.9"))


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE],
)
def test_links_and_devices_are_refused_even_where_the_manifest_lists_them(
    tmp_path: Path, kind: bytes
) -> None:
    listed = {"tools/uv": b""}
    sha256 = bundle(tmp_path / "b.tar", {}, listed, member=("tools/uv", kind))
    done = install(tmp_path / "b.tar", sha256, tmp_path / "root")
    assert done.returncode == 1
    assert "not a plain file" in done.stderr
    assert not list((tmp_path / "root").rglob("uv"))


def test_a_file_of_holes_is_refused(tmp_path: Path) -> None:
    """GNU tar writes a terabyte of nothing in a few bytes."""
    holes = tmp_path / "uv"
    with holes.open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "manifest.json").write_text(
        json.dumps(
            {
                "version": "9.9.9",
                "pythons": [f"{sys.version_info.major}.{sys.version_info.minor}"],
                "files": {"uv": "0" * 64},
            }
        )
    )
    tar = ["tar", "--sparse", "-cf", str(tmp_path / "b.tar"), "-C", str(tmp_path), "manifest.json", "uv"]
    subprocess.run(tar, check=True)
    sha256 = hashlib.sha256((tmp_path / "b.tar").read_bytes()).hexdigest()
    assert "not a plain file" in install(tmp_path / "b.tar", sha256, tmp_path / "root").stderr


def test_a_hundred_thousand_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "_FILES_MAX", 100)
    sha256 = bundle(tmp_path / "b.tar", {f"docs/{number}": b"" for number in range(200)})
    with pytest.raises(unpack.UnfitError, match="more than 100 files"):
        unpack._unpack(tmp_path / "b.tar", sha256, tmp_path, debs_only=False)
    assert not list((tmp_path / "releases").rglob("9.9.9"))


def test_the_same_contents_give_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for time in (1_000_000_000, 1_700_000_000):
        folder = tmp_path / str(time)
        (folder / "tools").mkdir(parents=True)
        for name in ("tools/uv", "LICENSE"):
            (folder / name).write_text(name)
            os.utime(folder / name, (time, time))
        (folder / "tools" / "uv").chmod(0o755 if time == 1_000_000_000 else 0o700)
        _write(folder.with_suffix(".tar"), folder, {"version": "9.9.9", "files": {}})
        digests.add(hashlib.sha256(folder.with_suffix(".tar").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_appliance_s_own_wheel_is_the_same_from_two_checkouts(tmp_path: Path) -> None:
    wheels = []
    for number in (1, 2):
        checkout = tmp_path / f"checkout-{number}"
        shutil.copytree(
            ROOT / "appliance", checkout / "appliance", ignore=shutil.ignore_patterns("__pycache__")
        )
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copyfile(ROOT / name, checkout / name)
        for path in checkout.rglob("*"):
            os.utime(path, (1_600_000_000 * number / 2, 1_600_000_000 * number / 2))
        out = tmp_path / f"wheel-{number}"
        _project_wheel([sys.executable, "-m", "pip", "--quiet"], out, checkout)
        wheels.append(next(out.glob("*.whl")).read_bytes())
    assert wheels[0] == wheels[1]


def test_the_bill_of_materials_names_every_package_and_is_the_same_each_time(tmp_path: Path) -> None:
    wheel = tmp_path / "some_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        head = "Metadata-Version: 2.4\nName: Some.Thing\nVersion: 1.0\nLicense-Expression: MIT\n"
        archive.writestr("some_thing-1.0.dist-info/METADATA", head)
    debian = [("libpq5", "17.2-1+b1", "amd64")]
    text = bill_of_materials("9.9.9", [wheel], debian)
    assert text == bill_of_materials("9.9.9", [wheel], list(debian))
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert [each["purl"] for each in bill["components"]] == [
        "pkg:deb/debian/libpq5@17.2-1%2Bb1?arch=amd64",
        "pkg:pypi/some-thing@1.0",
    ]
    python = bill["components"][1]
    assert python["licenses"] == [{"expression": "MIT"}]
    assert python["hashes"][0]["content"] == hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_notes_are_those_of_the_version() -> None:
    changelog = "# Changelog\n\n## Unreleased\n\n- New.\n\n## 1.2.0 - 2026-01-01\n\n- Old.\n"
    assert notes_of(changelog, "1.2.0") == "- Old."
    assert notes_of(changelog, "1.3.0") == "- New."
