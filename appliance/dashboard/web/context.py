"""What every request handler works with: the store, the settings, and what is remembered between requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from starlette.requests import Request

from appliance.dashboard.http_errors import TooManyRequestsError
from appliance.dashboard.openid.provider import Provider
from appliance.dashboard.settings import Settings, configured, load_secret_key
from appliance.dashboard.store.appliances.heartbeats import Attention, Heartbeats
from appliance.dashboard.store.database import Database
from appliance.dashboard.store.presets import DashboardPresets
from appliance.dashboard.web.limits import RateLimit


@dataclass
class Limits:
    """The rates that callers are held to."""

    sign_in_by_address: RateLimit = field(default_factory=lambda: RateLimit(burst=20, per_minute=20))
    sign_in_by_name: RateLimit = field(default_factory=lambda: RateLimit(burst=10, per_minute=6))
    """For browsers that never signed in to that account, so that strangers cannot keep its owner out."""
    refusals_noted: RateLimit = field(default_factory=lambda: RateLimit(burst=1, per_minute=1))
    """How often the audit log says of one network that its sign-ins were refused for their number."""
    second_factor: RateLimit = field(default_factory=lambda: RateLimit(burst=6, per_minute=0.5))
    """Codes by person. Only who has the password gets here, so that it keeps no owner out by itself."""
    enrol: RateLimit = field(default_factory=lambda: RateLimit(burst=10, per_minute=10))
    bad_token: RateLimit = field(default_factory=lambda: RateLimit(burst=60, per_minute=60))
    events: RateLimit = field(default_factory=lambda: RateLimit(burst=100, per_minute=300))
    heartbeats: RateLimit = field(default_factory=lambda: RateLimit(burst=20, per_minute=60))
    fetches: RateLimit = field(default_factory=lambda: RateLimit(burst=20, per_minute=60))
    rotations: RateLimit = field(default_factory=lambda: RateLimit(burst=10, per_minute=1))
    changes: RateLimit = field(default_factory=lambda: RateLimit(burst=120, per_minute=240))


@dataclass
class Context:
    """What one dashboard's requests share."""

    settings: Settings
    database: Database
    secret_key: bytes
    heartbeats: Heartbeats
    attention: Attention
    limits: Limits
    provider: Provider | None = None
    """Whom people sign in through, if not here."""

    @property
    def presets(self) -> DashboardPresets:
        """Where documents find the presets that they use."""
        return DashboardPresets(self.database)

    @classmethod
    def open(cls, settings: Settings) -> Context:
        """Open the store, bring its schema up to date, and load the secret key."""
        database = Database(settings.database)
        database.migrate()
        attention = Attention()
        openid = configured(settings)
        return cls(
            settings=settings,
            database=database,
            secret_key=load_secret_key(Path(settings.secret_key_file)),
            heartbeats=Heartbeats(database, settings.heartbeat_seconds, attention),
            attention=attention,
            limits=Limits(),
            provider=Provider(openid) if openid else None,
        )


def context_of(request: Request) -> Context:
    """The dashboard that a request is for."""
    return cast("Context", request.app.state.context)


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""


def take(limit: RateLimit, caller: str) -> None:
    """Raise TooManyRequestsError where the caller has no room left."""
    if seconds := limit.wait(caller):
        raise TooManyRequestsError(seconds)
