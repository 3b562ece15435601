"""The knobs as one checked, typed value. What each means is written beside its default: group_data/all.py."""

from __future__ import annotations

import difflib
import ipaddress
import re
import runpy
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from pydantic import ValidationError

from appliance.settings.notify import NotifySettings

_DEFAULTS = Path(__file__).parent / "group_data" / "all.py"
_PATHS = (
    "release_bundle",
    "package_mirror_keyring",
    "http_proxy_credentials_file",
    "site_ca",
    "status_tls_certificate",
    "status_tls_key",
    "enrolment_token_file",
    "connections_file",
    "policy_file",
)

_PORTS = ("firewall_allow_tcp", "firewall_allow_from_steps_tcp")
RELEASES_KEPT_MIN = 2
RELEASE_WATCH_MINUTES_MAX = 1440
"""The one that runs and the one before it."""
RELEASE_KIB_PER_S_MIN = 64
"""Below that a release takes hours."""
_OR_NEVER = ("exports_max_days", "receipts_max_days")


_CONNECTORS = ("_", "ssh_", "docker_identifier", "docker_platform", "docker_architecture")
"""What names of pyinfra's own data begin with."""


class Data(Protocol):
    """Where values come from: pyinfra's host data, or anything with the same ``get``."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a knob, or the default."""


class WrongKnobError(ValueError):
    """A knob holds what it cannot hold. The message names the knob and what was expected."""


@dataclass(frozen=True)
class Knobs:
    """All knobs; names and meanings as in group_data/all.py. Paths are absolute."""

    release_bundle: str | None
    offline: bool
    preflight_in_spite_of: list[str]
    package_mirror: str | None
    package_mirror_security: str | None
    package_mirror_keyring: str | None
    http_proxy: str | None
    http_proxy_credentials_file: str | None
    no_proxy: str
    site_ca: str | None
    docker_address_pools: list[dict[str, Any]]
    docker_log_max_size: str
    docker_log_max_files: int
    postgres_port: int
    postgres_shared_buffers_mb: int
    services_memory_mb: int
    services_cpu_percent: int
    steps_memory_mb: int | None
    steps_cpu_percent: int | None
    steps_parallel: int
    status_host: str
    status_port: int
    status_tls_certificate: str | None
    status_tls_key: str | None
    dashboard_url: str | None
    traces_endpoint: str | None
    enrolment_token_file: str | None
    connections_file: str | None
    policy_file: str | None
    workflow_files: list[str]
    certificates: dict[str, str]
    firewall: bool
    firewall_allow_tcp: list[int]
    firewall_allow_from_steps_tcp: list[int]
    task_log_max_days: int
    task_log_max_mb: int
    exports_max_days: int | None
    receipts_max_days: int | None
    notify: dict[str, Any]
    journal_max_mb: int
    releases_kept: int
    release_repository: str | None
    release_root_sha256: str | None
    release_repository_folder: str | None
    release_kib_per_s: int | None
    release_watch_minutes: int


def defaults() -> dict[str, Any]:
    """The knobs of group_data/all.py, read from the file so that they hold wherever pyinfra is started."""
    known = {field.name for field in fields(Knobs)}
    return {name: value for name, value in runpy.run_path(str(_DEFAULTS)).items() if name in known}


def read_knobs(data: Data) -> Knobs:
    """Read and check every knob. Raises WrongKnobError before anything on the host is touched."""
    values = {name: data.get(name, default) for name, default in defaults().items()}
    for name in _PATHS:
        if values[name] is not None:
            values[name] = _file(name, values[name])
    values["workflow_files"] = [_file("workflow_files", path) for path in _words(values["workflow_files"])]
    values["certificates"] = _certificates(values["certificates"])
    values["preflight_in_spite_of"] = _words(values["preflight_in_spite_of"])
    for name in _PORTS:
        values[name] = [_port(name, word) for word in _words(values[name])]
    for name, default in defaults().items():
        if isinstance(default, str):
            values[name] = str(values[name])
        elif isinstance(default, bool):
            values[name] = _yes_or_no(name, values[name])
        elif isinstance(default, int) and not (name in _OR_NEVER and values[name] is None):
            values[name] = _whole_number(name, values[name])
    for name in ("steps_memory_mb", "steps_cpu_percent", "release_kib_per_s"):
        if values[name] is not None:
            values[name] = _whole_number(name, values[name])
    knobs = Knobs(**values)
    _check_proxy(knobs)
    _check_repository(knobs)
    _check_docker(knobs)
    _check_notify(knobs)
    _check_status(knobs)
    if (
        knobs.traces_endpoint
        and re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", knobs.traces_endpoint) is None
    ):
        raise WrongKnobError("traces_endpoint: expected a URL such as http://127.0.0.1:4318")
    if knobs.releases_kept < RELEASES_KEPT_MIN:
        raise WrongKnobError(f"releases_kept: expected {RELEASES_KEPT_MIN} or more")
    if not 0 <= knobs.release_watch_minutes <= RELEASE_WATCH_MINUTES_MAX:
        raise WrongKnobError(f"release_watch_minutes: expected 0 to {RELEASE_WATCH_MINUTES_MAX}")
    return knobs


def check_names(names: Iterable[str]) -> None:
    """Refuse what `--data` sets and nothing reads: a mistyped knob would stay at its default in silence."""
    known = sorted(defaults())
    for name in names:
        if name in known or name.startswith(_CONNECTORS):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"did you mean {near[0]}?" if near else "all of them are in provisioning/group_data/all.py"
        raise WrongKnobError(f"{name}: there is no such knob; {meant}")


def _file(name: str, value: Any) -> str:
    path = Path(str(value)).expanduser().resolve()
    if not path.is_file():
        raise WrongKnobError(f"{name}: there is no file {path}")
    return str(path)


def _words(value: Any) -> list[str]:
    """`--data` hands a list over as it was typed, with commas, and a single number as a number."""
    words = str(value).split(",") if isinstance(value, str | int) else value or []
    return [str(word).strip() for word in words if str(word).strip()]


def _port(name: str, word: str) -> int:
    if not word.isdecimal() or not 0 < int(word) < 65536:
        raise WrongKnobError(f"{name}: expected ports such as 5432,5433")
    return int(word)


def _certificates(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise WrongKnobError('certificates: expected names and files such as {"db.pem": "certs/db.pem"}')
    return {_plain_name(name): _file(f"certificates.{name}", path) for name, path in value.items()}


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise WrongKnobError(f"certificates: {name!r} is not a plain file name")
    return name


def _whole_number(name: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise WrongKnobError(f"{name}: expected a whole number") from None
    if number <= 0:
        raise WrongKnobError(f"{name}: expected a number above 0")
    return number


def _yes_or_no(name: str, value: Any) -> bool:
    """`--data` hands words over as they were typed."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in known:
        raise WrongKnobError(f"{name}: expected true or false")
    return known[str(value).lower()]


def _check_proxy(knobs: Knobs) -> None:
    if knobs.http_proxy is None:
        if knobs.http_proxy_credentials_file is not None:
            raise WrongKnobError("http_proxy_credentials_file: set http_proxy too")
        return
    parts = urlsplit(knobs.http_proxy)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise WrongKnobError("http_proxy: expected a URL such as http://proxy.internal:3128")
    if parts.username or parts.password:
        raise WrongKnobError(
            "http_proxy: put the user and password into a file and name it in http_proxy_credentials_file"
        )


def _check_repository(knobs: Knobs) -> None:
    digest = knobs.release_root_sha256
    if digest is not None and not re.fullmatch(r"[0-9a-f]{64}", str(digest)):
        raise WrongKnobError(
            "release_root_sha256: expected 64 digits, as `appliance-release list` prints them"
        )
    if knobs.release_repository is not None and urlsplit(knobs.release_repository).scheme not in {
        "http",
        "https",
    }:
        raise WrongKnobError("release_repository: expected a URL such as https://releases.example.com")
    if knobs.release_repository_folder is not None and digest is None:
        raise WrongKnobError("release_repository_folder: set release_root_sha256 too")
    if knobs.release_kib_per_s is not None and knobs.release_kib_per_s < RELEASE_KIB_PER_S_MIN:
        raise WrongKnobError(f"release_kib_per_s: expected {RELEASE_KIB_PER_S_MIN} or more")


def _check_docker(knobs: Knobs) -> None:
    pools = knobs.docker_address_pools if isinstance(knobs.docker_address_pools, list) else [None]
    for pool in pools:
        try:
            network = ipaddress.ip_network(pool["base"])
            fits = network.prefixlen <= int(pool["size"]) <= network.max_prefixlen
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise WrongKnobError(
                'docker_address_pools: expected entries such as {"base": "172.29.0.0/16", "size": 24}'
            )


def _check_notify(knobs: Knobs) -> None:
    try:
        NotifySettings.model_validate(knobs.notify)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("notify", *first["loc"]))
        raise WrongKnobError(f"{where}: {first['msg']}") from None


def _check_status(knobs: Knobs) -> None:
    pair = (knobs.status_tls_certificate, knobs.status_tls_key)
    if (pair[0] is None) != (pair[1] is None):
        raise WrongKnobError("status_tls_certificate and status_tls_key: set both or neither")
    try:
        loopback = knobs.status_host == "localhost" or ipaddress.ip_address(knobs.status_host).is_loopback
    except ValueError:
        raise WrongKnobError("status_host: expected an IP address") from None
    if not loopback and pair[0] is None:
        raise WrongKnobError(
            f"status_host: {knobs.status_host} can be reached from other machines, "
            "which needs status_tls_certificate and status_tls_key"
        )
