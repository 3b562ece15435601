"""Turn a bare VM into an appliance, or bring an appliance up to date.

    pyinfra INVENTORY provisioning/deploy.py

The knobs are in group_data/all.py, and docs/install.md walks through an installation.
"""

import sys
from pathlib import Path

from pyinfra.api.exceptions import DeployError
from pyinfra.context import config, host
from pyinfra.facts.server import User

# pyinfra puts only its working folder on the path, and the deploy must run from anywhere.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from provisioning.certificates.deployer import Certificates
from provisioning.docker.deployer import Docker
from provisioning.firewall.deployer import Firewall
from provisioning.knobs import WrongKnobError, check_names, read_knobs
from provisioning.packages.deployer import Packages
from provisioning.postgres.deployer import Postgres
from provisioning.preflight.deployer import Preflight
from provisioning.release.deployer import OfflinePackages, Release
from provisioning.stages import perform
from provisioning.units.deployer import Units

config.SUDO = host.get_fact(User) != "root"

try:
    check_names(host.inventory.get_override_data())
    knobs = read_knobs(host.data)
except WrongKnobError as error:
    raise DeployError(f"A knob of {host.name} is wrong. {error}") from None

release = Release(knobs)
perform(
    [
        Preflight(knobs),
        Certificates(knobs),
        Postgres(knobs),
        OfflinePackages(knobs),
        Packages(knobs),
        Docker(knobs),
        Firewall(knobs),
        release,
        Units(knobs, release),
    ]
)
