"""What counts as proof that a program works: each returns an empty string, or why there is no proof yet."""

from __future__ import annotations

import socket
from collections.abc import Callable

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

    Over TLS whoever answers is taken at its word: the question is whether it works, not who it is. Spoken by
    hand, for the one line that matters: http.client would double the memory of each supervisor.
    """
    place = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- where it listens, not we
    named = f"[{place}]" if ":" in place else place
    request = f"GET {path} HTTP/1.1\r\nHost: {named}:{port}\r\nConnection: close\r\n\r\n".encode()

    def proof() -> str:
        try:
            with (
                socket.create_connection((place, port), timeout=_ANSWER_WITHIN_S) as plain,
                _over_tls(plain) if tls else plain as connection,
                connection.makefile("rb") as answer,
            ):
                connection.sendall(request)
                words = answer.readline(200).split()
        except OSError as error:
            return f"{path} does not answer ({type(error).__name__})"
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            return f"{path} does not answer in HTTP"
        return "" if int(words[1]) in accepted else f"{path} answers {int(words[1])}"

    return proof


def _over_tls(plain: socket.socket) -> socket.socket:
    import ssl  # noqa: PLC0415 -- memory that only a service with TLS spends

    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    return trusting.wrap_socket(plain)
