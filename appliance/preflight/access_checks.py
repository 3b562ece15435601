"""Checks of who may do what, and of the ways out: keys, Docker, access control, dashboard, databases."""

from __future__ import annotations

from appliance.preflight.check import Check, adding_to, look, stop, well
from appliance.preflight.facts import Facts
from appliance.system.findings import Finding

KEY_DISTINCT = 12
"""Of 32 random bytes fewer than 20 are different once in a million million; a typed key has as few."""

CHECKS: list[Check] = []
check = adding_to(CHECKS)


@check("keys")
def _keys(facts: Facts) -> Finding:
    """Anyone who reads a key can undo what it protects; a weak or cut one protects nothing."""
    for key in facts.keys:
        if key.mode & 0o077:
            return stop(f"{key.path} can be read by others (mode {key.mode:04o}).", f"chmod 600 {key.path}")
        if key.wanted_bytes is not None and key.size != key.wanted_bytes:
            return stop(
                f"{key.path} has {key.size} bytes, and {key.wanted_bytes} are wanted.",
                "Restore it from a backup: another key gives other pseudonyms.",
            )
        if (
            key.wanted_bytes is not None
            and key.distinct_bytes is not None
            and key.distinct_bytes < KEY_DISTINCT
        ):
            return stop(
                f"{key.path} does not look random.",
                "Remove it, and let the appliance make one; pseudonyms will be others from then on.",
            )
    if not facts.keys:
        return well("There are no keys yet; they are made at the first start.")
    return well(f"Keys are for their owner only ({len(facts.keys)}).")


@check("users")
def _users(facts: Facts) -> Finding:
    """The units run as users of their own; a release may need one that an earlier one did without."""
    if not facts.lacking_users:
        return well("The users that the units run as are there.")
    if not facts.installed:
        return well("The users that the units run as are not there yet; the deploy makes them.")
    names = ", ".join(facts.lacking_users)
    return stop(
        f"A unit runs as a user that is not there: {names}.",
        "Deploy the release with pyinfra, as at the installation: it makes the user and its folders.",
    )


@check("locale")
def _locale(facts: Facts) -> Finding:
    """Names and logs are UTF-8."""
    if facts.system.locales is not None and not facts.system.locales & {"c.utf8", "en_us.utf8"}:
        return look("The system has no UTF-8 locale.", "apt-get install --reinstall libc-bin")
    return well("There is a UTF-8 locale.")


@check("docker")
def _docker(facts: Facts) -> Finding:
    """Steps run in containers."""
    docker = facts.docker
    if not docker.answers:
        if facts.installed:
            return stop("Docker does not answer.", "systemctl status docker; journalctl -u docker")
        found = "does not run yet" if docker.installed else "is not installed yet"
        return well(f"Docker {found}; the deploy sees to it.")
    if not docker.memory_limit:
        return stop("Docker cannot limit memory here.", "Start the kernel with cgroup_enable=memory.")
    if docker.storage not in {"overlay2", "overlayfs", "btrfs", "zfs"}:
        return look(
            f"Docker stores images with {docker.storage}, which is slow and takes much room.",
            "Give /var/lib/docker an ext4 or xfs file system.",
        )
    return well(f"Docker {docker.version}, {docker.storage}.")


@check("docker access")
def _docker_access(facts: Facts) -> Finding:
    """Who reaches Docker's socket is as good as root, and could look into every step."""
    docker = facts.docker
    if docker.socket_mode is not None and docker.socket_mode & 0o006:
        return stop(
            f"Everybody on this machine can reach docker.sock (mode {docker.socket_mode:04o}).",
            "chmod o= /run/docker.sock, and look for a SocketMode= in docker.socket",
        )
    if docker.members:
        names = ", ".join(docker.members)
        return look(
            f"Users that can reach docker.sock, and so become root: {names}.",
            f"gpasswd -d {docker.members[0]} {docker.socket_group or 'docker'}",
        )
    return well("Only root and the appliance's own units can reach docker.sock.")


@check("docker neighbours")
def _neighbours(facts: Facts) -> Finding:
    """The VM should be the appliance's alone: neighbours share its disk, memory and engine."""
    if facts.docker.foreign:
        names = ", ".join(facts.docker.foreign[:5])
        if more := len(facts.docker.foreign) - 5 if len(facts.docker.foreign) > 5 else 0:
            names += f" and {more} more"
        return look(f"Other containers run here: {names}.", "Move them to another machine.")
    return well("No containers but the appliance's.")


@check("access control")
def _lsm(facts: Facts) -> Finding:
    """AppArmor confines containers; SELinux in enforcing mode would keep steps from their folders."""
    if facts.system.selinux == "enforcing":
        return stop(
            "SELinux is enforcing, and step containers could not read their folders.",
            "setenforce 0, and SELINUX=permissive in /etc/selinux/config",
        )
    if not facts.system.apparmor:
        return look(
            "AppArmor is off: one layer less around the steps.", "apt-get install apparmor, and reboot"
        )
    return well("AppArmor is on.")


@check("firewall")
def _firewall(facts: Facts) -> Finding:
    """The deploy's rules are nftables."""
    if facts.system.nftables is False:
        return look(
            "The kernel has no nftables.", "Deploy with firewall=false, and use a firewall before the VM."
        )
    return well("nftables is there." if facts.system.nftables else "The deploy sees to nftables.")


@check("dashboard")
def _dashboard(facts: Facts) -> Finding:
    """Reports go there, and wait in the outbox while it is away."""
    if facts.dashboard is None:
        return well("No dashboard is set.")
    if facts.dashboard.problem:
        return look(
            f"{facts.dashboard.url} cannot be reached: {facts.dashboard.problem}.",
            "Let this machine out to that address, or set the proxy and the site's CA.",
        )
    return well(f"{facts.dashboard.url} answers.")


@check("databases")
def _databases(facts: Facts) -> Finding:
    """Sources and targets are reached from here; whether they can be used, `connections check` shows."""
    if facts.databases is None:
        return well("There is no connections.yaml that can be read yet.")
    troubled = [
        (name, finding)
        for name, findings in facts.databases
        for finding in findings
        if finding.state == "fail"
    ]
    if troubled:
        name, finding = troubled[0]
        return look(f"{name}: {finding.what}", f"{finding.next_step} Then: appliance connections check")
    return well(f"{len(facts.databases)} connections lead to something that answers.")
