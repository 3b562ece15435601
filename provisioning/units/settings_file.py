"""appliance.yaml as the deploy writes it."""

from __future__ import annotations

import json

from provisioning.certificates.deployer import STATUS_CERTIFICATE, STATUS_KEY
from provisioning.knobs import Knobs, defaults
from provisioning.postgres.deployer import SOCKET_FOLDER, STATUS_ROLE

SCHEMA = "/opt/appliance/current/docs/schemas/settings.json"
STATUS_FOLDER = "/var/lib/appliance-status"


def conninfo(knobs: Knobs, database: str, role: str) -> str:
    """How one of the appliance's own databases is reached."""
    return f"host={SOCKET_FOLDER} port={knobs.postgres_port} dbname={database} user={role}"


def status_environment(knobs: Knobs) -> str:
    """The environment file of the status service, whose role in the databases is its own."""
    return (
        f'APPLIANCE_DATABASE_URL="{conninfo(knobs, "appliance", STATUS_ROLE)}"\n'
        f'APPLIANCE_AIRFLOW_DATABASE_URL="{conninfo(knobs, "airflow", STATUS_ROLE)}"\n'
    )


def settings_file(knobs: Knobs) -> str:
    """The text of /etc/appliance/appliance.yaml. Strings are quoted as JSON has it: YAML reads the same.

    The steps' image is not in it: each release runs its own, and the settings outlive a change of release.
    """

    def quoted(value: str | None) -> str:
        return json.dumps(value)

    def database(name: str) -> str:
        return quoted(conninfo(knobs, name, "appliance"))

    lines = [
        f"# yaml-language-server: $schema={SCHEMA}",
        "# Written by the deploy, which will overwrite changes: set the deploy's knobs instead.",
        f"database_url: {database('appliance')}",
        f"airflow_database_url: {database('airflow')}",
        "airflow_jwt_secret_file: /var/lib/appliance/keys/airflow-jwt",
        f"dashboard_url: {quoted(knobs.dashboard_url)}",
        "steps:",
        f"  max_parallel: {knobs.steps_parallel}",
        '  cgroup_parent: "appliance-steps.slice"',
        f"exports: {{max_days: {json.dumps(knobs.exports_max_days)}}}",
        f"receipts: {{max_days: {json.dumps(knobs.receipts_max_days)}}}",
        "status:",
        f"  host: {quoted(knobs.status_host)}",
        f"  port: {knobs.status_port}",
        f"  folder: {quoted(STATUS_FOLDER)}",
    ]
    if knobs.status_tls_certificate:
        lines += [f"  tls_certificate: {quoted(STATUS_CERTIFICATE)}", f"  tls_key: {quoted(STATUS_KEY)}"]
    if knobs.notify:
        lines.append(f"notify: {json.dumps(knobs.notify)}")
    if knobs.traces_endpoint:
        lines.append(f"traces_endpoint: {quoted(knobs.traces_endpoint)}")
    # Only what is set: a release from before one of these would refuse the whole file for it.
    releases = {"repository": knobs.release_repository, "kib_per_s": knobs.release_kib_per_s}
    if knobs.releases_kept != defaults()["releases_kept"]:
        releases["kept"] = knobs.releases_kept
    if knobs.release_watch_minutes != defaults()["release_watch_minutes"]:
        releases["watch_minutes"] = knobs.release_watch_minutes
    lines += _section("releases", {key: value for key, value in releases.items() if value is not None})
    return "\n".join(lines) + "\n"


def _section(name: str, values: dict[str, str | int]) -> list[str]:
    """On one line, as YAML reads it; none without values."""
    return [f"{name}: {json.dumps(values)}"] if values else []
