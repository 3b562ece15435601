"""``python -m appliance.orchestration.probe``: prove this release once, for the updater."""

from __future__ import annotations

import sys

import appliance
from appliance.durable import write_file
from appliance.errors import ApplianceError, ExitCode
from appliance.orchestration.probe.performing import probe
from appliance.releases.probing import ANSWER, Proof
from appliance.settings.settings import load_settings


def main() -> int:
    """Probe, and write down what came of it."""
    settings = load_settings()
    why = ""
    try:
        probe(settings)
    except ApplianceError as error:
        why = error.explanation.line()
        sys.stderr.write(f"{error.text()}\n")
    answer = Proof(version=appliance.__version__, why=why)
    write_file(settings.update_dir / ANSWER, answer.model_dump_json(), durable=False, mode=0o644)
    return ExitCode.WORK_FAILED if why else ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
