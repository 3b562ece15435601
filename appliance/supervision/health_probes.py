"""What counts as proof that a program works: each returns an empty string, or why there is no proof yet."""

from __future__ import annotations

from collections.abc import Callable

from appliance.system.http import ask_status, reachable
from appliance.system.postgres_programs import ask

Proof = Callable[[], str]

HEARTBEAT_FRESH_S = 30
"""Airflow's jobs beat every 5 s; six missed beats are no longer a busy moment."""
DATABASE_AWAY = "the database does not answer"
_ANSWER_WITHIN_S = 10

_JOB = """
SELECT count(*) FROM job
WHERE job_type = '{job_type}' AND state = 'running'
  AND latest_heartbeat > now() - interval '{fresh} seconds'
  AND start_date > now() - interval '{age} seconds'
"""


def job_beats(conninfo: str, job_type: str, age_s: Callable[[], float]) -> Proof:
    """Airflow's job of that type, started since this process was, has a fresh heartbeat in its database.

    The heartbeat is written by the very loop that schedules or parses, so a hung loop stops it. ``age_s``
    keeps the row of a killed predecessor, fresh for some seconds more, from standing in for this one.
    """

    def proof() -> str:
        question = _JOB.format(job_type=job_type, fresh=HEARTBEAT_FRESH_S, age=int(age_s()) + 1)
        counted = ask(conninfo, question, within_s=_ANSWER_WITHIN_S)
        if counted is None:
            return DATABASE_AWAY
        return "" if counted not in {"", "0"} else f"no fresh heartbeat of {job_type}"

    return proof


def database_answers(conninfo: str) -> Proof:
    """The database takes a connection and answers."""
    return lambda: DATABASE_AWAY if ask(conninfo, "SELECT 1", within_s=_ANSWER_WITHIN_S) is None else ""


def answers(
    host: str, port: int, path: str, accepted: range = range(200, 300), *, tls: bool = False
) -> Proof:
    """An HTTP request to the program's own port is answered with one of the accepted status codes.

    Over TLS any certificate is accepted.
    """

    def proof() -> str:
        try:
            status = ask_status((reachable(host), port), path, within_s=_ANSWER_WITHIN_S, tls=tls)
        except OSError as error:
            return f"{path} does not answer ({type(error).__name__})"
        except ValueError:
            return f"{path} does not answer in HTTP"
        return "" if status in accepted else f"{path} answers {status}"

    return proof
