"""What a rollout does next, decided from what its appliances have reported. Nothing here reads or writes.

A release goes to a share of the group, then to a larger one, then to all. Before each further wave every
appliance of the wave has come to an end with it, and the last of them has run it for a while. Where more than
a share of those that were asked went back to their former release, or fell silent after they were asked, the
rollout stops, and the wish is withdrawn from all that have not moved.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["asleep", "waiting", "moved", "refused", "left", "failed", "silent"]
"""Of one appliance. ``asleep``: its wave has not begun. ``left``: another wish was made of it, or it is
revoked. ``refused``: policy says no. ``failed``: it went back. ``silent``: it is away since it was asked."""
SETTLED: frozenset[Outcome] = frozenset({"moved", "refused", "left"})
TROUBLE: frozenset[Outcome] = frozenset({"failed", "silent"})


@dataclass(frozen=True)
class Plan:
    """How a rollout goes: the shares of its waves in percent, and when it stops."""

    version: str
    shares: tuple[int, ...] = (5, 25, 100)
    stop_percent: int = 20
    """It stops where more than this part of those that were asked is in trouble."""
    watch_s: float = 3600
    """How long the last of a wave runs the release before the next wave begins."""


@dataclass(frozen=True)
class Seen:
    """What is known of one appliance of a rollout. Times are epoch seconds."""

    wave: int
    asked_at: float | None
    last_seen: float | None
    version: str | None
    wish: str | None
    update: str | None
    """The newest state of this release that it has reported since it was asked."""
    revoked: bool = False


@dataclass(frozen=True)
class Move:
    """What to do now: nothing, begin the next wave, stop, or call it done."""

    kind: Literal["none", "next", "stop", "done"]
    why: str = ""


def share_out(ids: Sequence[str], shares: Sequence[int], seed: str) -> dict[str, int]:
    """The wave of each appliance, from 0. ``seed`` decides which come first: not always the same ones.

    Every wave has one at least, as long as there are any left.
    """
    drawn = sorted(ids, key=lambda each: hashlib.sha256(f"{seed}/{each}".encode()).digest())
    waves: dict[str, int] = {}
    begun = 0
    for wave, share in enumerate(shares):
        end = max(math.ceil(len(drawn) * share / 100), begun + 1)
        for each in drawn[begun:end]:
            waves[each] = wave
        begun = min(end, len(drawn))
    return waves


def outcome(seen: Seen, version: str, now: float, silent_after_s: float) -> Outcome:
    """How far one appliance is."""
    if seen.asked_at is None:
        return "left" if seen.revoked else "asleep"
    if seen.revoked or seen.wish != version:
        return "left"
    # It takes a wish with a heartbeat, so one that was away before it was asked is waiting, not silent.
    heard = seen.last_seen is not None and seen.last_seen >= seen.asked_at
    if heard and seen.last_seen is not None and now - seen.last_seen > silent_after_s:
        return "silent"
    if seen.update == "failed":
        return "failed"
    if heard and seen.version == version:
        return "moved"
    return "refused" if seen.update == "refused" else "waiting"


def next_move(
    plan: Plan, wave: int, outcomes: Sequence[tuple[int, Outcome, float | None]], now: float
) -> Move:
    """What follows for a rollout in ``wave``, from (wave, outcome, since when) of each of its appliances."""
    asked = [each for each in outcomes if each[0] <= wave]
    trouble = sum(each in TROUBLE for _, each, _ in asked)
    if trouble * 100 > plan.stop_percent * len(asked):
        went_back = sum(each == "failed" for _, each, _ in asked)
        return Move(
            "stop", f"Of {len(asked)} asked, {went_back} went back and {trouble - went_back} fell silent."
        )
    if any(each not in SETTLED and each not in TROUBLE for _, each, _ in asked):
        return Move("none")
    here = [each for number, each, _ in asked if number == wave]
    if here and all(each == "refused" for each in here):
        return Move("stop", "The owners' policies refuse it on every appliance of the wave.")
    last = max((since for _, each, since in asked if each in SETTLED and since is not None), default=0.0)
    if now - last < plan.watch_s:
        return Move("none")
    return Move("next" if any(number > wave for number, _, _ in outcomes) else "done")
