"""The dashboard's settings, all from ``DASHBOARD_*`` environment variables."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from appliance.dashboard.openid import configuration as openid
from appliance.dashboard.security import Role, SecondPerson
from appliance.durable import create_file
from appliance.errors import WrongRequestError

PREFIX = "DASHBOARD_"
STATE_FOLDER = Path("/var/lib/appliance-dashboard")
DEFAULT_ENROL_COMMAND = "sudo appliance enrol {url} {token}"
DEFAULT_INSTALL_COMMAND = """\
bundle={bundle} sha256={sha256}
{fetch}echo "$sha256  $bundle" | sha256sum --check --quiet &&
tar -xOf $bundle provisioning/install.sh > install.sh &&
sudo sh install.sh $bundle $sha256 --data dashboard_url={url}{trust}"""
DEFAULT_UPGRADE_COMMAND = """\
bundle={bundle}
{fetch}sha256sum --check --quiet $bundle.sha256 &&
sudo install -m 644 $bundle $bundle.sha256 /opt/appliance/bundles/ &&
sudo appliance release use {version}"""
IN_BRACES = {
    "install_command": ("url", "version", "bundle", "sha256", "fetch", "trust", "token"),
    "enrol_command": ("url", "version", "bundle", "sha256", "fetch", "trust", "token"),
    "upgrade_command": ("url", "version", "bundle", "sha256", "fetch", "trust"),
}
"""What each command may ask for; any other brace is doubled."""


@dataclass(frozen=True)
class Settings:
    """Every field can be set by the environment variable of its name in capitals behind ``DASHBOARD_``."""

    database: str = f"sqlite:///{STATE_FOLDER}/dashboard.db"
    """``sqlite:///path`` or ``postgresql://…``."""
    bind: str = "127.0.0.1:8650"
    public_url: str = "http://127.0.0.1:8650"
    """The address people and appliances use; https turns secure cookies and HSTS on."""
    secret_key_file: str = f"{STATE_FOLDER}/secret.key"
    """32 random bytes, made on first use; signs what a browser keeps before it has a session."""
    first_password_file: str = ""
    """A file with the password of ``admin``, whom the first start makes; else a one-time one is printed."""
    require_second_factor: bool = False
    """Whether people with a password set up a second factor before anything else opens for them."""
    second_person: SecondPerson = "no"
    """The least role of another person who accepts versions that keep more than before; ``no``: they count at
    once."""
    local_accounts: bool = True
    """Whether people may sign in with a password that this dashboard keeps."""
    openid_issuer: str = ""
    """The OpenID Connect provider that people sign in through, as it writes its own address; empty: none."""
    openid_client_id: str = ""
    openid_client_secret_file: str = ""
    """A file with the client's secret; empty for a client that has none."""
    openid_scopes: str = "openid email profile"
    openid_label: str = "Single sign-on"
    """What the sign-in page calls the provider."""
    openid_name_claim: str = "email"
    """The claim that becomes a person's name here; an e-mail address must be verified."""
    openid_groups_claim: str = "groups"
    openid_viewers: str = ""
    """Groups whose people have this role, apart by semicolons; ``*`` is everybody."""
    openid_editors: str = ""
    openid_admins: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    trusted_proxies: str = ""
    """Addresses whose X-Forwarded-For is believed, comma-separated."""
    bundles: str = ""
    """A folder of release bundles, each with its .sha256, from which the printed commands fetch."""
    releases: str = ""
    """A release repository as `appliance-release publish` fills it; it is served at /releases/."""
    heartbeat_seconds: int = 30
    retention_days: int = 90
    """How long events and finished runs are kept."""
    notify: str = ""
    """A YAML file that says who is notified of what goes wrong in the fleet; empty: no one is."""
    install_command: str = DEFAULT_INSTALL_COMMAND
    enrol_command: str = DEFAULT_ENROL_COMMAND
    upgrade_command: str = DEFAULT_UPGRADE_COMMAND

    @property
    def secure(self) -> bool:
        """Whether browsers reach the dashboard over TLS."""
        return self.public_url.startswith("https://")

    @property
    def least_second_person(self) -> Role:
        """Who decides on proposals; also on those that are left from when the settings asked for it."""
        return "editor" if self.second_person == "no" else self.second_person

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.bind.rsplit(":", 1)[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on."""
        return int(self.bind.rsplit(":", 1)[1])


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings; raises WrongRequestError naming every variable that is wrong."""
    known = {name: type(default) for name, default in _defaults().items()}
    values: dict[str, str | int | bool] = {}
    problems = []
    for variable, text in environment.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in known:
            problems.append(f"{variable} is not a setting; known are {', '.join(_variables())}")
        elif known[name] is bool:
            if text in {"yes", "no"}:
                values[name] = text == "yes"
            else:
                problems.append(f"{variable} must be yes or no")
        elif known[name] is int:
            if text.isascii() and text.isdigit():
                values[name] = int(text)
            else:
                problems.append(f"{variable} must be a whole number")
        else:
            values[name] = text
    settings = Settings(**values)  # type: ignore[arg-type]
    problems += _problems(settings)
    if problems:
        raise WrongRequestError(
            "The dashboard's settings are wrong.",
            "\n".join(problems),
            "Correct the environment and start again.",
        )
    return settings


def _defaults() -> dict[str, str | int | bool]:
    return asdict(Settings())


def _variables() -> list[str]:
    return [PREFIX + name.upper() for name in Settings.__dataclass_fields__]


def _problems(settings: Settings) -> list[str]:
    problems = []
    if not settings.database.startswith(("sqlite:///", "postgresql://", "postgres://")):
        problems.append("DASHBOARD_DATABASE must begin with sqlite:/// or postgresql://")
    if not re.fullmatch(r".+:\d{1,5}", settings.bind):
        problems.append("DASHBOARD_BIND must be ADDRESS:PORT, for example 127.0.0.1:8650")
    parts = urlsplit(settings.public_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        problems.append("DASHBOARD_PUBLIC_URL must be http(s)://host[:port] without a path")
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        problems.append("DASHBOARD_TLS_CERTIFICATE and DASHBOARD_TLS_KEY go together")
    if settings.bundles and not Path(settings.bundles).is_dir():
        problems.append("DASHBOARD_BUNDLES must be a folder")
    if settings.releases and not (Path(settings.releases) / "metadata").is_dir():
        problems.append("DASHBOARD_RELEASES must be a folder that `appliance-release publish` has filled")
    if settings.notify and not Path(settings.notify).is_file():
        problems.append("DASHBOARD_NOTIFY must be a file that says who is notified")
    for name, known in IN_BRACES.items():
        try:
            getattr(settings, name).format_map(dict.fromkeys(known, ""))
        except (KeyError, ValueError, IndexError, AttributeError):
            braces = ", ".join(f"{{{each}}}" for each in known)
            problems.append(f"{PREFIX}{name.upper()} may hold {braces}; any other brace must be doubled")
    problems += openid.problems(configured(settings), local_accounts=settings.local_accounts)
    if settings.second_person not in get_args(SecondPerson):
        problems.append("DASHBOARD_SECOND_PERSON must be no, editor or admin")
    if not 3 <= settings.heartbeat_seconds <= 300:
        problems.append("DASHBOARD_HEARTBEAT_SECONDS must be from 3 to 300")
    if not 1 <= settings.retention_days <= 3650:
        problems.append("DASHBOARD_RETENTION_DAYS must be from 1 to 3650")
    return problems


def configured(settings: Settings) -> openid.Configuration | None:
    """The provider that the settings name; None where they name none."""
    if not settings.openid_issuer:
        return None
    return openid.Configuration(
        issuer=settings.openid_issuer,
        client_id=settings.openid_client_id,
        client_secret_file=settings.openid_client_secret_file,
        scopes=tuple(settings.openid_scopes.split()),
        label=settings.openid_label,
        name_claim=settings.openid_name_claim,
        groups_claim=settings.openid_groups_claim,
        groups={
            "viewer": _listed(settings.openid_viewers),
            "editor": _listed(settings.openid_editors),
            "admin": _listed(settings.openid_admins),
        },
        redirect_uri=settings.public_url.rstrip("/") + openid.CALLBACK,
    )


def _listed(text: str) -> frozenset[str]:
    """Groups apart by semicolons: the names of directories have commas in them."""
    return frozenset(each.strip() for each in text.split(";")) - {""}


def load_secret_key(path: Path) -> bytes:
    """Read the key, or make one (mode 0600) on first use. Safe when two processes start at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        create_file(path, secrets.token_bytes(32), durable=True, mode=0o600)
    key = path.read_bytes()
    if len(key) < 32:
        raise WrongRequestError(
            f"The secret key file {path} is too short.",
            "It must hold at least 32 random bytes.",
            "Delete it and start again: a new one is made, and everybody signs in again.",
        )
    return key


def first_password(settings: Settings) -> str | None:
    """The first admin's password, if one was set. Raises WrongRequestError for a file without one."""
    if not settings.first_password_file:
        return None
    why = "It is empty."
    try:
        password = Path(settings.first_password_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        password, why = "", f"{type(error).__name__}."
    if not password:
        raise WrongRequestError(
            f"{settings.first_password_file} holds no password.",
            f"DASHBOARD_FIRST_PASSWORD_FILE names it, and there is no user yet who could sign in. {why}",
            "Write a password into it, or unset the variable to have one made.",
        )
    return password
