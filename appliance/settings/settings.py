"""``appliance.yaml``: how this appliance is set up. Every key may be left out.

An environment variable named after a key wins over the file: ``APPLIANCE_STATE_DIR``, and for a key of a
section ``APPLIANCE_STATUS_PORT``. ``APPLIANCE_CONFIG`` names the file itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, Field, JsonValue

from appliance import __version__
from appliance.documents import strict_yaml
from appliance.documents.document import Document
from appliance.documents.model import StrictModel, model_at, validate
from appliance.documents.problems import KeyPath
from appliance.settings.kept import ExportSettings, ReceiptSettings, ReleaseSettings
from appliance.settings.notify import NotifySettings
from appliance.settings.status import StatusSettings

PREFIX = "APPLIANCE_"
CONFIG_VARIABLE = "APPLIANCE_CONFIG"
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what a unit's LoadCredential= and LoadCredentialEncrypted= name."""
CONNECTIONS = "connections.yaml"
DEFAULT_PATH = Path("/etc/appliance/appliance.yaml")


class StepSettings(StrictModel):
    """Step containers, and what all workflows together may ask for."""

    image: str = Field(
        default=f"appliance-step:{__version__}",
        min_length=1,
        description="Image of the steps; else the one that this release brought.",
        examples=["appliance-step:0.1.0"],
    )
    parquet_image: str = Field(
        default=f"appliance-step-parquet:{__version__}",
        min_length=1,
        description="Image of the steps that write Parquet or upload; else what this release brought.",
        examples=["appliance-step-parquet:0.1.0"],
    )
    network: str = Field(
        default="bridge",
        min_length=1,
        description="Docker network that steps are attached to.",
        examples=["bridge"],
    )
    max_parallel: int = Field(
        default=8, ge=1, le=64, description="Caps limits.parallel of every workflow.", examples=[8]
    )
    max_memory_mb: int = Field(
        default=2_048,
        ge=128,
        le=65_536,
        description="Caps limits.memory_mb of every workflow.",
        examples=[2048],
    )
    max_cpus: float = Field(
        default=4.0, ge=0.1, le=64, description="Caps limits.cpus of every workflow.", examples=[2.0]
    )
    cgroup_parent: str | None = Field(
        default=None,
        description="cgroup or systemd slice that step containers run under.",
        examples=["appliance-steps.slice"],
    )


class Settings(StrictModel):
    """Everything that can be set on an appliance."""

    config_dir: Path = Field(
        default=Path("/etc/appliance"),
        description="Holds connections.yaml, policy.yaml and workflows/.",
        examples=["/etc/appliance"],
    )
    state_dir: Path = Field(
        default=Path("/var/lib/appliance"),
        description="Holds runs, exports, receipts, keys and workflows from the dashboard.",
        examples=["/var/lib/appliance"],
    )
    runtime_dir: Path = Field(
        default=Path("/run/appliance"),
        description="Holds the secrets of running steps; must be on tmpfs.",
        examples=["/run/appliance"],
    )
    log_dir: Path = Field(
        default=Path("/var/log/appliance"), description="Holds task logs.", examples=["/var/log/appliance"]
    )
    database_url: str = Field(
        default="postgresql:///appliance?host=/run/postgresql",
        repr=False,
        description="The appliance's own database, for run state and the outbox, as libpq reads it.",
        examples=["postgresql:///appliance?host=/run/postgresql"],
    )
    airflow_database_url: str = Field(
        default="postgresql:///airflow?host=/run/postgresql",
        repr=False,
        description="Airflow's metadata, which is only read, as libpq reads it.",
        examples=["postgresql:///airflow?host=/run/postgresql"],
    )
    airflow_execution_api_url: str = Field(
        default="http://127.0.0.1:8080/execution/",
        description="Airflow's execution API, by which runs are started.",
        examples=["http://127.0.0.1:8080/execution/"],
    )
    airflow_jwt_secret_file: Path | None = Field(
        default=None,
        description="File with the secret that signs tokens for Airflow's execution API.",
        examples=["/var/lib/appliance/keys/airflow-jwt"],
    )
    dashboard_url: str | None = Field(
        default=None,
        description="The dashboard to report to; null for none.",
        examples=["https://dashboard.example.com"],
    )
    dashboard_ca_file: Path | None = Field(
        default=None,
        description="PEM file of further authorities that may sign the dashboard's certificate.",
        examples=["/etc/appliance/certs/site-ca.pem"],
    )
    dashboard_plain_http: bool = Field(
        default=False,
        strict=True,
        description="Whether a dashboard that is not on this machine may be spoken to without TLS.",
        examples=[False],
    )
    traces_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        description="Where traces of runs go: a collector that takes OTLP over HTTP; null for none.",
        examples=["http://127.0.0.1:4318"],
    )
    steps: StepSettings = Field(
        default_factory=StepSettings,
        description="Step containers, and what workflows may ask for.",
        examples=[{"max_parallel": 8}],
    )
    status: StatusSettings = Field(
        default_factory=StatusSettings,
        description="Where the local status service listens.",
        examples=[{"port": 8642}],
    )
    exports: ExportSettings = Field(
        default_factory=ExportSettings,
        description="How long files that runs have delivered are kept.",
        examples=[{"max_days": 30}],
    )
    receipts: ReceiptSettings = Field(
        default_factory=ReceiptSettings,
        description="How long the records of runs are kept.",
        examples=[{"max_days": 3650}],
    )
    notify: NotifySettings = Field(
        default_factory=NotifySettings,
        description="Who is notified of failures.",
        examples=[{"stale_after_h": 26}],
    )
    releases: ReleaseSettings = Field(
        default_factory=ReleaseSettings,
        description="How many releases stay installed.",
        examples=[{"kept": 3}],
    )

    @property
    def connections_file(self) -> Path:
        """Databases' addresses and credentials: the credential of that name where systemd has given this
        process one, else the file.
        """
        given = Path(os.environ.get(CREDENTIALS_VARIABLE) or "/nowhere") / CONNECTIONS
        return given if given.exists() else self.config_dir / CONNECTIONS

    @property
    def policy_file(self) -> Path:
        """The customer's own limits."""
        return self.config_dir / "policy.yaml"

    @property
    def trusted_images_file(self) -> Path:
        """Which image the owner has meant by a tag."""
        return self.config_dir / "images.json"

    @property
    def registries_file(self) -> Path:
        """Credentials for registries, as ``docker login`` writes them."""
        return self.config_dir / "registries.json"

    @property
    def container_secrets_dir(self) -> Path:
        """The secrets that containers of the customer's own may be given, one file each."""
        return self.config_dir / "secrets"

    @property
    def approvals_dir(self) -> Path:
        """What the owner has approved of what workflows from the dashboard keep."""
        return self.config_dir / "approvals"

    @property
    def workflow_dirs(self) -> tuple[Path, Path]:
        """Where workflows lie: those written here, then those that the dashboard sent."""
        return (self.config_dir / "workflows", self.state_dir / "workflows")

    @property
    def runs_dir(self) -> Path:
        """One folder a run."""
        return self.state_dir / "runs"

    @property
    def receipts_dir(self) -> Path:
        """The records of runs."""
        return self.state_dir / "receipts"

    @property
    def exports_dir(self) -> Path:
        """The files that runs have delivered, ``<workflow>/<run>/`` in it."""
        return self.state_dir / "exports"

    @property
    def update_dir(self) -> Path:
        """Where the updater is asked for a release, and answers."""
        return self.state_dir / "update"

    @property
    def identity_file(self) -> Path:
        """What enrolment gave: the dashboard's address and the token to speak to it with."""
        return self.status_dir / "dashboard.json"

    @property
    def status_dir(self) -> Path:
        """What only the status service needs: its token for the dashboard, and the one for its page."""
        return self.status.folder or self.state_dir / "keys"

    @property
    def is_split(self) -> bool:
        """Whether the status service has a user of its own, and another process works for it."""
        return self.status.folder is not None

    @property
    def enrolment_token_file(self) -> Path:
        """A one-time token to enrol with, where the machine was set up with one."""
        return self.config_dir / "enrolment-token"

    @property
    def mask_key_file(self) -> Path:
        """The key of all pseudonyms."""
        return self.keys_dir / "mask.key"

    @property
    def keys_dir(self) -> Path:
        """Where the appliance keeps its keys and their epochs."""
        return self.state_dir / "keys"


def load_settings(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Without ``path``, ``APPLIANCE_CONFIG`` or the usual place is read, if it is there.

    Raises WrongDocumentError with every problem at once; a variable's problem names the variable.
    """
    environment = os.environ if environment is None else environment
    named = path or (Path(environment[CONFIG_VARIABLE]) if environment.get(CONFIG_VARIABLE) else None)
    if named is None and not DEFAULT_PATH.exists():
        document = Document({}, str(DEFAULT_PATH))
    else:
        document = strict_yaml.read(named or DEFAULT_PATH, empty_is_allowed=True)
    return validate(Settings, _with_environment(document, environment))


def variables() -> dict[str, KeyPath]:
    """Every environment variable that sets a key, and which."""
    found: dict[str, KeyPath] = {}

    def walk(model: type[BaseModel], path: KeyPath) -> None:
        for key in model.model_fields:
            inner = model_at(Settings, (*path, key))
            if inner:
                walk(inner, (*path, key))
            else:
                found[PREFIX + "_".join(str(part) for part in (*path, key)).upper()] = (*path, key)

    walk(Settings, ())
    return found


def _with_environment(document: Document, environment: Mapping[str, str]) -> Document:
    data: dict[str, JsonValue] = dict(document.data)
    sources = dict(document.sources)
    for variable, path in variables().items():
        if variable not in environment:
            continue
        sources[path] = variable
        section = data
        for part in path[:-1]:
            inner = section.get(str(part))
            own: dict[str, JsonValue] = dict(inner) if isinstance(inner, dict) else {}
            section[str(part)] = own
            section = own
        section[str(path[-1])] = strict_yaml.scalar(environment[variable])
    return Document(data, document.source_name, document.lines, document.plain, document.problems, sources)
