"""`make demo`, twice, as a person in a pipe sees it; its dashboard, as a browser does; and `make clean`."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from compose.demo import enrolment, sample_workflow
from compose.demo.dashboard import Dashboard
from compose.demo.stack import Stack

PROJECT = f"appliance-test-{secrets.token_hex(3)}"
SIGN_IN = re.compile(r"sign in as +(\w+), password (\S+)")
BRANCHES = """
SELECT datname AS name, shobj_description(oid, 'pg_database') AS comment FROM pg_database
WHERE shobj_description(oid, 'pg_database') LIKE '{"appliance":"branch"%'
"""
RUN_PAGE = re.compile(r"This run +(http\S+)")


@dataclass(frozen=True)
class Demo:
    """A demo that has run twice, and what it printed."""

    stack: Stack
    first: str
    second: str

    @property
    def dashboard(self) -> Dashboard:
        """The dashboard's API."""
        return Dashboard(self.stack)

    def page(self, address: str) -> str:
        """A page of the dashboard, for who signs in with what the demo has printed."""
        name, password = SIGN_IN.findall(self.second)[-1]
        alone = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(timeout=300, follow_redirects=True, limits=alone) as browser:
            form = browser.get(f"{self.stack.address('dashboard')}/sign-in")
            [csrf] = re.findall(r'name="csrf" value="([^"]+)"', form.text)
            signed_in = browser.post(form.url, data={"name": name, "password": password, "csrf": csrf})
            assert signed_in.is_success
            return browser.get(address).raise_for_status().text

    def inspect(self) -> dict[str, dict[str, Any]]:
        """Service → what Docker knows of its container."""
        ids = docker(
            "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}"
        ).split()
        found = json.loads(docker("inspect", *ids))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def demo(command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "compose.demo", command],
        env={**os.environ, "APPLIANCE_DEMO": PROJECT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def left_behind() -> dict[str, str]:
    mine = f"label=com.docker.compose.project={PROJECT}"
    return {
        "containers": docker("ps", "--all", "--quiet", "--filter", mine),
        "volumes": docker("volume", "ls", "--quiet", "--filter", mine),
        "networks": docker("network", "ls", "--quiet", "--filter", mine),
        "images": docker("image", "ls", "--quiet", "--filter", f"reference={PROJECT}-*"),
    }


@pytest.fixture(scope="module")
def ran() -> Iterator[Demo]:
    try:
        first = demo("up")
        yield Demo(Stack({**os.environ, "APPLIANCE_DEMO": PROJECT}), first, demo("up"))
    finally:
        demo("down")
    assert left_behind() == dict.fromkeys(left_behind(), "")


def test_it_shows_the_copying_the_rows_the_counts_the_proof_and_the_times(ran: Demo) -> None:
    for expected in (
        "plan: ",
        "copy: done in",
        "in production",
        "in the twin",
        "public.order_item",
        "left out",
        "Verified before anyone saw it",
        "the whole run",
        "make clean",
    ):
        assert expected in ran.first


def test_it_shows_a_branch_and_what_a_bad_and_a_good_migration_do(ran: Demo) -> None:
    for printed in (ran.first, ran.second):
        bad, _, good = printed.partition("A good migration")
        assert "A branch of the twin" in bad and "rewrote" in bad and "above a threshold" in bad
        assert "rewrote" not in good and "passed" in good
        assert "nothing was linted" not in printed


def test_it_shows_what_lies_in_the_bucket_and_what_the_container_has_counted(ran: Demo) -> None:
    for printed in (ran.first, ran.second):
        _, _, shown = printed.partition("In the bucket lake")
        assert re.search(r"archive +1 of 1 objects +[\d,]{7,} bytes", shown), shown
        assert re.search(r"parquet +(\d+) of \1 objects +[\d,]{7,} bytes", shown), shown
        assert "357,333 rows in the files of" in shown and "public.order_item 114,489" in shown
    kept = ran.stack.execute("bucket", "find", "/buckets/lake/shop", "-name", "manifest.json")
    assert len(kept.split()) == 2


def test_what_timers_do_on_a_host_is_done_here_too(ran: Demo) -> None:
    ran.stack.execute("timers", "timed-work", "once")
    [branch] = ran.stack.query("staging", "postgres", BRANCHES)
    marker = {**json.loads(branch["comment"]), "ends_at": "2020-01-01T00:00:00Z"}
    over = f"COMMENT ON DATABASE \"{branch['name']}\" IS '{json.dumps(marker, separators=(',', ':'))}'"
    psql = ["psql", "--no-psqlrc", "--quiet", "--dbname", "postgres"]
    ran.stack.execute("staging", *psql, "--command", over)
    ran.stack.execute("timers", "timed-work", "once")
    assert ran.stack.query("staging", "postgres", BRANCHES) == []


def test_a_pipe_gets_no_escape_codes(ran: Demo) -> None:
    assert "\x1b" not in ran.first + ran.second


def test_a_reader_never_misses_the_twin_while_it_is_replaced(ran: Demo) -> None:
    found = re.search(
        r"connected to the twin ([\d,]+) times: ([\d,]+) found it whole", " ".join(ran.second.split())
    )
    assert found, ran.second
    assert found[1] == found[2], ran.second


def test_it_prints_both_addresses_and_a_sign_in_that_stays_the_same(ran: Demo) -> None:
    for printed in (ran.first, ran.second):
        assert f"{ran.stack.address('status')}/" in printed
        assert f"{ran.stack.address('dashboard')}/" in printed
    assert set(SIGN_IN.findall(ran.first)) == set(SIGN_IN.findall(ran.second))


def test_what_a_person_would_do_on_the_dashboard_is_done_once_and_noted_there(ran: Demo) -> None:
    [appliance] = ran.dashboard.ask("GET", "/v1/appliances")
    assert appliance["name"] == enrolment.NAME
    assert appliance["condition"] == "healthy"
    [workflow] = ran.dashboard.ask("GET", "/v1/workflows")
    assert (workflow["id"], workflow["revision"], workflow["appliances"]) == ("staging-twin", 1, 1)
    log = [entry for entry in ran.dashboard.ask("GET", "/v1/audit") if entry["action"] != "session.sign_in"]
    done = sorted((entry["action"], entry["actor"]) for entry in log)
    assert done == [
        ("appliance.create", "token make demo"),
        ("appliance.enrol", enrolment.NAME),
        ("command.run", "token make demo"),
        ("command.run", "token make demo"),
        ("person.create", "command line"),
        ("token.create", "command line"),
        ("workflow.assign", "token make demo"),
        ("workflow.create", "token make demo"),
    ]


def test_the_runs_page_shows_every_table_and_that_it_was_verified(ran: Demo) -> None:
    for printed, heading in (
        (ran.first, "Its twin was replaced"),
        (ran.second, "The masked twin is in place"),
    ):
        [address] = RUN_PAGE.findall(printed)
        page = ran.page(address)
        assert heading in page
        assert "No masked value survived" in page
        run = ran.dashboard.ask("GET", f"/v1{address.removeprefix(ran.dashboard.url)}")
        assert (run["state"], run["started_by"], run["origin"]) == ("succeeded", "command", "cloud")
        counts = {table["table"]: table["rows"] for table in run["tables"] if table["done"]}
        assert counts["public.order_item"] == 114_489
        assert sum(counts.values()) == 357_333
        for table in counts:
            assert table in page.replace("&#34;", '"')


def test_nothing_raw_is_on_the_dashboard(ran: Demo) -> None:
    container = f"{PROJECT}-dashboard-1"
    copied = ["docker", "cp", f"{container}:/var/lib/appliance-dashboard", "-"]
    store = subprocess.run(copied, check=True, capture_output=True).stdout
    said = subprocess.run(["docker", "logs", container], check=True, capture_output=True)
    store += said.stdout + said.stderr
    assert b"public.customer" in store
    query = (
        "SELECT email FROM customer UNION SELECT email FROM crm.employee"
        ' UNION SELECT "emailAddress" FROM crm."NewsletterSubscriber"'
    )
    real = {row["email"].encode() for row in ran.stack.query("production", "shop", query)}
    assert len(real) > 20_000
    assert not real & set(re.findall(rb"[\w.+-]+@[\w-]+(?:[.][a-z]+)+", store))
    for address in sorted(real)[::40]:
        assert address not in store
    for server, role in (("production", "reader"), ("staging", "twin_owner")):
        assert ran.stack.execute(server, "cat", f"/passwords/{role}").strip().encode() not in store


def test_no_value_of_production_is_in_the_twins_masked_columns(ran: Demo) -> None:
    both = [
        {row["email"] for row in ran.stack.query(server, database, "SELECT email FROM customer")}
        for server, database in (("production", "shop"), ("staging", "shop_twin"))
    ]
    assert len(both[0]) == len(both[1]) == 20_000
    assert not both[0] & both[1]


def test_joins_on_masked_values_still_work(ran: Demo) -> None:
    joined = (
        'SELECT count(*) AS pairs FROM customer JOIN crm."NewsletterSubscriber" ON email = "emailAddress"'
    )
    [production] = ran.stack.query("production", "shop", joined)
    [twin] = ran.stack.query("staging", "shop_twin", joined)
    assert production == twin
    assert twin["pairs"] > 5_000


def test_the_appliance_may_only_read_production(ran: Demo) -> None:
    privileges = (
        "SELECT count(*) FILTER (WHERE has_table_privilege('reader', oid, 'SELECT')) AS readable,"
        " count(*) FILTER (WHERE has_table_privilege('reader', oid, 'INSERT, UPDATE, DELETE')) AS writable"
        " FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text IN ('public', 'crm')"
    )
    [found] = ran.stack.query("production", "shop", privileges)
    assert found["writable"] == 0
    assert found["readable"] > 20


def test_everything_listens_on_loopback_only(ran: Demo) -> None:
    published = [
        binding["HostIp"]
        for container in ran.inspect().values()
        for bindings in (container["HostConfig"]["PortBindings"] or {}).values()
        for binding in bindings
    ]
    assert published == ["127.0.0.1"] * 4


def test_only_what_starts_and_removes_steps_reaches_docker(ran: Demo) -> None:
    with_socket = {
        service
        for service, container in ran.inspect().items()
        if any("docker.sock" in mount["Destination"] for mount in container["Mounts"])
    }
    assert with_socket == {"scheduler", "reaper"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("twin", "show", "staging"), "the twin"),
        (("connections", "check", "production"), "production: "),
        (("connections", "check", "lake"), "can be listed, put, read and deleted"),
        (("runs", "--limit", "1"), "succeeded"),
        (("status",), ": healthy"),
        (("keys", "show"), "epoch"),
    ],
)
def test_a_command_works_from_where_a_person_types_it(ran: Demo, command: tuple[str, ...], said: str) -> None:
    assert said in ran.stack.execute("operator", "appliance", *command, check=False)


def test_no_password_shows_in_what_docker_tells_of_its_containers(ran: Demo) -> None:
    said = json.dumps(ran.inspect())
    for server, role in (
        ("production", "reader"),
        ("staging", "twin_owner"),
        ("bucket", "secret_access_key"),
    ):
        password = ran.stack.execute(server, "cat", f"/passwords/{role}").strip()
        assert len(password) > 20
        assert password not in said


def test_no_service_can_fill_the_disk_with_its_log(ran: Demo) -> None:
    for service, container in ran.inspect().items():
        assert container["HostConfig"]["LogConfig"]["Config"].get("max-size"), service


def test_nothing_of_a_run_is_left_when_it_is_over(ran: Demo) -> None:
    assert (
        docker(
            "ps",
            "--all",
            "--quiet",
            "--filter",
            f"ancestor={PROJECT}-step",
            "--filter",
            "label=appliance.run",
        )
        == ""
    )
    assert ran.stack.execute("scheduler", "find", "/run/appliance", "-type", "f") == ""


def test_the_image_of_steps_has_no_airflow_and_no_ca_of_this_machine(ran: Demo) -> None:
    step = ["run", "--rm", "--network", "none", "--entrypoint", "sh", f"{PROJECT}-step", "-c"]
    assert (
        docker(*step, "ls /opt/appliance/venv/lib/python*/site-packages | grep -ci airflow || true").strip()
        == "0"
    )
    assert docker(*step, "find / -xdev -name extra_ca -o -xdev -name pip_conf 2>/dev/null | head -1") == ""
    assert docker(*step, "id -u").strip() == "10001"


def test_an_appliance_that_lost_its_state_is_the_same_one_again(ran: Demo) -> None:
    [before] = ran.dashboard.ask("GET", "/v1/appliances")
    ran.stack.execute("status", "rm", "/var/lib/appliance/keys/dashboard.json")
    assert enrolment.enrol(ran.stack, ran.dashboard, str) == before["id"]
    assert len(ran.dashboard.ask("GET", "/v1/appliances")) == 1


def test_a_dashboard_that_lost_its_store_gets_everything_again(ran: Demo) -> None:
    ran.stack.compose("rm", "--stop", "--force", "dashboard", "prepare")
    docker("volume", "rm", f"{PROJECT}_dashboard")
    ran.stack.start(str)
    dashboard = ran.dashboard
    appliance_id = enrolment.enrol(ran.stack, dashboard, str)
    sample_workflow.write(dashboard, appliance_id, str)
    assert dashboard.password()
    [placed] = dashboard.ask("GET", f"/v1/appliances/{appliance_id}")["placements"]
    assert placed["state"] in ("active", "waiting")
