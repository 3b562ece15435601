"""Steps reach the addresses of the connections, as the firewall was given them, and no others."""

from __future__ import annotations

import json
import threading
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml

from appliance.connections.database import Connection
from appliance.errors import WorkFailedError
from appliance.orchestration.containers.container import StepLimits, host_settings
from appliance.orchestration.containers.reach import WANTED, asked_for, open_ways
from appliance.supervision import reach
from provisioning.firewall.deployer import ruleset


def connection(host: str, port: int = 5432) -> Connection:
    return Connection(host=host, port=port, dbname="shop", user="reader")


KNOWN = {
    "production": connection("db.internal"),
    "staging": connection("10.0.0.9", 6432),
    "local": connection("/run/postgresql"),
}


@pytest.fixture
def applied(tmp_path: Path) -> Path:
    """Where the firewall answers; its folder is there, so steps are guarded."""
    (tmp_path / "firewall").mkdir()
    return tmp_path / "firewall" / "applied.json"


def answer_from_now_on(tmp_path: Path, applied: Path, addresses: tuple[str, ...]) -> None:
    """What the unit does each time the file is written."""

    def look() -> None:
        seen = -1
        give_up = time.monotonic() + 300
        while time.monotonic() < give_up:
            at = time.time()
            file = tmp_path / WANTED
            if file.exists() and file.stat().st_mtime_ns != seen:
                seen = file.stat().st_mtime_ns
                ways = {
                    place: tuple(map(ip_address, addresses)) for place in reach.places_in(file.read_bytes())
                }
                reach.apply(ways, at, applied.parent, lambda: True)
            time.sleep(0.01)

    threading.Thread(target=look, daemon=True).start()


def test_a_step_starts_when_the_firewall_knows_its_databases_and_finds_them_by_name(
    tmp_path: Path, applied: Path
) -> None:
    answer_from_now_on(tmp_path, applied, ("10.0.0.7", "fd12::7"))
    wanted = {"production": KNOWN["production"], "local": KNOWN["local"]}
    hosts = open_ways(tmp_path, KNOWN, wanted, applied=applied)
    assert hosts == ("db.internal:10.0.0.7", "db.internal:fd12::7")
    assert asked_for(tmp_path / WANTED) == [("db.internal", 5432)]
    given = host_settings(StepLimits(128, 1.0, "bridge", hosts=hosts), [])["extra_hosts"]
    assert given == [*hosts, "host.docker.internal:host-gateway"]


def test_what_other_steps_need_stays_and_what_no_connection_names_is_closed(
    tmp_path: Path, applied: Path
) -> None:
    (tmp_path / WANTED).write_text(json.dumps([["10.0.0.9", 6432], ["gone.internal", 5432]]))
    answer_from_now_on(tmp_path, applied, ("10.0.0.7",))
    assert open_ways(tmp_path, KNOWN, {"staging": KNOWN["staging"]}, applied=applied) == ()
    open_ways(tmp_path, KNOWN, {"production": KNOWN["production"]}, applied=applied)
    assert asked_for(tmp_path / WANTED) == [("10.0.0.9", 6432), ("db.internal", 5432)]


def test_a_place_that_policy_names_is_open_while_a_container_needs_it(tmp_path: Path, applied: Path) -> None:
    answer_from_now_on(tmp_path, applied, ("10.0.0.8",))
    place = ("reports.internal", 443)
    hosts = open_ways(tmp_path, KNOWN, {}, named=[place], places=[place], applied=applied)
    assert hosts == ("reports.internal:10.0.0.8",)
    open_ways(tmp_path, KNOWN, {}, named=[place], applied=applied)
    assert asked_for(tmp_path / WANTED) == [place]
    open_ways(tmp_path, KNOWN, {}, applied=applied)
    assert asked_for(tmp_path / WANTED) == []


def test_an_answer_from_before_is_none(tmp_path: Path, applied: Path) -> None:
    """A name may stand for another address by now."""
    reach.apply(
        {("10.0.0.9", 6432): (ip_address("10.0.0.9"),)}, time.time() - 60, applied.parent, lambda: True
    )
    with pytest.raises(WorkFailedError, match="has not let this step reach") as failed:
        open_ways(tmp_path, KNOWN, {"staging": KNOWN["staging"]}, applied=applied, within_s=0)
    assert "systemctl status appliance-reach.path" in failed.value.next_step


def test_where_no_firewall_guards_the_steps_nothing_is_asked(tmp_path: Path) -> None:
    assert open_ways(tmp_path, KNOWN, KNOWN, applied=tmp_path / "nowhere" / "applied.json") == ()
    assert not (tmp_path / WANTED).exists()


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "fe80::a9fe:a9fe", "100.100.100.200"),
        *("127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "ff02::1"),
    ],
)
def test_no_name_leads_to_a_clouds_metadata_or_back_to_the_machine(address: str) -> None:
    assert not reach.is_reachable(ip_address(address))
    assert reach.look_up((address, 80)) == ()


def test_the_firewall_is_told_addresses_and_ports_and_no_names() -> None:
    ways = {
        ("db.internal", 5432): (ip_address("10.0.0.7"), ip_address("fd12::7")),
        ("also.internal", 5432): (ip_address("10.0.0.7"),),
    }
    assert reach.elements(ways).splitlines()[1:] == [
        "add element inet appliance reachable4 { 10.0.0.7 . 5432 }",
        "add element inet appliance reachable6 { fd12::7 . 5432 }",
    ]


@pytest.mark.parametrize(
    "text",
    [b"", b"no json", b"{}", b'[["db"]]', b'[["db", "; flush ruleset"]]', b'[["db", 0], ["db", 70000]]'],
)
def test_what_is_no_place_is_not_asked_for(text: bytes) -> None:
    assert reach.places_in(text) == []


def test_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "other").write_text('[["db", 1]]')
    (tmp_path / WANTED).symlink_to(tmp_path / "other")
    assert reach.read_asked(tmp_path / WANTED) == b""
    assert reach.places_in(reach.read_asked(tmp_path / "other")) == [("db", 1)]


def test_nothing_is_said_to_be_open_that_the_firewall_did_not_take(tmp_path: Path) -> None:
    assert reach.apply({}, 1.0, tmp_path, lambda: False) == 1
    assert not (tmp_path / reach.APPLIED).exists()


def test_steps_are_refused_all_but_the_connections() -> None:
    rules = ruleset(ssh=[22], allowed=[], from_steps=[])
    forwarded = rules.partition("chain from_steps {")[2].partition("}\n}")[0].strip().splitlines()
    assert [line.strip() for line in forwarded] == [
        "ct state established,related accept",
        'ip daddr 169.254.0.0/16 reject comment "a cloud\'s metadata"',
        'ip6 daddr { fe80::/10, fd00:ec2::/64 } reject comment "a cloud\'s metadata"',
        "ip daddr . tcp dport @reachable4 accept",
        "ip6 daddr . tcp dport @reachable6 accept",
        "reject",
    ]
    entered = rules.partition("chain input {")[2]
    assert entered.index('iifname { "docker0", "br-*" } drop') < entered.index("icmp")


def test_in_compose_steps_are_on_a_network_that_has_no_way_out() -> None:
    text = (Path(__file__).parents[2] / "compose" / "compose.yaml").read_text()
    document = yaml.safe_load(text)
    assert document["x-appliance"]["environment"]["APPLIANCE_STEPS_NETWORK"].endswith("_data")
    assert document["networks"]["data"] == {"internal": True}
    on_it = {
        name for name, service in document["services"].items() if "data" in (service.get("networks") or [])
    }
    assert on_it == {"production", "staging", "bucket", "timers", "operator"}
    # A step reaches both, and nothing listens there.
    assert document["services"]["operator"]["command"] == ["sleep", "infinity"]
    assert document["services"]["timers"]["command"] == ["timed-work"]
