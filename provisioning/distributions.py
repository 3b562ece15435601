"""What differs between the distributions that the appliance supports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """One supported release of a distribution."""

    name: str
    codename: str
    python: str
    postgres: int
    docker_packages: tuple[str, ...]

    @property
    def family(self) -> str:
        """``debian`` or ``ubuntu``, as /etc/os-release has it in ID."""
        return self.name.split()[0].lower()

    @property
    def base_image(self) -> str:
        """The image that is as bare as the distribution gets."""
        return f"debian:{self.codename}-slim" if self.family == "debian" else f"ubuntu:{self.codename}"

    @property
    def packages(self) -> tuple[str, ...]:
        """Every Debian package that the deploy installs."""
        base = ("ca-certificates", "python3", "nftables", "iptables", "openssl")
        return (*base, *self.docker_packages, f"postgresql-{self.postgres}", "postgresql-client-common")


SUPPORTED = {
    ("debian", "12"): Distribution("Debian 12", "bookworm", "3.11", 15, ("docker.io",)),
    ("debian", "13"): Distribution("Debian 13", "trixie", "3.13", 17, ("docker.io", "docker-cli")),
    ("ubuntu", "24.04"): Distribution("Ubuntu 24.04", "noble", "3.12", 16, ("docker.io",)),
}


def parse_os_release(text: str) -> dict[str, str]:
    """The keys of /etc/os-release."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def recognise(os_release: str) -> Distribution | None:
    """The distribution that /etc/os-release describes, or None where it is not supported."""
    keys = parse_os_release(os_release)
    return SUPPORTED.get((keys.get("ID", ""), keys.get("VERSION_ID", "")))
