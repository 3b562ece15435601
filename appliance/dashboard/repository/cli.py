"""``appliance-release``: the vendor's command line for a release repository."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from appliance.dashboard.repository.keys import Keys, passphrase
from appliance.dashboard.repository.vendor import ROOT_KEYS, ROOT_THRESHOLD, ReleaseRepository
from appliance.errors import ApplianceError, WrongRequestError
from appliance.releases.repository.contents import CHANNELS

app = typer.Typer(
    help="A release repository: static files that any web server, bucket or stick can hold.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
_EXPIRY_WARNING = timedelta(days=60)
Folder = Annotated[
    Path,
    typer.Option("--repository", envvar="APPLIANCE_RELEASE_REPOSITORY", help="Where the repository lies."),
]
KeyFolders = Annotated[
    list[Path],
    typer.Option(
        "--keys", envvar="APPLIANCE_RELEASE_KEYS", help="A folder of private keys; may be given again."
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        envvar="APPLIANCE_RELEASE_PASSPHRASE_FILE", help="File with the passphrase of protected keys."
    ),
]
Channel = Annotated[str, typer.Option(help=f"One of {', '.join(CHANNELS)}.")]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _repository(folder: Path, keys: list[Path], file: Path | None) -> ReleaseRepository:
    return ReleaseRepository(folder, Keys(keys, passphrase(file)))


@app.command()
def init(
    *,
    keys: KeyFolders,
    repository: Folder = Path("release-repository"),
    roots: Annotated[int, typer.Option(min=1, max=15, help="How many root keys there are.")] = ROOT_KEYS,
    threshold: Annotated[
        int, typer.Option(min=1, max=15, help="How many of them must sign.")
    ] = ROOT_THRESHOLD,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make all keys and an empty repository."""
    made = _repository(repository, keys, passphrase_file)
    made.begin(roots, threshold)
    _say(f"{repository} is a release repository; its keys are in {keys[0]}.")
    _say("Move root-* and targets.* to where no network reaches, each root key to a place of its own.")
    _say(f"Root of trust: {made.root_digest()}")


@app.command()
def add(
    bundle: Annotated[Path, typer.Argument(help="A bundle, as `make bundle` writes it.")],
    *,
    keys: KeyFolders,
    channel: Channel = "stable",
    notes: Annotated[Path | None, typer.Option(help="File with notes for people.")] = None,
    repository: Folder = Path("release-repository"),
    passphrase_file: PassphraseFile = None,
) -> None:
    """Put a bundle into a channel."""
    text = _notes(notes)
    added = _repository(repository, keys, passphrase_file).add(bundle, channel, text)
    _say(f"{channel} has {added.version} ({', '.join(sorted(added.bundles))}).")
    _say("Next: appliance-release publish DIR")


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="The release.")],
    *,
    keys: KeyFolders,
    from_channel: Annotated[str, typer.Option("--from", help="A channel that has it.")] = "candidate",
    to_channel: Annotated[str, typer.Option("--to", help="The channel that gets it.")] = "stable",
    repository: Folder = Path("release-repository"),
    passphrase_file: PassphraseFile = None,
) -> None:
    """Have a release of one channel in another too, byte for byte."""
    _repository(repository, keys, passphrase_file).promote(version, from_channel, to_channel)
    _say(f"{to_channel} has {version}.\nNext: appliance-release publish DIR")


@app.command()
def revoke(
    version: Annotated[str, typer.Argument(help="The release.")],
    *,
    keys: KeyFolders,
    because: Annotated[str, typer.Option(help="What machines are to say of it.")],
    repository: Folder = Path("release-repository"),
    passphrase_file: PassphraseFile = None,
) -> None:
    """Take a release back out of every channel."""
    having = _repository(repository, keys, passphrase_file).revoke(version, because)
    _say(f"{version} was taken back from {', '.join(having)}.\nNext: appliance-release publish DIR")


@app.command("rotate-key")
def rotate_key(
    name: Annotated[str, typer.Argument(help="root-1, targets, snapshot, timestamp, or a channel.")],
    *,
    keys: KeyFolders,
    repository: Folder = Path("release-repository"),
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a new key in place of one. The new file is written into the first folder of --keys."""
    made = _repository(repository, keys, passphrase_file)
    keyid = made.rotate_key(name)
    _say(f"{name} is signed with the key {keyid[:8]} from here on. Root of trust: {made.root_digest()}")
    _say("Next: appliance-release publish DIR")


@app.command()
def publish(
    into: Annotated[Path, typer.Argument(help="Where machines, or a web server, read it.")],
    *,
    keys: KeyFolders,
    days: Annotated[
        float | None, typer.Option(min=0.5, max=90, help="How long a copy carried by hand is good for.")
    ] = None,
    repository: Folder = Path("release-repository"),
    passphrase_file: PassphraseFile = None,
) -> None:
    """Sign the timestamp anew and bring what is new to a folder. Run it daily: a timestamp lasts 3 days."""
    made = _repository(repository, keys, passphrase_file)
    made.publish(into, days)
    _say(f"{into} is current. Root of trust: {made.root_digest()}")
    for role in made.signed.expiring(_EXPIRY_WARNING):
        _say(f"{role} ends within {_EXPIRY_WARNING.days} days.\nNext: appliance-release rotate-key {role}")


@app.command("list")
def list_releases(repository: Folder = Path("release-repository")) -> None:
    """List the releases of every channel, and the root of trust."""
    made = ReleaseRepository(repository, Keys(()))
    _say(f"Root of trust: {made.root_digest()}")
    for name in CHANNELS:
        index = made.index(name)
        for release in index.releases:
            day = release.released_at.date().isoformat()
            _say(f"{name:<10} {release.version:<16} {day}  {', '.join(sorted(release.bundles))}")
        for version, because in index.revoked.items():
            _say(f"{name:<10} {version:<16} revoked: {because}")


def _notes(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise WrongRequestError(f"{file} cannot be read as text.", "", f"ls -l {file}") from None


def main() -> None:
    """Run a command; a known failure is shown in plain words."""
    try:
        app()
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        sys.exit(int(error.exit_code))
