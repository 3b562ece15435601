"""Canaries in rows, passwords and output; failures for real; none of them gets to the dashboard."""

from __future__ import annotations

import contextlib
import json
import traceback

import psycopg

from appliance.contract.step_messages import Failure
from appliance.orchestration.containers.output import StepOutput
from appliance.scrubbing.known import scrubber_of
from appliance.steps.calling.execute import describe_failure
from tests.cloud.appliance_rig import ApplianceRig, CloudSide
from tests.dashboard.running import RunningDashboard
from tests.dashboard.walking import pages, sign_in

PASSWORD = "c4nary:pass'w@rd"
CANARIES = {
    "name": "Zanzibara Quagmire",
    "lines": "first zanzibar line\nsecond zanzibar line",
    "email": "zanzibara@quagmire.example",
    "card": "4929 5301 1234 5675",
    "phone": "+44 20 7946 0958",
    "ssn": "078-05-1120",
    "iban": "GB29 NWBK 6016 1331 9268 19",
    "address": "198.51.100.77",
    "token": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "dsn": "postgresql://reader:s3cr3tz@db.canary.internal:5432/shop",
}
NEVER = [
    "anzibar",
    "uagmire",
    "4929 53",
    "4929530112",
    "7946 0958",
    "2079460958",
    "078-05-1",
    "NWBK 60",
    "NWBK60",
    "198.51.100",
    "ghp_16",
    "s3cr3tz",
    "canary.internal",
    "c4nary",
]
"""Long enough that no id, digest or time holds one by chance: the store is full of those."""

SCRIPTS = {
    "a unique violation": "INSERT INTO canary (value) VALUES ({0}), ({0})",
    "a check violation": "INSERT INTO canary (value, small) VALUES ({0}, 100)",
    "a foreign key": "INSERT INTO canary_of (value) VALUES ({0})",
    "a bad number": "SELECT {0}::integer",
    "a bad date": "SELECT {0}::date",
    "a bad document": "SELECT {0}::json",
    "an error raised with everything": "SELECT complain({0})",
    "a null": "INSERT INTO canary (value, small) VALUES ({0}, NULL)",
    "too long": "INSERT INTO short VALUES ({0})",
}
SCHEMA = """
CREATE TABLE canary (value text UNIQUE, small int NOT NULL DEFAULT 1 CHECK (small < 10));
CREATE TABLE canary_of (value text REFERENCES canary (value));
CREATE TABLE short (value varchar(3));
CREATE FUNCTION complain(value text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'cannot use "%"', value USING DETAIL = 'The row is ' || value, HINT = 'Look at ' || value;
END $$;
"""


def real_errors(rig: ApplianceRig) -> list[BaseException]:
    """Each failure, driven for real with each canary as the row's value."""
    rig.db.execute(SCHEMA.encode())
    found: list[BaseException] = []
    for script in SCRIPTS.values():
        for value in CANARIES.values():
            statement = script.replace("{0}", psycopg.sql.quote(value))
            try:
                rig.db.execute(statement.encode())
            except psycopg.Error as error:
                found.append(error)
    for value in CANARIES.values():
        try:
            raise ValueError(f"could not mask {value}")
        except ValueError as error:
            found.append(error)
    return found


def output_of(errors: list[BaseException]) -> list[str]:
    """What careless code would have printed into a container's log."""
    lines = [f"connecting to {CANARIES['dsn']} with password={PASSWORD} {json.dumps(PASSWORD)}"]
    for error in errors:
        lines += "".join(traceback.format_exception(error)).splitlines()
        if isinstance(error, psycopg.Error):
            lines += f"ERROR:  {error}".splitlines()
    return lines


def pages_of(cloud: CloudSide, dashboard: RunningDashboard) -> dict[str, str]:
    """Every page about this appliance that a viewer can open."""
    about = cloud.appliance_id
    start = (f"/appliances/{about}", f"/runs?appliance={about}", "/", "/workflows", "/audit", "/api")
    with contextlib.closing(sign_in(dashboard, f"viewer-{about[:8]}", "viewer")) as browser:
        return pages(browser, start, lambda link: about in link)


def test_no_canary_reaches_the_dashboard_and_reports_still_say_enough(
    enrolled: ApplianceRig, cloud: CloudSide, dashboard: RunningDashboard
) -> None:
    file = enrolled.settings.connections_file
    connection = {
        "host": "db.canary.internal",
        "dbname": "shop",
        "user": "zanzibar_reader",
        "password": PASSWORD,
    }
    file.write_text(json.dumps({"production": connection}))
    file.chmod(0o600)
    errors = real_errors(enrolled)
    assert len(errors) > 60
    scrubber = scrubber_of(file)
    log: list[str] = []
    output = StepOutput(log.append, scrubber.clean, scrubber.stream())
    stray = "\n".join(output_of(errors)).encode()
    list(output.read([(stray, stray)]))

    for number, error in enumerate(errors):
        run_id = f"canary-{number}"
        store = enrolled.store
        store.run_queued(run_id, "canary", airflow_run_id=None, origin="local", trigger="operator")
        store.run_started(run_id)
        store.step_started(run_id, "copy", 0, 1)
        proper = describe_failure("copy", error)
        careless = Failure(
            step="copy",
            exit_code=1,
            retry=False,
            what=str(error),
            why=repr(error),
            next_step=str(error.args),
            table="public.canary",
            sqlstate=getattr(error, "sqlstate", None),
            exception=type(error).__name__,
            location="appliance.steps.copy:7",
            log_tail=tuple(output.tail),
        )
        # A bare name in bare words has no shape: that our own words hold none is for their authors.
        is_careless = isinstance(error, psycopg.Error) and number % 2
        shown = careless if is_careless else proper
        store.step_ended(run_id, "copy", 0, "failed", failure=shown)
        store.run_ended(run_id, "failed")
    kept_here = enrolled.db.execute("SELECT payload::text AS text FROM appliance.event").fetchall()
    enrolled.send_all()
    enrolled.beat_now()
    enrolled.reporter.turn()

    runs = [cloud.get(f"/v1/runs/{cloud.appliance_id}/{run}") for run in cloud.runs]
    shown_there = json.dumps([runs, cloud.appliance, cloud.events])
    stored_there = b"".join(path.read_bytes() for path in cloud.store.parent.glob(cloud.store.name + "*"))
    written_there = (cloud.store.parent / "dashboard.log").read_text()
    walked = pages_of(cloud, dashboard)
    assert len(walked) > 2 * len(errors)
    for place, text in {
        "the dashboard's pages": "\n".join(walked.values()),
        "the appliance's log": "\n".join(log),
        "the outbox": "\n".join(row["text"] for row in kept_here),
        "the dashboard's answers": shown_there,
        "the dashboard's store": stored_there.decode("latin-1"),
        "the dashboard's log": written_there,
    }.items():
        found = [line[:300] for line in text.splitlines() if any(canary in line for canary in NEVER)][:5]
        assert found == [], f"{found} in {place}"
    assert len(runs) == len(errors)
    reported = [run["outcome"]["failure"] for run in runs]
    careless_ones = [failure for failure in reported if failure.get("table") == "public.canary"]
    assert len(careless_ones) > len(errors) // 3
    assert {failure["location"] for failure in careless_ones} == {"appliance.steps.copy:7"}
    said = " ".join(failure["what"] for failure in careless_ones)
    assert "violates unique constraint" in said and "canary_value_key" in said
    assert {"23505", "23514", "23503", "22P02", "P0001"} <= {
        failure.get("sqlstate") for failure in careless_ones
    }
    assert all(failure["log_tail"] for failure in careless_ones)
