"""``python -m appliance.releases.update``: perform what the status service asks for, where policy lets it.

With ``--use VERSION`` what the operator asks for, at once: ``appliance release use`` runs it.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.documents.names import is_release
from appliance.errors import ApplianceError, ExitCode, RefusedError, WorkFailedError, WrongRequestError
from appliance.policy.policy import Policy, check_update, enforce, read_policy
from appliance.policy.refusal import Refusal
from appliance.releases.bundles import is_fetched, side
from appliance.releases.failures import forget_failures, given_up, note_failure
from appliance.releases.held import held_back, read_held
from appliance.releases.host import METADATA_COPY, ThisMachine
from appliance.releases.installed import CURRENT, ROOT, UPDATER, is_installed, linked, point
from appliance.releases.lock import UNDER_WAY, WATCHING, BusyError, update_alone
from appliance.releases.machine import Update, carry_on, resumed
from appliance.releases.prune import prune
from appliance.releases.repository.seen import read_seen
from appliance.releases.repository.trust import Trust
from appliance.releases.under_way import is_overtaken, keep_update, read_update
from appliance.releases.wanted import FOLDER, Wanted, forget_wanted, read_wanted, write_outcome
from appliance.releases.watch import begin_watch
from appliance.releases.way_down import kept_aside
from appliance.releases.way_down.moves import Side, check_accepted, check_move, metadata_schema_to_reach
from appliance.releases.window import AGE_RULE, too_early, update_may_start
from appliance.settings.settings import Settings, load_settings
from appliance.system.postgres_programs import ask
from appliance.system.units import UPDATE, start_again

CLEARED_UP_S = 120.0
"""An operator waits so long for another process that is at it; a timer comes again."""
_RUNS_UNDER_WAY = "SELECT count(*) FROM appliance.run WHERE state = 'running'"


@dataclass(frozen=True)
class Asked:
    """What the command line says."""

    use: str | None
    """The release that an operator asks for; None for what the status service does."""
    interrupt: bool
    back: bool
    accept_loss: bool


def main(arguments: list[str]) -> int:
    """Perform one update, or say why none is performed now."""
    parser = argparse.ArgumentParser(prog="appliance-update", description=__doc__)
    parser.add_argument("--use", metavar="VERSION", help="move to this release at once")
    parser.add_argument("--interrupt", action="store_true", help="also while runs are under way")
    parser.add_argument("--back", action="store_true", help="it is a way back: no freeze holds it")
    parser.add_argument("--accept-loss", action="store_true", help="go down, whatever that loses")
    given = parser.parse_args(arguments)
    try:
        if os.geteuid() != 0:
            raise WrongRequestError(
                "Only root can move to another release.", "", "sudo appliance release use VERSION"
            )
        asked = Asked(given.use, given.interrupt, given.back, given.accept_loss)
        return _perform(load_settings(), asked)
    except OSError as error:
        sys.stderr.write(_not_written(error).text() + "\n")
        return ExitCode.WORK_FAILED
    except BusyError as error:
        sys.stderr.write(error.text() + "\n")
        # To its timer that is no failure: the process that holds the lock brings the move to its end.
        return error.exit_code if given.use else ExitCode.DONE
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code


def _not_written(error: OSError) -> WorkFailedError:
    """A full disk, most likely. How far the move is stands in its file, and from there it is carried on."""
    return WorkFailedError(
        f"The move cannot be written down: {error.strerror or type(error).__name__}.",
        "It stays where it is until it can.",
        f"df -h {ROOT} {FOLDER}; make room, and appliance-update.timer carries on within ten minutes.",
    )


def _perform(settings: Settings, asked: Asked) -> int:
    settled = _settle(settings, asked)
    if settled is None:
        return ExitCode.DONE
    # What was asked for meanwhile: no path unit sees that while the updater runs, or another has the lock.
    start_again(UPDATE)
    if asked.use and settled.state == "failed" and not settled.left_by_hand:
        raise WorkFailedError(settled.message)
    _say(settled.message)
    # The request is answered; a unit that stays failed would say that something is still wrong.
    return ExitCode.DONE


def _settle(settings: Settings, asked: Asked) -> Update | None:
    """Bring a move to its end, or to its grace period; None where none has ended. Raises ApplianceError."""
    use = asked.use
    # A move that is over is still cleared up after, and looked at again.
    with update_alone(ROOT, within_s=CLEARED_UP_S if use else 0.0, say=_say) as state:
        update = read_update(state)
        if update is not None and is_overtaken(ROOT, update):
            _end_overtaken(state, update)
            update = None
        if update is None:
            wanted = _asked_by_operator(use) if use else read_wanted(FOLDER)
            if wanted is None:
                return None
            if use is None and (why := given_up(state, wanted.version)):
                _refuse(wanted, why)
                return None
            update = _begin(settings, wanted, asked)
            if update is None:
                return None
        elif use and use != update.wanted.version:
            update = _left(update, use)
        host = ThisMachine(ROOT, state, settings)
        update = carry_on(resumed(update), host, lambda reached: keep_update(state, reached))
        if update.state == "watching":
            begin_watch(state)
            _say(f"{update.message} It is watched for {update.watch_minutes} minutes, and left if it fails.")
            return None
        (state / WATCHING).unlink(missing_ok=True)
        done = update.state == "done"
        if done:
            forget_failures(state, update.wanted.version)
        elif update.tried_at is not None and not update.left_by_hand:
            note_failure(state, update.wanted.version, update.message, update.tried_at)
        write_outcome(FOLDER, update.wanted, "done" if done else "failed", update.message)
        forget_wanted(FOLDER, update.wanted)
        (state / UNDER_WAY).unlink()
        for version in prune(ROOT, settings):
            _say(f"Removed the release {version}, which is no longer kept.")
        return update


def _begin(settings: Settings, wanted: Wanted, asked: Asked) -> Update | None:
    """The update, or None where it is over before it began, or has to wait. Raises ApplianceError."""
    by_operator = asked.use is not None
    current = linked(ROOT, CURRENT)
    if current is None:
        raise WorkFailedError(f"{ROOT / CURRENT} leads nowhere.", "", "Run the deploy again.")
    try:
        policy = read_policy(settings)
        enforce(
            check_update(policy, wanted.version), "Ask the owner of policy.yaml, which says so in updates."
        )
    except ApplianceError as error:
        if by_operator:
            raise
        _refuse(wanted, error.what)
        return None
    if wanted.version == current:
        if not by_operator:
            write_outcome(FOLDER, wanted, "done", f"{current} is running already.")
            forget_wanted(FOLDER, wanted)
        _say(f"{current} is running already.")
        return None
    if _is_missing(wanted, by_operator) or _is_held(policy, wanted, by_operator=by_operator, back=asked.back):
        return None
    here, there = side(ROOT, current), side(ROOT, wanted.version)
    if not _may_go(here, there, wanted, asked) or _waits(settings, policy, wanted, asked):
        return None
    point(ROOT, UPDATER, current)
    return Update(
        wanted=wanted,
        former=current,
        lower_to=metadata_schema_to_reach(here, there),
        watch_minutes=settings.releases.watch_minutes,
    )


def _may_go(here: Side, there: Side, wanted: Wanted, asked: Asked) -> bool:
    """Whether the manifests let it be moved to, else the answer is given. Raises RefusedError by hand."""
    try:
        check_move(here, there)
        check_accepted(here, there, accepted=asked.accept_loss)
    except RefusedError as error:
        if asked.use is not None:
            raise
        _refuse(wanted, error.explanation.line())
        return False
    return True


def _waits(settings: Settings, policy: Policy, wanted: Wanted, asked: Asked) -> bool:
    """Whether its moment has not come, which is said. Raises WorkFailedError for a request by hand."""
    by_operator = asked.use is not None
    if not by_operator and not update_may_start(policy, datetime.now().astimezone()):
        _say(f"{wanted.version} waits for the update window, {policy.updates.window}.")
        return True
    if asked.interrupt or not _runs_under_way(settings):
        return False
    if by_operator:
        raise WorkFailedError(
            "Runs are under way, which a switch would interrupt.",
            "Interrupted steps are tried again afterwards.",
            f"Wait for their end, or: appliance release use {wanted.version} --interrupt",
        )
    _say(f"{wanted.version} waits until no run is under way.")
    return True


def _end_overtaken(state: Path, update: Update) -> None:
    """End a grace period whose release a deploy has replaced: what that chose runs, and nothing is moved."""
    message = f"A deploy has put another release in place of {update.wanted.version} in its grace period."
    write_outcome(FOLDER, update.wanted, "failed", message)
    forget_wanted(FOLDER, update.wanted)
    if update.lower_to:
        kept_aside.keep(state, state / METADATA_COPY, update.former, datetime.now(UTC))
    for name in (WATCHING, METADATA_COPY, UNDER_WAY):
        (state / name).unlink(missing_ok=True)
    _say(message)


def _left(update: Update, use: str) -> Update:
    """A release in its grace period that an operator goes back from. Raises WorkFailedError for all else."""
    version = update.wanted.version
    if update.state == "watching" and use == update.former:
        return update.moved("rolling_back", left_by_hand=True, message=f"{version} was left by hand.")
    if update.state == "watching":
        raise WorkFailedError(
            f"{version} is in its grace period of {update.watch_minutes} minutes.",
            f"Only {update.former} can be moved to until it ends.",
            "sudo appliance release rollback",
        )
    raise WorkFailedError(f"An update to {version} is under way.", "", "journalctl -u appliance-update")


def _refuse(wanted: Wanted, why: str) -> None:
    """Answer that what was asked for is not done."""
    write_outcome(FOLDER, wanted, "refused", why)
    forget_wanted(FOLDER, wanted)
    _say(f"Refused to move to {wanted.version}: {why}")


def _is_held(policy: Policy, wanted: Wanted, *, by_operator: bool, back: bool) -> bool:
    """Whether it waits for its time, which is said. Raises RefusedError for a request by hand."""
    now, trust = datetime.now().astimezone(), Trust(ROOT)
    early: tuple[Refusal, ...] = ()
    if not back:
        note = trust.verified(wanted.version)
        early = too_early(policy, now, wanted.version, note.released_at if note else None)
    if is_installed(ROOT, wanted.version):
        # It was old enough when it came, or was brought by hand.
        early = tuple(refusal for refusal in early if refusal.rule != AGE_RULE)
    held = held_back(read_held(trust.folder), wanted.version, now.date(), by_operator=by_operator)
    if by_operator:
        enforce(held, "sudo appliance release unpin")
        enforce(early, "Wait, or ask the owner of policy.yaml, which says so in updates.")
    for refusal in (*held, *early):
        _say(f"{wanted.version} waits: {refusal.what}")
    return bool(held or early)


def _is_missing(wanted: Wanted, by_operator: bool) -> bool:
    """Whether it has still to be fetched, or cannot be, which is answered then."""
    if by_operator or not Trust(ROOT).is_pinned:
        return False
    seen = read_seen(ROOT)
    if seen and (why := seen.revoked.get(wanted.version)) is not None:
        # It may be installed still, from before. A person may move back to it; by itself nothing does.
        _refuse(wanted, f"{wanted.version} was revoked: {why}")
        return True
    if is_installed(ROOT, wanted.version) or is_fetched(ROOT, wanted.version):
        return False
    if seen and seen.refused and seen.refused[0] == wanted.version and seen.at >= wanted.requested_at:
        _refuse(wanted, seen.refused[1])
    else:
        _say(f"{wanted.version} waits until its bundle has been fetched: journalctl -u appliance-fetch")
    return True


def _asked_by_operator(version: str) -> Wanted:
    if not is_release(version):
        raise WrongRequestError("That is not a version of the appliance.", "", "appliance release list")
    return Wanted(version=version, requested_at=datetime.now(UTC))


def _runs_under_way(settings: Settings) -> bool:
    """Whether a run would be interrupted. A database that is away has none."""
    return ask(settings.database_url, _RUNS_UNDER_WAY) not in (None, "", "0")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the journal, or the operator's terminal


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
