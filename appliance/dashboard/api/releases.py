"""Management calls about releases, and rollouts of one to a group in waves."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from appliance.contract.calls import Problem
from appliance.dashboard.api.answers import Answer
from appliance.dashboard.api.appliances import Deck, Editor, Given
from appliance.dashboard.rollouts import advancing, records
from appliance.dashboard.rollouts.waves import Outcome, Plan
from appliance.dashboard.web import releases
from appliance.dashboard.web.access import api_role

router = APIRouter(
    prefix="/v1",
    tags=["management"],
    dependencies=[Depends(api_role("viewer"))],
    responses={code: {"model": Problem} for code in (401, 403, 404, 409, 413, 422, 429, 503)},
)


class ReleaseShown(Answer):
    """A release, where it is published, and how many appliances have it or are wished on it."""

    version: str
    channels: tuple[str, ...]
    released_at: float | None
    notes: str
    revoked: str | None
    has: int
    wished: int


class MemberShown(Answer):
    """One appliance of a rollout; its wave counts from 1."""

    appliance_id: str
    name: str
    wave: int
    outcome: Outcome
    since: float | None


class RolloutShown(Answer):
    """A rollout as it stands; ``wave`` is the one that has begun last, from 1."""

    id: str
    version: str
    shares: tuple[int, ...]
    stop_percent: int
    watch_s: float
    state: Literal["running", "stopped", "done"]
    why: str
    wave: int
    created_at: float
    created_by: str
    members: tuple[MemberShown, ...]


class NewRollout(Given):
    """A release for a group: for all that are enrolled where none are named."""

    version: str = Field(max_length=60, examples=["1.4.0"])
    appliance_ids: Annotated[list[str], Field(max_length=5000)] | None = None
    shares: Annotated[tuple[int, ...], Field(min_length=1, max_length=releases.MOST_WAVES)] = (5, 25, 100)
    stop_percent: int = Field(default=20, ge=0, le=100)
    watch_s: float = Field(default=3600, ge=0, le=30 * 86400)


@router.get("/releases")
def list_releases(context: Deck) -> list[ReleaseShown]:
    """Every release that is published here or runs somewhere, the newest first."""
    return [
        ReleaseShown.model_validate(each, from_attributes=True) for each in releases.known_releases(context)
    ]


@router.get("/rollouts")
def list_rollouts(context: Deck) -> list[RolloutShown]:
    """Every rollout, the newest first."""
    return [_shown(each) for each in releases.rollouts(context)]


@router.post("/rollouts", status_code=201)
def begin_rollout(actor: Editor, context: Deck, given: NewRollout) -> RolloutShown:
    """Roll a release out in waves. It stops by itself where too many go back or fall silent."""
    ids = releases.candidates(context) if given.appliance_ids is None else given.appliance_ids
    plan = Plan(given.version, given.shares, given.stop_percent, given.watch_s)
    return _one(context, releases.begin(context, actor, plan, list(dict.fromkeys(ids))))


@router.get("/rollouts/{rollout_id}")
def show_rollout(context: Deck, rollout_id: str) -> RolloutShown:
    """One rollout, with what became of each appliance."""
    return _one(context, rollout_id)


@router.post("/rollouts/{rollout_id}/stop")
def stop_rollout(actor: Editor, context: Deck, rollout_id: str) -> RolloutShown:
    """Stop it: the wish is withdrawn from every appliance that has not moved."""
    advancing.stop(context.database, actor, rollout_id)
    return _one(context, rollout_id)


@router.post("/rollouts/{rollout_id}/next-wave")
def next_wave(actor: Editor, context: Deck, rollout_id: str) -> RolloutShown:
    """Begin the next wave without waiting longer for this one."""
    advancing.go_on(context.database, actor, rollout_id)
    return _one(context, rollout_id)


def _one(context: Deck, rollout_id: str) -> RolloutShown:
    with context.database.read() as session:
        return _shown(records.rollout(session, rollout_id))


def _shown(rollout: records.Rollout) -> RolloutShown:
    return RolloutShown.model_validate(
        {
            "id": rollout.id,
            "version": rollout.plan.version,
            "shares": rollout.plan.shares,
            "stop_percent": rollout.plan.stop_percent,
            "watch_s": rollout.plan.watch_s,
            "state": rollout.state,
            "why": rollout.why,
            "wave": rollout.wave + 1,
            "created_at": rollout.created_at,
            "created_by": rollout.created_by,
            "members": [
                MemberShown(
                    appliance_id=each.appliance_id,
                    name=each.name,
                    wave=each.seen.wave + 1,
                    outcome=each.outcome,
                    since=each.since,
                )
                for each in rollout.members
            ],
        }
    )
