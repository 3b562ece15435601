"""Make a release bundle: everything a host needs to become this version of the appliance, in one file.

    python3 -m provisioning.release.bundle [--python 3.13]... [--architecture aarch64] [--debs trixie]...
        [--output build/bundle]

A plain tar archive whose first member is ``manifest.json``: the version, the Pythons it has wheels for, the
step image's id, the schemas that it works on, the oldest releases that it is moved from and down to, and the
SHA-256 of every other member. Needs Docker for the step image (and for ``--debs``), and the package index
once; what it fetches is checked against the hash-locked requirements. Wheels are fetched for either
architecture on any machine; a step image is built for the machine's own, or is brought (``--step-image``).
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from appliance.documents.names import bundle_name, is_release
from appliance.preflight.machine_checks import MEMORY_MB
from appliance.releases.repository.contents import ARCHITECTURES, as_machines_call_it, this_architecture
from appliance.system.disk import UPGRADE_MB
from compose.demo.one_build import one_build
from provisioning.release.contents import bill_of_materials, notes_of, size_on_disk
from provisioning.release.schemas import MOVES, schemas_of
from provisioning.release.wheels import PYTHONS, download, merged_lock, platform_options

ROOT = Path(__file__).parents[2]
LOCKS = ("orchestration", "status", "parquet", "buckets", "rehearsal", "provisioning")
"""What runs on the host: Airflow, the status service, `appliance run`, the linter of rehearsals, and the
deploy itself for `@local`."""
CARRIED = ("dags", "systemd", "provisioning", "docs/schemas")


def main() -> int:
    """Make the bundle and print its path and its SHA-256."""
    parser = argparse.ArgumentParser(description="Make a release bundle.")
    parser.add_argument(
        "--python", action="append", choices=PYTHONS, help="a host's Python; default: all of them"
    )
    parser.add_argument(
        "--debs", action="append", default=[], help="carry Debian packages of this release too"
    )
    parser.add_argument(
        "--architecture", choices=ARCHITECTURES, default=this_architecture(), help="of the hosts"
    )
    parser.add_argument("--step-image", help="an image that is there already, instead of building one")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bundle")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    path = make(given.output, given.python or list(PYTHONS), given.debs, given.step_image, given.architecture)
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    path.with_suffix(".tar.sha256").write_text(f"{digest}  {path.name}\n", encoding="ascii")
    print(f"{path}\nsha256 {digest}, {path.stat().st_size >> 20} MB")  # noqa: T201
    return 0


def make(
    output: Path, pythons: list[str], debs: list[str], step_image: str | None, architecture: str
) -> Path:
    """Gather everything in a temporary folder, then write one archive, which appears whole or not at all."""
    _check_image(step_image, architecture, debs)
    version = project_version()
    with tempfile.TemporaryDirectory(prefix="appliance-bundle-") as away:
        folder = Path(away) / "bundle"
        (folder / "wheels").mkdir(parents=True)
        pip = _build_environment(Path(away) / "build")
        wheels: dict[str, list[Path]] = {}
        for python in pythons:
            lock = folder / f"requirements-{python}.txt"
            locks = [ROOT / "requirements" / f"{name}.txt" for name in LOCKS]
            lock.write_text(merged_lock(locks, python, architecture))
            wheels[python] = locked_wheels(pip, lock, python, architecture)
            for wheel in wheels[python]:
                shutil.copy2(wheel, folder / "wheels")
        _project_wheel(pip, folder / "wheels")
        _uv(pip, folder / "tools", Path(away) / "tools", architecture)
        for name in CARRIED:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        images = _step_images(folder / "image", version, step_image)
        for codename in debs:
            _debs(folder / "debs" / codename, codename)
        named = [inside["tag"] for inside in images.values()]
        sbom = bill_of_materials(version, sorted((folder / "wheels").glob("*.whl")), debian_packages(named))
        (folder / "sbom.cdx.json").write_text(sbom, encoding="utf-8")
        for name in ("LICENSE", "CHANGELOG.md"):
            shutil.copyfile(ROOT / name, folder / name)
        # The project's own wheel is small, and the others are not kept beside what was installed of them.
        stays = [
            path for path in _files(folder) if path.relative_to(folder).parts[0] not in ("wheels", "debs")
        ]
        manifest = {
            "version": version,
            "architecture": architecture,
            "minimum_host": {"memory_mb": MEMORY_MB, "disk_mb": UPGRADE_MB},
            "size_on_disk_mb": max(size_on_disk(each, stays) for each in wheels.values()) >> 20,
            "schemas": schemas_of(folder / "wheels").model_dump(),
            "moves": MOVES.model_dump(),
            "notes": notes_of((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version),
            "pythons": pythons,
            "debs": debs,
            **images,
            "files": {str(path.relative_to(folder)): _sha256(path) for path in _files(folder)},
        }
        path = output / bundle_name(version, architecture)
        _write(path, folder, manifest)
    return path


def _check_image(step_image: str | None, architecture: str, debs: list[str]) -> None:
    """Raise SystemExit where the step image, or packages of Debian, would be of another kind of machine."""
    if step_image is None:
        found = this_architecture()
    else:
        said = _run(["docker", "image", "inspect", "--format", "{{.Architecture}}", step_image]).strip()
        found = as_machines_call_it(said)
    if found != architecture or (debs and this_architecture() != architecture):
        raise SystemExit(
            f"The step image would be of {found}, and the bundle is for {architecture}: make it on a machine"
            " of that architecture, or name an image of it with --step-image, without --debs."
        )


def locked_wheels(pip: list[str], lock: Path, python: str, architecture: str) -> list[Path]:
    """The wheels of one lock file, fetched once and kept in build/wheels while the lock stays the same."""
    kept = ROOT / "build" / "wheels" / f"{python}-{architecture}-{_sha256(lock)[:16]}"
    if not kept.is_dir():
        partial = kept.with_name(f"{kept.name}.{os.getpid()}")
        download(pip, lock, partial, python, architecture)
        try:
            partial.rename(kept)
        except OSError:
            # Another bundle was being made at the same time, and its wheels are the same.
            if not kept.is_dir():
                raise
            shutil.rmtree(partial)
    return sorted(kept.glob("*.whl"))


def project_version() -> str:
    """The version that the package states, read without importing it."""
    namespace: dict[str, Any] = {}
    text = (ROOT / "appliance" / "__init__.py").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("__version__"))
    exec(line, namespace)  # noqa: S102 -- one assignment of a string, in this very checkout
    version = str(namespace["__version__"])
    if not is_release(version):
        raise SystemExit(f"{version} is no version that an appliance installs: it must begin with a digit.")
    return version


def _build_environment(folder: Path) -> list[str]:
    venv.create(folder, with_pip=True)
    pip = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
    ]
    _run([*pip, "install", "--require-hashes", "-r", str(ROOT / "requirements" / "build.txt")])
    return pip


def _project_wheel(pip: list[str], wheels: Path, checkout: Path = ROOT) -> None:
    _run(
        [
            *pip,
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--wheel-dir",
            str(wheels),
            str(checkout),
        ]
    )


def _uv(pip: list[str], tools: Path, away: Path, architecture: str) -> None:
    lock = Path(__file__).with_name("tools.txt")
    _run(
        [
            *pip,
            "download",
            "--require-hashes",
            "--no-deps",
            "--only-binary=:all:",
            *platform_options(architecture),
            "-d",
            str(away),
            "-r",
            str(lock),
        ]
    )
    with zipfile.ZipFile(next(away.glob("uv-*.whl"))) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith("/scripts/uv"))
        tools.mkdir()
        (tools / "uv").write_bytes(wheel.read(member))
    (tools / "uv").chmod(0o755)


def _step_images(folder: Path, version: str, existing: str | None) -> dict[str, dict[str, str]]:
    """Both step images in one archive, where what they share is once; an existing one comes alone."""
    folder.mkdir()
    tags = {"step_image": f"appliance-step:{version}", "parquet_image": f"appliance-step-parquet:{version}"}
    if existing:
        tags.pop("parquet_image")
        _run(["docker", "tag", existing, tags["step_image"]])
    else:
        _run([str(ROOT / "scripts" / "base-image.sh")])
        recipe = Path(__file__).with_name("step-image.yaml")
        build = ["docker", "compose", "--file", str(recipe), "build", "--quiet", "step", "step-parquet"]
        with one_build():
            _run(build, STEP_IMAGE_TAG=tags["step_image"], PARQUET_IMAGE_TAG=tags["parquet_image"])
    images = {
        name: {
            "tag": tag,
            "id": _run(["docker", "image", "inspect", "--format", "{{.Id}}", tag]).strip(),
        }
        for name, tag in tags.items()
    }
    # Docker reads it compressed; a third of the bytes to carry, and to check, is worth a few seconds here.
    with gzip.GzipFile(folder / "step.tar.gz", "wb", compresslevel=1, mtime=0) as packed:
        saving = subprocess.Popen(["docker", "save", *tags.values()], stdout=subprocess.PIPE)  # noqa: S603, S607
        assert saving.stdout is not None  # noqa: S101 - it was asked for
        shutil.copyfileobj(saving.stdout, packed, 1 << 20)
    if saving.wait() != 0:
        raise SystemExit(f"docker save ended with {saving.returncode}; what it said is above.")
    return images


def debian_packages(images: Iterable[str]) -> list[tuple[str, str, str]]:
    """(name, version, architecture) of what Debian has given to these images."""
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${Version} ${Architecture}\\n"]
    found: set[tuple[str, str, str]] = set()
    for image in images:
        said = _run(
            ["docker", "run", "--rm", "--network", "none", "--entrypoint", query[0], image, *query[1:]]
        )
        found.update((name, version, kind) for name, version, kind in map(str.split, said.splitlines()))
    return sorted(found)


def _debs(folder: Path, codename: str) -> None:
    """What the deploy installs, with all that a minimal system lacks for it, as a flat package archive."""
    from provisioning.distributions import SUPPORTED  # noqa: PLC0415

    found = next(known for known in SUPPORTED.values() if known.codename == codename)
    names = [*found.packages, "apt-utils"]
    script = (
        "set -e; apt-get update -q; apt-get install -qy --no-install-recommends apt-utils >/dev/null; "
        "rm -f /etc/apt/apt.conf.d/docker-clean; "
        f"apt-get install -qy --download-only --reinstall --no-install-recommends {' '.join(names)}; "
        "cd /var/cache/apt/archives; rm -rf partial lock; apt-ftparchive packages . > Packages; "
        "apt-ftparchive release . > Release; chmod -R a+rX ."
    )
    folder.mkdir(parents=True)
    _run([str(ROOT / "scripts" / "base-image.sh")], BASE=found.base_image)
    mount = f"{folder}:/var/cache/apt/archives"
    _run(["docker", "run", "--rm", "--volume", mount, found.base_image, "sh", "-c", script])


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _write(path: Path, folder: Path, manifest: dict[str, Any]) -> None:
    """Members in order, with no owner and no time: the same contents give the same bytes."""
    partial = path.with_suffix(".partial")
    with tarfile.open(partial, mode="w", format=tarfile.PAX_FORMAT) as archive:
        text = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
        member = tarfile.TarInfo("manifest.json")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
        for source in _files(folder):
            member = tarfile.TarInfo(str(source.relative_to(folder)))
            member.size = source.stat().st_size
            member.mode = 0o755 if os.access(source, os.X_OK) else 0o644
            with source.open("rb") as opened:
                archive.addfile(member, opened)
    partial.rename(path)


def _run(command: list[str], **environment: str) -> str:
    done = subprocess.run(  # noqa: S603
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {done.returncode}; what it said is above.")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
