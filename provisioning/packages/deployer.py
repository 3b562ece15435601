"""Debian packages: where they come from, and which ones."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pyinfra.api.operation import OperationMeta
from pyinfra.operations import files

from provisioning.distributions import Distribution
from provisioning.knobs import Knobs
from provisioning.operations import ensured, packages, secret_file
from provisioning.preflight.deployer import distribution
from provisioning.stages import Deployer

OFFLINE_ARCHIVE = "/opt/appliance/debs"
_SOURCES = "/etc/apt/sources.list.d/appliance-mirror.sources"
_KEYRING = "/etc/apt/keyrings/appliance-mirror.gpg"
_DISTRIBUTION_KEYRING = {
    "debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
}
_COMPONENTS = {"debian": "main", "ubuntu": "main universe"}
# What a machine's own sources are renamed to while a mirror stands in for them: apt reads no such file.
_SET_ASIDE = "appliance-set-aside"


class Packages(Deployer):
    """apt's sources and proxy, then everything that is installed from packages, in one go."""

    def install(self) -> None:
        """Sources first; then one installation, so that apt resolves everything together."""
        changed = [*self._proxy(), *self._sources()]
        packages(name="Install Debian packages", names=distribution().packages, lists_stale_after=changed)

    def _proxy(self) -> list[OperationMeta]:
        path = "/etc/apt/apt.conf.d/90appliance-proxy"
        proxy = proxy_with_credentials(self.knobs)
        if proxy is None:
            return [files.file(name="Use no proxy for packages", path=path, present=False)]
        text = f'Acquire::http::Proxy "{proxy}";\nAcquire::https::Proxy "{proxy}";\n'
        return [secret_file(name="Use the proxy for packages", src=text.encode(), dest=path)]

    def _sources(self) -> list[OperationMeta]:
        found = distribution()
        text = offline_sources(found) if self.knobs.offline else mirror_sources(self.knobs, found)
        if text is None:
            return [
                files.file(name="Use the distribution's own package sources", path=_SOURCES, present=False),
                _own_sources(aside=False),
            ]
        operations = [
            files.put(
                name="Write the package sources",
                src=StringIO(text),
                dest=_SOURCES,
                mode="644",
            ),
            _own_sources(aside=True),
        ]
        if self.knobs.package_mirror_keyring:
            operations.append(
                files.put(
                    name="Upload the mirror's keyring",
                    src=self.knobs.package_mirror_keyring,
                    dest=_KEYRING,
                    mode="644",
                )
            )
        return operations


def proxy_with_credentials(knobs: Knobs) -> str | None:
    """The proxy's URL with user and password in it: a secret, for files that only root reads."""
    if knobs.http_proxy is None or knobs.http_proxy_credentials_file is None:
        return knobs.http_proxy
    user, _, password = (
        Path(knobs.http_proxy_credentials_file).read_text(encoding="utf-8").strip().partition(":")
    )
    parts = urlsplit(knobs.http_proxy)
    address = f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"
    return urlunsplit(parts._replace(netloc=address))


def mirror_sources(knobs: Knobs, found: Distribution) -> str | None:
    """apt's sources for the mirror, or None where there is none."""
    if knobs.package_mirror is None:
        return None
    keyring = _KEYRING if knobs.package_mirror_keyring else _DISTRIBUTION_KEYRING[found.family]
    stanzas = [(knobs.package_mirror, f"{found.codename} {found.codename}-updates")]
    if knobs.package_mirror_security:
        stanzas.append((knobs.package_mirror_security, f"{found.codename}-security"))
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {suites}\n"
        f"Components: {_COMPONENTS[found.family]}\nSigned-By: {keyring}\n"
        for uri, suites in stanzas
    )


def offline_sources(found: Distribution) -> str:
    """The bundle's own packages. Each was checked against the bundle's manifest while it was unpacked."""
    return f"Types: deb\nURIs: file:{OFFLINE_ARCHIVE}/{found.codename}\nSuites: ./\nTrusted: yes\n"


def _own_sources(aside: bool) -> OperationMeta:
    """Set the machine's own sources aside, or bring them back: apt would wait for what is out of reach."""
    find = "find /etc/apt -maxdepth 2 -type f"
    own = r"\( -name sources.list -o -path '*/sources.list.d/*.sources' -o -path '*/sources.list.d/*.list' \)"
    ours = f"! -path {_SOURCES}"
    if aside:
        listing = f"{find} {own} {ours} -size +0"
        move = f'mv "$1" "$1.{_SET_ASIDE}"'
    else:
        listing = f"{find} -name '*.{_SET_ASIDE}'"
        move = f'mv "$1" "${{1%.{_SET_ASIDE}}}"'
    return ensured(
        name="Set other package sources aside" if aside else "Bring back package sources that were set aside",
        commands=[f"{listing} -exec sh -c '{move}' sh {{}} \\;"],
        unless=f'test -z "$({listing})"',
    )
