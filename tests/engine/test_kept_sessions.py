"""Sessions that are kept between pieces of work."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from appliance.postgres.sessions.kept_sessions import KeptSessions
from appliance.postgres.sessions.parallel_jobs import Job, Session, run_jobs
from tests.engine.clusters import Cluster


@pytest.fixture
def opened() -> list[Session]:
    return []


@pytest.fixture
def sessions(source: Cluster, source_database: str, opened: list[Session]) -> Iterator[KeptSessions]:
    def new() -> Session:
        opened.append(source.connect(source_database, application_name="kept"))
        return opened[-1]

    with KeptSessions(new) as kept:
        yield kept


def test_a_session_serves_again_and_all_are_closed_at_the_end(
    sessions: KeptSessions, opened: list[Session]
) -> None:
    def job(number: int) -> Job:
        return Job(str(number), lambda session: session.execute("SELECT 1") and None)

    with sessions:
        for _ in range(3):
            run_jobs([job(number) for number in range(8)], sessions.open, 2, close=sessions.close)
            with sessions.session() as session:
                assert session.execute("SELECT 1").fetchone() == (1,)
        assert len(opened) == 2
        assert not any(session.closed for session in opened)
    assert all(session.closed for session in opened)


def test_a_session_that_failed_or_is_in_a_transaction_serves_no_other(
    sessions: KeptSessions, opened: list[Session]
) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), sessions.session() as session:
        session.execute("BEGIN; SELECT 1 / 0")
    with sessions.session() as session:
        session.execute("BEGIN")
    with sessions.session() as session:
        session.execute("SELECT 1")
    assert len(opened) == 3
    assert [session.closed for session in opened] == [True, True, False]
