"""Releases: which there are, who has which, what is wished, and rolling one out in waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.pages.rendering import View, fragment, page
from appliance.dashboard.rollouts import advancing
from appliance.dashboard.rollouts.records import Rollout
from appliance.dashboard.rollouts.waves import Plan
from appliance.dashboard.store.appliances import fleet
from appliance.dashboard.web import releases
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.releases import Known, Wave, Wish
from appliance.errors import WrongRequestError

router = APIRouter(prefix="/releases")
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


@dataclass(frozen=True)
class ReleasesLive(View):
    """Releases, wishes, and rollouts with their waves."""

    template: ClassVar[str] = "releases_live.html"
    releases: list[Known]
    wishes: list[Wish]
    rollouts: list[tuple[Rollout, list[Wave]]]
    has_repository: bool


@dataclass(frozen=True)
class ReleasesPage(ReleasesLive):
    """The same as a page; ``enrolled`` is how many appliances a rollout would be for."""

    template: ClassVar[str] = "releases.html"
    enrolled: int


def _shown(visitor: Visit) -> ReleasesLive:
    context = visitor.context
    found = [(each, releases.waves_of(each)) for each in releases.rollouts(context)]
    return ReleasesLive(
        releases=releases.known_releases(context),
        wishes=releases.wishes(context),
        rollouts=found,
        has_repository=bool(context.settings.releases),
    )


@router.get("")
def releases_page(request: Request, visitor: Visitor) -> Response:
    enrolled = len(releases.candidates(visitor.context))
    return page(visitor, request, ReleasesPage(**vars(_shown(visitor)), enrolled=enrolled))


@router.get("/live")
def releases_live(request: Request, visitor: Visitor) -> Response:
    """The part of the page that changes by itself."""
    return fragment(visitor, request, _shown(visitor))


@router.post("/rollouts")
def begin(visitor: Visitor, form: Form) -> Response:
    """Begin a rollout."""
    visitor.needs("editor")
    plan = Plan(
        version=text_of(form, "version").strip(),
        shares=tuple(_whole(each) for each in text_of(form, "shares").replace(",", " ").split()),
        stop_percent=_whole(text_of(form, "stop_percent")),
        watch_s=_whole(text_of(form, "watch_min")) * 60.0,
    )
    ids = releases.candidates(visitor.context, text_of(form, "name").strip())
    releases.begin(visitor.context, visitor.actor, plan, ids)
    return RedirectResponse("/releases?note=rollout-begun", 303)


@router.post("/rollouts/{rollout_id}/stop", dependencies=[Depends(checked_form)])
def stop(rollout_id: str, visitor: Visitor) -> Response:
    """Stop a rollout."""
    visitor.needs("editor")
    advancing.stop(visitor.context.database, visitor.actor, rollout_id)
    return RedirectResponse("/releases?note=rollout-stopped", 303)


@router.post("/rollouts/{rollout_id}/next-wave")
def next_wave(rollout_id: str, visitor: Visitor, form: Form) -> Response:
    """Begin the next wave now."""
    visitor.needs("editor")
    wave = _whole(text_of(form, "wave")) - 1
    advancing.go_on(visitor.context.database, visitor.actor, rollout_id, wave)
    return RedirectResponse("/releases?note=next-wave", 303)


@router.post("/wishes/{appliance_id}/withdraw", dependencies=[Depends(checked_form)])
def withdraw(appliance_id: str, visitor: Visitor) -> Response:
    """Withdraw the wish for one appliance."""
    visitor.needs("editor")
    fleet.set_wanted_version(visitor.context.database, visitor.actor, appliance_id, None)
    return RedirectResponse("/releases?note=wish-withdrawn", 303)


def _whole(text: str) -> int:
    text = text.strip().removesuffix("%").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise WrongRequestError(
            "A number is missing or is no whole number.", f"It says {text[:20]!r}.", "Write another one."
        )
    return int(text)
