"""Put a release on the host, load its step image, and make it the current one."""

from __future__ import annotations

import hashlib
import json
import shlex
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra.api.command import FileUploadCommand, StringCommand
from pyinfra.api.exceptions import DeployError
from pyinfra.api.operation import operation
from pyinfra.context import host

from appliance.releases.installed import ReleaseManifest
from provisioning.facts import Succeeds
from provisioning.knobs import Knobs
from provisioning.operations import Commands, ensured
from provisioning.preflight.deployer import release_preflight
from provisioning.stages import Deployer

ROOT = "/opt/appliance"
CURRENT = f"{ROOT}/current"
UPDATER = f"{ROOT}/updater"
_UNPACK = Path(__file__).with_name("unpack.py")
_BUNDLES = Path(__file__).parents[2] / "build" / "bundle"
_LINKS = {
    "/usr/local/bin/appliance": "venv/bin/appliance",
    "/usr/local/share/man/man1/appliance.1": "share/man/man1/appliance.1",
    "/usr/share/bash-completion/completions/appliance": "share/bash-completion/completions/appliance",
    "/usr/local/share/zsh/site-functions/_appliance": "share/zsh/site-functions/_appliance",
    "/usr/share/fish/vendor_completions.d/appliance.fish": "share/fish/vendor_completions.d/appliance.fish",
}
"""What a person finds on the host, and where it lies in a release: through ``current``, for a switch."""


@operation()
def bundle_unpacked(bundle: str, sha256: str, complete: str, debs_of: str | None = None) -> Commands:
    """Upload a bundle and unpack it, unless what it becomes is there already, whole and from this bundle.

    ``debs_of``: only its Debian packages; the mark of the whole release, for which the upload is kept.
    """
    uploads = f"{ROOT}/upload"
    if host.get_fact(Succeeds, command=f'test "$(cat {shlex.quote(complete)})" = {sha256}'):
        if not debs_of and host.get_fact(Succeeds, command=f"test -e {uploads}"):
            # What a deploy that was cut off has left.
            yield StringCommand(f"rm -rf {uploads}")
        return
    here, program = f"{uploads}/bundle.tar", f"{uploads}/unpack.py"
    yield StringCommand(f"mkdir -p {uploads} && chmod 700 {uploads}")
    if not host.get_fact(Succeeds, command=f"echo '{sha256}  {here}' | sha256sum -c"):
        yield FileUploadCommand(bundle, here, remote_temp_filename=host.get_temp_filename(here))
    yield FileUploadCommand(str(_UNPACK), program, remote_temp_filename=host.get_temp_filename(program))
    only = " --debs-only" if debs_of else ""
    yield StringCommand(f"python3 {program} {here} --sha256 {sha256} --root {ROOT}{only}")
    # install.sh has unpacked the release itself, before the deploy.
    still_wanted = f'test "$(cat {shlex.quote(debs_of)} 2>/dev/null)" != {sha256} || ' if debs_of else ""
    yield StringCommand(f"{still_wanted}rm -rf {uploads}")


class OfflinePackages(Deployer):
    """The bundle's Debian packages, there before apt is asked for any."""

    def install(self) -> None:
        """Only where the host has no other source of packages."""
        if self.knobs.offline:
            bundle = bundle_path(self.knobs)
            bundle_unpacked(
                name="Unpack the bundle's Debian packages",
                bundle=str(bundle),
                sha256=digest(bundle),
                complete=f"{ROOT}/debs/.complete",
                debs_of=f"{ROOT}/releases/{read_manifest(bundle)['version']}/.complete",
            )


class Release(Deployer):
    """One folder a release; the live one is what ``current`` points to."""

    def __init__(self, knobs: Knobs) -> None:
        super().__init__(knobs)
        self.bundle = bundle_path(knobs)
        self.manifest = read_manifest(self.bundle)

    @property
    def folder(self) -> str:
        """Where this release lies on the host."""
        return f"{ROOT}/releases/{self.manifest['version']}"

    def configure(self) -> None:
        """Unpack the release and build its environment, beside the one that is running."""
        bundle_unpacked(
            name=f"Install release {self.manifest['version']}",
            bundle=str(self.bundle),
            sha256=digest(self.bundle),
            complete=f"{self.folder}/.complete",
        )
        ensured(
            name=f"Check the host for release {self.manifest['version']}",
            commands=[release_preflight(self.knobs, self.folder)],
            unless=f'test "$(readlink {CURRENT})" = {self.folder}',
        )
        self.current = ensured(
            name=f"Make {self.manifest['version']} the current release",
            # A rename replaces the link in one step; there is no moment without a current release.
            commands=[f"ln -sfn {self.folder} {CURRENT}.new && mv -T {CURRENT}.new {CURRENT}"],
            unless=f'test "$(readlink {CURRENT})" = {self.folder}',
        )
        for link, inside in _LINKS.items():
            target = f"{CURRENT}/{inside}"
            ensured(
                name=f"Link {link}",
                commands=[f"mkdir -p {Path(link).parent} && ln -sfn {target} {link}"],
                unless=f'test "$(readlink {link})" = {target}',
            )

    def activate(self) -> None:
        """Hold the release against the repository before any of its services starts, and load the image."""
        if self.knobs.release_root_sha256:
            verified = f"{ROOT}/trust/verified/{self.manifest['version']}.json"
            ensured(
                name=f"Verify that release {self.manifest['version']} is signed",
                commands=[trust_command(self.knobs, self.folder, digest(self.bundle))],
                unless=f"test -f {ROOT}/trust/root.json && grep -q {digest(self.bundle)} {verified}",
            )
        self._load_images()

    def _load_images(self) -> None:
        """Hand the step images to Docker, which is running by now."""
        images = ReleaseManifest.model_validate(self.manifest).step_images
        ensured(
            name=f"Load the step images {', '.join(image.tag for image in images)}",
            commands=[f"docker load --quiet --input {self.folder}/image/step.tar.gz"],
            unless=" && ".join(
                f'test "$(docker image inspect --format {{{{.Id}}}} {image.tag})" = {image.id}'
                for image in images
            ),
        )

    def trust(self) -> None:
        """Let this release perform the updates to come: last of all, once its services have started."""
        ensured(
            name=f"Let {self.manifest['version']} perform updates",
            commands=[
                f"touch $(readlink {UPDATER})/.used 2>/dev/null || true",
                f"ln -sfn {self.folder} {UPDATER}.new && mv -T {UPDATER}.new {UPDATER}",
                f"{self.folder}/venv/bin/python -I -m appliance.releases.prune",
            ],
            unless=f'test "$(readlink {UPDATER})" = {self.folder}',
        )


def trust_command(knobs: Knobs, folder: str, bundle: str) -> str:
    """Pin the root of trust, and find what has signed for the bundle."""
    url = knobs.release_repository or f"{(knobs.dashboard_url or '').rstrip('/')}/releases"
    folder_of = knobs.release_repository_folder
    words = [f"{folder}/venv/bin/appliance", "release", "trust", knobs.release_root_sha256 or ""]
    words += ["--bundle", bundle, *(["--from", folder_of] if folder_of else ["--repository", url])]
    # The proxy's password stands in a file that systemd reads, and in no command line.
    outside = (
        "systemd-run --wait --pipe --quiet --collect --property=EnvironmentFile=-/etc/appliance/proxy.env"
    )
    return f"{outside} {' '.join(shlex.quote(word) for word in words)}"


def bundle_path(knobs: Knobs) -> Path:
    """The bundle that was asked for, or else the newest that was made here."""
    if knobs.release_bundle:
        return Path(knobs.release_bundle)
    made = sorted(_BUNDLES.glob("appliance-*.tar"), key=lambda path: path.stat().st_mtime)
    if not made:
        raise DeployError("There is no release to install. Next: run `make bundle`, or set release_bundle.")
    return made[-1]


@cache
def read_manifest(bundle: Path) -> dict[str, Any]:
    """The manifest, which is a bundle's first member."""
    with tarfile.open(bundle, mode="r:") as archive:
        first = archive.next()
        opened = archive.extractfile(first) if first and first.name == "manifest.json" else None
        if opened is None:
            raise DeployError(f"{bundle} is not a release bundle. Next: make one with `make bundle`.")
        manifest: dict[str, Any] = json.loads(opened.read())
        return manifest


@cache
def digest(bundle: Path) -> str:
    """SHA-256 of the whole bundle."""
    with bundle.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
