"""What containers of the customer's own are tried with: a customer's image, and a run that has delivered."""

from __future__ import annotations

import json
import secrets
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from appliance.errors import ApplianceError
from appliance.exports.container_output import output_name
from appliance.exports.stored import find_export
from appliance.orchestration.containers.inputs import instance_name
from appliance.orchestration.handover.running import Handover
from appliance.policy.policy import Policy
from appliance.policy.trusted_images import TrustedImage
from appliance.settings.settings import Settings, load_settings
from appliance.steps.calling.call import StepCall
from appliance.steps.calling.container_result import ContainerResult
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.document import Workflow

IMAGE = "appliance-test-report:1"
RUN = "handing-1"


@pytest.fixture(scope="session")
def report_image(step_image: str) -> Iterator[str]:
    """An image of a customer's: Python and psql, with an entry point of its own. Its id."""
    name = f"appliance-test-report-{secrets.token_hex(4)}"
    text = f'FROM {step_image}\nENTRYPOINT ["python"]\n'
    subprocess.run(
        ["docker", "build", "-q", "-t", name, "-"], input=text.encode(), check=True, capture_output=True
    )
    found = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", name],
        check=True,
        capture_output=True,
        text=True,
    )
    yield found.stdout.strip()
    subprocess.run(["docker", "image", "rm", "-f", name], check=False, capture_output=True)


@dataclass
class Rig:
    """An appliance's folders, and a run in them that has delivered one file."""

    settings: Settings
    image_id: str | None
    lines: list[str] = field(default_factory=list)

    @property
    def client(self) -> docker.APIClient:
        return docker.from_env(version="auto").api

    def handover(self, program: str, *, spec: dict[str, Any] | None = None, **container: Any) -> Handover:
        """A container that runs this Python program."""
        entry = {"image": IMAGE, "args": ["-c", textwrap.dedent(program)], **container}
        deliver = [{"twin": {"connection": "staging"}}, {"files": {"format": "csv"}}, {"container": entry}]
        document = {"id": "handing", "source": "p", "tables": {"include": ["public.*"]}, "deliver": deliver}
        run = RunSpec(
            run_id=RUN,
            workflow=Workflow.model_validate(document),
            origin="local",
            policy=Policy(),
            created_at=datetime.now(UTC),
            appliance_version="0",
            images={IMAGE: TrustedImage(reference=IMAGE, image_id=self.image_id)},
            **(spec or {}),
        )
        return Handover(
            client=self.client,
            settings=self.settings,
            spec=run,
            call=StepCall(RUN, "handing", "container", delivery=2),
            twins={},
            exports_dir=self.settings.exports_dir,
            secrets_dir=self.settings.runtime_dir / RUN / f"container-2-{secrets.token_hex(4)}",
            log=self.lines.append,
        )

    def run(self, program: str, **container: Any) -> ContainerResult:
        """Run it to its end; nothing of it may stay behind."""
        try:
            return self.handover(program, **container).hand_over()
        finally:
            assert self.left() == []

    def failure(self, program: str, **container: Any) -> str:
        with pytest.raises(ApplianceError) as caught:
            self.run(program, **container)
        assert caught.value.next_step
        folder = self.settings.exports_dir / "handing"
        assert [each.name for each in folder.iterdir()] == [RUN], "nothing is delivered, and the files stay"
        return caught.value.text()

    def left(self) -> list[str]:
        label = {"label": f"appliance.instance={instance_name(self.settings, self.client)}"}
        found = [each["Id"] for each in self.client.containers(all=True, filters=label)]
        found += [each["Name"] for each in self.client.networks(filters=label)]
        return [*found, *(str(path) for path in self.settings.runtime_dir.iterdir())]

    def read(self, name: str) -> str:
        export = find_export(self.settings.exports_dir, output_name(RUN, 2))
        return (export.folder / "out" / name).read_text()


@pytest.fixture
def rig(tmp_path: Path, step_image: str, report_image: str) -> Rig:
    for name in ("etc/secrets", "state/exports/handing/" + RUN, "run"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "state/exports/handing" / RUN / "public.customer.csv.gz").write_text("id\n1\n")
    manifest = {"version": 2, "workflow": "handing", "run": RUN, "appliance_version": "0", "formats": []}
    manifest["created_at"] = datetime.now(UTC).isoformat()
    (tmp_path / "state/exports/handing" / RUN / "manifest.json").write_text(json.dumps(manifest))
    given = {
        "APPLIANCE_CONFIG_DIR": str(tmp_path / "etc"),
        "APPLIANCE_STATE_DIR": str(tmp_path / "state"),
        "APPLIANCE_RUNTIME_DIR": str(tmp_path / "run"),
        "APPLIANCE_STEPS_IMAGE": step_image,
    }
    (tmp_path / "appliance.yaml").write_text("{}\n")
    return Rig(load_settings(tmp_path / "appliance.yaml", given), report_image)
