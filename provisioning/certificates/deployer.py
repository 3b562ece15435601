"""Which certificate authorities the VM trusts, and the certificates that its services present or check."""

from __future__ import annotations

from pyinfra.operations import files

from provisioning.operations import ensured, secret_file
from provisioning.stages import Deployer

SITE_CA = "/usr/local/share/ca-certificates/appliance-site.crt"
SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
FOLDER = "/etc/appliance/certs"
STATUS_CERTIFICATE = f"{FOLDER}/status.crt"
STATUS_KEY = f"{FOLDER}/status.key"


class Certificates(Deployer):
    """The site's authorities come first of all: everything that is fetched later may depend on them."""

    def install(self) -> None:
        """Trust what the site trusts."""
        self._site()

    def configure(self) -> None:
        """Bring what connections.yaml and the status service name."""
        for name, path in sorted(self.knobs.certificates.items()):
            secret_file(
                name=f"Upload the certificate {name}",
                src=path,
                dest=f"{FOLDER}/{name}",
                user="appliance",
                group="appliance",
                mode="400",
            )
        if self.knobs.status_tls_certificate and self.knobs.status_tls_key:
            for src, dest in (
                (self.knobs.status_tls_certificate, STATUS_CERTIFICATE),
                (self.knobs.status_tls_key, STATUS_KEY),
            ):
                secret_file(
                    name=f"Upload {dest}",
                    src=src,
                    dest=dest,
                    user="appliance-status",
                    group="appliance-status",
                    mode="400",
                )

    def _site(self) -> None:
        if self.knobs.site_ca is None:
            files.file(name="Trust no authority of the site's own", path=SITE_CA, present=False)
            trusted = "test ! -e /etc/ssl/certs/appliance-site.pem"
        else:
            files.put(
                name="Upload the site's certificate authorities",
                src=self.knobs.site_ca,
                dest=SITE_CA,
                mode="644",
            )
            # Where the package is still to come, its installation takes the authorities up by itself.
            taken_up = f"test -e {SITE_CA} && test {SYSTEM_BUNDLE} -nt {SITE_CA}"
            trusted = f"! command -v update-ca-certificates || {{ {taken_up}; }}"
        ensured(
            name="Bring the trusted authorities up to date",
            commands=["update-ca-certificates --fresh >/dev/null"],
            unless=trusted,
        )
