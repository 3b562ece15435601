"""What pages and API both show of releases: which there are, who has which, what is wished, and rollouts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from appliance.dashboard.repository.published import published
from appliance.dashboard.rollouts import advancing, records
from appliance.dashboard.rollouts.waves import Outcome, Plan
from appliance.dashboard.security import Actor
from appliance.dashboard.store.appliances import fleet
from appliance.dashboard.store.appliances.rows import ApplianceRow
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.run_history import runs
from appliance.dashboard.web.context import Context
from appliance.dashboard.web.overview import check_wish
from appliance.documents.names import is_release, release_order
from appliance.errors import WrongRequestError
from appliance.releases.repository.contents import CHANNELS, PublishedRelease

MOST_WAVES = 10
LONGEST_WATCH_S = 30 * 86400


@dataclass(frozen=True)
class Known:
    """One release, and how many appliances have it or are wished on it."""

    version: str
    channels: tuple[str, ...]
    released_at: float | None
    notes: str
    revoked: str | None
    has: int
    wished: int


@dataclass(frozen=True)
class Wish:
    """An appliance that is not on the release it is wished on."""

    appliance_id: str
    name: str
    version: str | None
    wanted: str
    state: str | None
    problem: str | None


@dataclass(frozen=True)
class Wave:
    """One wave of a rollout: how many of its appliances are how."""

    number: int
    appliances: int
    begun: bool
    outcomes: dict[Outcome, int]


def known_releases(context: Context) -> list[Known]:
    """Every release that the repository has or an appliance runs, the newest first."""
    with context.database.read() as session:
        rows = [row for row in fleet.appliances(session) if row.last_seen is not None]
    has = Counter(row.version for row in rows if row.version)
    wished = Counter(row.wanted_version for row in rows if row.wanted_version not in {None, row.version})
    repository = published(context.settings.releases)
    channels = {name: repository.index(name) for name in CHANNELS} if repository else {}
    found: dict[str, PublishedRelease] = {}
    revoked: dict[str, str] = {}
    for index in channels.values():
        found |= {each.version: each for each in index.releases}
        revoked |= index.revoked
    versions = sorted({*found, *revoked, *has, *wished}, key=release_order, reverse=True)
    return [
        Known(
            version=version,
            channels=tuple(name for name, index in channels.items() if index.find(version)),
            released_at=found[version].released_at.timestamp() if version in found else None,
            notes=found[version].notes if version in found else "",
            revoked=revoked.get(version),
            has=has[version],
            wished=wished[version],
        )
        for version in versions
    ]


def wishes(context: Context) -> list[Wish]:
    """Every appliance that is wished on a release that it is not on."""
    with context.database.read() as session:
        return [
            _wish(session, row, row.wanted_version)
            for row in fleet.appliances(session)
            if row.wanted_version and row.wanted_version != row.version
        ]


def _wish(session: Session, row: ApplianceRow, wanted: str) -> Wish:
    update = runs.latest_update(session, row.id)
    about = update.data if update and update.data["version"] == wanted else None
    return Wish(
        appliance_id=row.id,
        name=row.name,
        version=row.version,
        wanted=wanted,
        state=about["state"] if about else None,
        problem=about["problem"] if about else None,
    )


def rollouts(context: Context) -> list[records.Rollout]:
    """All rollouts, the newest first."""
    with context.database.read() as session:
        return records.rollouts(session)


def stop_revoked(context: Context) -> None:
    """Stop the rollouts of what the repository has taken back since: machines refuse it by themselves."""
    repository = published(context.settings.releases)
    if repository is not None and (revoked := repository.revoked()):
        advancing.stop_revoked(context.database, revoked)


def waves_of(rollout: records.Rollout) -> list[Wave]:
    """The waves of a rollout, in order."""
    numbers = sorted({member.seen.wave for member in rollout.members})
    return [
        Wave(
            number=number + 1,
            appliances=sum(member.seen.wave == number for member in rollout.members),
            begun=number <= rollout.wave,
            outcomes=dict(
                Counter(member.outcome for member in rollout.members if member.seen.wave == number)
            ),
        )
        for number in numbers
    ]


def candidates(context: Context, name: str = "") -> list[str]:
    """Ids of the enrolled appliances whose name holds ``name``."""
    with context.database.read() as session:
        rows = fleet.appliances(session, name[:80])
    return [row.id for row in rows if row.enrolled_at is not None]


def begin(context: Context, actor: Actor, plan: Plan, appliance_ids: list[str]) -> str:
    """Begin a rollout; its id. Raises WrongRequestError for what cannot be rolled out, ConflictError."""
    if not is_release(plan.version):
        raise WrongRequestError(
            "That is not a version.",
            "A release's begins with a digit, and goes on with digits, letters, dots, + and -.",
            "Write it as the release is named, like 1.4.0.",
        )
    check_wish(context, plan.version)
    rising = sorted(set(plan.shares)) == list(plan.shares)
    if not (plan.shares and rising and plan.shares[0] >= 1 and plan.shares[-1] == 100):
        raise WrongRequestError(
            "Those are not the shares of waves.",
            "They are whole percents that rise, from 1 at least, and end at 100.",
            "Write them like 5, 25, 100.",
        )
    if (
        len(plan.shares) > MOST_WAVES
        or not 0 <= plan.stop_percent <= 100
        or not 0 <= plan.watch_s <= 30 * 86400
    ):
        raise WrongRequestError(
            "That rollout cannot be begun.",
            f"It has {MOST_WAVES} waves at most, stops at 0 to 100 percent, and waits 30 days at most.",
            "Choose other numbers.",
        )
    with context.database.read() as session:
        for each in appliance_ids:
            fleet.appliance(session, each)
    return advancing.begin(context.database, actor, plan, appliance_ids, context.settings.heartbeat_seconds)
