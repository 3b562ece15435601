"""A test of a connection is asked for by a button, and what came of it stands beside the connection."""

from __future__ import annotations

from uuid import UUID, uuid4

from appliance.contract.calls import ConnectionReport
from appliance.contract.connection_test import ConnectionCheck, ConnectionTested
from appliance.contract.events import CommandChanged
from appliance.dashboard.store.appliances.connection_tests import connection_tests
from tests.dashboard.conftest import Dashboard
from tests.dashboard.simulated_appliance import now


def test_a_test_is_asked_for_and_when_it_last_worked_stands_with_the_connection(stored: Dashboard) -> None:
    appliance_id, appliance = stored.enrolled()
    appliance.heartbeat(connections=(ConnectionReport(name="production", state="ready"),))
    browser = stored.signed_in()
    path = f"/appliances/{appliance_id}"
    assert "Test the connection production" in browser.get(path).text
    sent = browser.post(f"{path}/test", {"connection": "production"})
    command = UUID(sent.headers["location"].rpartition("/")[2])
    checks = (ConnectionCheck(check="login", state="ok"), ConnectionCheck(check="clock", state="warn"))
    good = ConnectionTested(command_id=command, connection="production", works=True, checks=checks)
    appliance.tell(good, now())
    appliance.tell(CommandChanged(command_id=command, state="done"), now())
    appliance.send(appliance.outbox)
    assert "The connection works" in browser.get(f"/commands/{command}").text
    for page in (path, f"{path}/connections"):
        assert ": it works." in browser.get(page).text and "Clock: to be looked at" in browser.get(page).text

    bad = good.model_copy(
        update={
            "works": False,
            "failure": "28P01",
            "checks": (ConnectionCheck(check="login", state="fail"),),
        }
    )
    appliance.tell(bad, now())
    appliance.tell(bad.model_copy(update={"command_id": uuid4(), "connection": "unasked"}), now())
    appliance.send(appliance.outbox[-2:])
    shown = browser.get(f"{path}/connections").text
    assert "(28P01); one last worked" in shown and "Login: fails" in shown
    with stored.app.state.context.database.read() as session:
        assert list(connection_tests(session, appliance_id)) == ["production"]
