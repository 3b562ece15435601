"""What the deploy leaves: who listens, who may read what, who reaches Docker, how closed the units are."""

from __future__ import annotations

import json

from tests.vm.conftest import SAMPLE_PORT, Appliance
from tests.vm.running import wait_until
from tests.vm.sample_database import make_sample, packed

STRICT = (
    *("appliance-status", "appliance-upkeep", "appliance-api-server", "appliance-dag-processor"),
    "appliance-prepare",
    *("appliance-branches", "appliance-cleanup", "appliance-firewall", "appliance-reach", "appliance-update"),
    "appliance-watch",
)
REACH_DOCKER = ("appliance-scheduler", "appliance-reaper")


def test_all_units_are_running(appliance: Appliance) -> None:
    for name in ("api-server", "dag-processor", "scheduler", "upkeep", "status"):
        service = appliance.host.service(f"appliance-{name}")
        assert service.is_running, name
        assert service.is_enabled, name
    for name in (
        "branches.timer",
        "cleanup.timer",
        "reaper.timer",
        "update.timer",
        "update.path",
        "watch.path",
    ):
        assert appliance.host.service(f"appliance-{name}").is_enabled, name


def test_nothing_listens_beyond_loopback_but_ssh(appliance: Appliance) -> None:
    lines = appliance.vm.sudo("ss -Hltun").splitlines()
    addresses = [line.split()[4] for line in lines]
    beyond = {address for address in addresses if not address.startswith(("127.", "[::1]"))}
    assert {address.rsplit(":", 1)[1] for address in beyond} <= {"22", str(SAMPLE_PORT), "68"}


def test_units_are_as_closed_as_what_they_do_allows(appliance: Appliance) -> None:
    open_wide = {}
    for unit in (*STRICT, *REACH_DOCKER):
        limit = 20 if unit in STRICT else 40
        gate = f"systemd-analyze security --offline=true --no-pager --threshold={limit} {unit}.service"
        done = appliance.vm.ssh(gate, check=False)
        if done.returncode != 0:
            open_wide[unit] = done.stdout
    assert open_wide == {}


def test_only_two_units_and_no_person_reach_docker(appliance: Appliance) -> None:
    assert appliance.vm.sudo("stat -c '%A %U %G' /run/docker.sock") == "srw-rw---- root docker"
    assert appliance.vm.sudo("getent group docker").split(":")[3] == ""
    granted = appliance.vm.sudo(
        "grep -lE '^(SupplementaryGroups|Group)=.*docker' /etc/systemd/system/*.service"
    )
    assert {path.rsplit("/", 1)[1] for path in granted.splitlines()} == {f"{u}.service" for u in REACH_DOCKER}
    # And of the processes that run: none but root's and the scheduler's carries the group.
    group = appliance.vm.sudo("getent group docker").split(":")[2]
    holders = f"grep -lE '^Groups:.*\\b{group}\\b' /proc/[0-9]*/status | cut -d/ -f3"
    cgroups = appliance.vm.sudo(f"for pid in $({holders}); do cat /proc/$pid/cgroup; done", check=False)
    units = {part for line in cgroups.splitlines() for part in line.split("/") if part.endswith(".service")}
    assert units <= {f"{unit}.service" for unit in REACH_DOCKER} | {"docker.service"}


def test_no_ordinary_user_can_read_a_secret(appliance: Appliance) -> None:
    patterns = appliance.patterns()
    places = "/etc /var/lib/appliance /var/log /run /opt/appliance /usr/local /tmp /var/tmp /home"
    search = f"grep -rlFf /dev/stdin {places} 2>/dev/null < {patterns}"
    assert appliance.vm.sudo(f"runuser -u nobody -- {search}", check=False) == ""
    assert (
        appliance.vm.sudo(f"cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -cFf {patterns}", check=False)
        == "0"
    )


def test_secrets_lie_where_only_their_owner_reads_them(appliance: Appliance) -> None:
    places = "/etc /var/lib /var/log /run /opt/appliance /usr/local /tmp /var/tmp /home"
    search = f"grep -rlFf {appliance.patterns()} {places} --exclude-dir=site-packages 2>/dev/null"
    found = appliance.vm.sudo(search, check=False).splitlines()
    assert {"/etc/appliance/connections.yaml", "/etc/appliance/enrolment-token"} <= set(found)
    assert {path: appliance.vm.sudo(f"stat -c %a {path}") for path in found} == dict.fromkeys(
        found, "600"
    ) | {path: "400" for path in found if path.endswith("-token")}


def test_the_database_is_reached_by_peer_authentication_alone(appliance: Appliance) -> None:
    ask = 'psql -XAtq -h /run/postgresql "dbname=appliance user=appliance" -c "SELECT current_user"'
    assert appliance.vm.sudo(f"cd / && runuser -u appliance -- {ask}") == "appliance"
    assert appliance.vm.sudo(f"cd / && {ask}") == "appliance"
    assert appliance.vm.sudo(f"cd / && runuser -u nobody -- {ask}", check=False) == ""
    assert "5432" not in appliance.vm.sudo("ss -Hltn")


AS_STATUS = "setpriv --reuid appliance-status --regid appliance-status --groups appliance"
"""With all that its unit gives it."""


def test_the_status_service_reads_neither_keys_nor_connections(appliance: Appliance) -> None:
    vm = appliance.vm
    pid = vm.sudo("systemctl show appliance-status -p MainPID --value")
    assert vm.sudo(f"ps -o user:20= --pid {pid} --ppid {pid} | sort -u") == "appliance-status"
    assert "policy" in vm.sudo(f"{AS_STATUS} ls /etc/appliance /etc/appliance/workflows && echo policy")
    assert vm.sudo(f"{AS_STATUS} cat /etc/appliance/appliance.yaml") != ""
    for forbidden in (
        "cat /etc/appliance/connections.yaml",
        "ls /var/lib/appliance/keys",
        "cat /var/lib/appliance/keys/mask.key",
        "cat /var/lib/appliance/keys/airflow-jwt",
        "ls /var/lib/appliance/runs",
        "ls /var/lib/appliance/exports",
        "ls /run/appliance",
        "test -w /run/docker.sock",
        "touch /var/lib/appliance/mine",
        "touch /etc/appliance/workflows/mine.yaml",
    ):
        assert vm.ssh(f"sudo {AS_STATUS} {forbidden}", check=False).returncode != 0, forbidden
    # And what does the appliance's work does not listen.
    assert vm.sudo("systemctl show appliance-upkeep -p User --value") == "appliance"
    noted = json.loads(vm.sudo(f"{AS_STATUS} cat /run/appliance/connections-note.json"))
    assert set(noted["states"]) == {"production", "staging"}
    assert json.loads(vm.sudo("appliance status --json"))["reasons"] == []


def test_the_status_services_role_changes_no_run(appliance: Appliance) -> None:
    ask = 'psql -XAtq -v ON_ERROR_STOP=1 -h /run/postgresql "dbname=appliance user=appliance_status"'
    as_status = f"cd / && runuser -u appliance-status -- {ask}"
    assert appliance.vm.sudo(f'{as_status} -c "SELECT count(*) >= 0 FROM appliance.run"') == "t"
    assert appliance.vm.sudo(f'{as_status} -c "DELETE FROM appliance.run"; echo $?') != "0"
    assert appliance.vm.sudo(f"cd / && runuser -u appliance -- {ask} -c 'SELECT 1'", check=False) == ""
    as_owner = f"{as_status} -c 'SELECT 1'".replace("user=appliance_status", "user=appliance")
    assert appliance.vm.sudo(as_owner, check=False) == ""


def test_docker_bounds_logs_outlives_its_restarts_and_uses_slices(appliance: Appliance) -> None:
    info = json.loads(appliance.vm.sudo("docker info --format '{{json .}}'"))
    assert info["LiveRestoreEnabled"] is True
    assert info["CgroupDriver"] == "systemd"
    assert {pool["Base"] for pool in info["DefaultAddressPools"]} == {"172.29.0.0/16"}
    daemon = json.loads(appliance.vm.sudo("cat /etc/docker/daemon.json"))
    assert daemon["log-opts"] == {"max-size": "10m", "max-file": "3"}


def test_the_command_line_is_on_the_path_with_completion_and_a_manual(appliance: Appliance) -> None:
    assert "0.1" in appliance.vm.ssh("appliance --version").stdout
    page = appliance.vm.ssh("cat /usr/local/share/man/man1/appliance.1").stdout
    assert page.startswith(".TH APPLIANCE 1")
    assert "appliance workflow validate" in page
    for path in (
        "/usr/share/bash-completion/completions/appliance",
        "/usr/local/share/zsh/site-functions/_appliance",
        "/usr/share/fish/vendor_completions.d/appliance.fish",
    ):
        assert "appliance" in appliance.vm.ssh(f"cat {path}").stdout


def test_the_release_belongs_to_root_and_is_whole(appliance: Appliance) -> None:
    current = appliance.vm.ssh("readlink /opt/appliance/current").stdout.strip()
    assert current.startswith("/opt/appliance/releases/")
    assert appliance.vm.sudo(f"find {current} ! -user root -o -perm /022 ! -type l | head -3") == ""
    assert appliance.vm.sudo("ls -A /opt/appliance/upload 2>/dev/null", check=False) == ""


def test_services_log_to_the_journal_alone_and_it_is_bounded(appliance: Appliance) -> None:
    settings = appliance.vm.sudo("systemd-analyze cat-config systemd/journald.conf")
    assert "SystemMaxUse=512M" in settings
    for unit in ("appliance-scheduler", "appliance-status"):
        assert appliance.vm.sudo(f"systemctl show {unit} -p StandardOutput --value") == "journal"


def test_steps_may_not_reach_the_host_but_for_the_ports_that_were_allowed(appliance: Appliance) -> None:
    rules = appliance.vm.sudo("nft list table inet appliance")
    assert "policy drop" in rules
    assert str(SAMPLE_PORT) in rules
    code = "import socket,sys; s=socket.socket(); s.settimeout(3); sys.exit(s.connect_ex(('172.29.0.1', 22)))"
    image = appliance.vm.sudo("docker image ls --format '{{.Repository}}:{{.Tag}}' appliance-step")
    tried = f'docker run --rm --entrypoint python {image} -c "{code}"'
    assert appliance.vm.ssh(f"sudo {tried}", check=False).returncode != 0


FOREIGN = "192.0.2.2"
METADATA = "169.254.169.254"
NEIGHBOUR = f"""\
set -e
ip netns add foreign
ip link add to-foreign type veth peer name from-foreign netns foreign
ip address add 192.0.2.1/24 dev to-foreign && ip link set to-foreign up
ip -n foreign address add {FOREIGN}/24 dev from-foreign && ip -n foreign link set from-foreign up
ip -n foreign address add {METADATA}/32 dev lo && ip -n foreign link set lo up
ip -n foreign route add default via 192.0.2.1
ip route add {METADATA} via {FOREIGN}
echo {FOREIGN} database.test >> /etc/hosts
for port in 80 81; do
  systemd-run --quiet --unit foreign-$port --property NetworkNamespacePath=/run/netns/foreign \
    python3 -m http.server $port --directory /run/systemd
done
"""
"""A foreign machine, and a cloud's metadata, both an open door to any caller that may reach them."""


def test_steps_reach_the_connections_addresses_and_nothing_else(appliance: Appliance) -> None:
    vm = appliance.vm
    vm.sudo(f"printf %s {packed(NEIGHBOUR)} | base64 -d | sh")
    try:
        for address in (FOREIGN, METADATA):
            wait_until(appliance, f"printf %s {packed(connecting(address, 80))} | base64 -d | python3")
        assert not from_a_step(appliance, FOREIGN, 80)
        assert not from_a_step(appliance, METADATA, 80)
        wanted = json.dumps([["database.test", 80], [METADATA, 80], ["172.29.0.1", SAMPLE_PORT]])
        ask = f"printf %s {packed(wanted)} | base64 -d > /run/appliance/reach.json"
        vm.sudo(f"runuser -u appliance -- sh -c '{ask}'")
        wait_until(appliance, "grep -q database.test /run/appliance-firewall/applied.json")
        assert from_a_step(appliance, FOREIGN, 80)
        assert not from_a_step(appliance, FOREIGN, 81)
        assert not from_a_step(appliance, METADATA, 80)
        # Nor another container's ports, a name server's, or the host's own status page.
        assert not from_a_step(appliance, "172.29.0.1", 8642)
        vm.sudo("systemctl restart appliance-firewall")
        assert from_a_step(appliance, FOREIGN, 80)
        assert not from_a_step(appliance, FOREIGN, 81)
    finally:
        vm.sudo(
            "systemctl stop foreign-80 foreign-81; ip netns delete foreign; rm -f /run/appliance/reach.json"
        )


def test_a_step_has_no_ipv6_to_go_around_with(appliance: Appliance) -> None:
    code = (
        "import socket,sys; s=socket.socket(socket.AF_INET6); s.settimeout(3);"
        ' sys.exit(s.connect_ex(("fd00:ec2::254", 80)) == 0)'
    )
    assert appliance.vm.ssh(f"sudo {in_a_step(appliance, code)}", check=False).returncode == 0


def connecting(address: str, port: int) -> str:
    """A program that succeeds where it can connect."""
    return f'import socket; socket.create_connection(("{address}", {port}), 3)'


def in_a_step(appliance: Appliance, code: str) -> str:
    """The command that runs a program where steps run."""
    image = appliance.vm.sudo("docker image ls --format '{{.Repository}}:{{.Tag}}' appliance-step")
    return f"docker run --rm --entrypoint python {image} -c '{code}'"


def from_a_step(appliance: Appliance, address: str, port: int) -> bool:
    """Whether a step's container gets through."""
    done = appliance.vm.ssh(f"sudo {in_a_step(appliance, connecting(address, port))}", check=False)
    assert done.returncode in (0, 1), done
    return done.returncode == 0


def test_a_step_that_eats_memory_is_stopped_by_the_ceiling_of_all_steps(appliance: Appliance) -> None:
    image = appliance.vm.sudo("docker image ls --format '{{.Repository}}:{{.Tag}}' appliance-step")
    code = "block = bytearray(1536 << 20); block[::4096] = bytes(len(block[::4096])); print(len(block))"
    command = f'docker run --rm --cgroup-parent appliance-steps.slice --entrypoint python {image} -c "{code}"'
    done = appliance.vm.ssh(f"sudo {command}", check=False)
    assert (done.returncode, done.stdout) == (137, "")
    for name in ("scheduler", "status", "api-server"):
        assert appliance.host.service(f"appliance-{name}").is_running


def test_preflight_finds_the_host_fit_and_sees_who_listens(appliance: Appliance) -> None:
    make_sample(appliance)
    answer = json.loads(appliance.vm.sudo("appliance preflight --json"))
    assert answer["ok"], answer
    found = {each["check"]: each["state"] for each in answer["findings"]}
    for check in (
        "system",
        "init",
        "kernel",
        "cgroups",
        "ports",
        "keys",
        "docker",
        "docker access",
    ):
        assert found[check] == "ok", answer


def test_the_connections_of_the_host_can_be_checked_on_it(appliance: Appliance) -> None:
    answer = appliance.vm.ssh("sudo appliance connections check --json", check=False).stdout
    assert {each["name"] for each in json.loads(answer)["connections"]} == {"production", "staging"}
    assert not [secret for secret in appliance.passwords.values() if secret in answer]
