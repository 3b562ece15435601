"""One container of the customer's own, from its image to what it has written. Knows no Airflow."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker

from appliance.connections.database import Connection
from appliance.connections.password_command import password_of
from appliance.durable import write_file
from appliance.errors import (
    ApplianceError,
    Explanation,
    WorkFailedError,
    WrongRequestError,
)
from appliance.exports.container_output import (
    OUT,
    UnusableOutputError,
    complete,
    output_name,
    written_bytes,
)
from appliance.exports.manifest import read_manifest
from appliance.exports.writing import export_folder, find_finished, finish_export
from appliance.orchestration.containers.attempt import DockerTrouble, EngineAwayError
from appliance.orchestration.containers.container import StepLimits, labels_of, same_place
from appliance.orchestration.containers.host_paths import host_path
from appliance.orchestration.containers.inputs import instance_name
from appliance.orchestration.containers.reaping import remove_networks
from appliance.orchestration.handover import failures
from appliance.orchestration.handover.attempt import ContainerRun, HandoverFailedError
from appliance.orchestration.handover.container import (
    SECRETS,
    SERVICE,
    Folders,
    container_settings,
    created,
)
from appliance.orchestration.handover.images import image_to_run
from appliance.orchestration.handover.network import RelayPlan, addresses_of, own_network
from appliance.orchestration.handover.secrets import read_secret
from appliance.run_folder import StopRequest
from appliance.scrubbing.scrub import Scrubber
from appliance.settings.settings import Settings
from appliance.steps.calling.call import StepCall
from appliance.steps.calling.container_result import ContainerResult
from appliance.steps.calling.secrets import write_service
from appliance.steps.records.run_spec import RunSpec
from appliance.system import container_labels
from appliance.workflow.deliveries.container_delivery import ContainerDelivery

MIB = 2**20


class HandoverStoppedError(WorkFailedError):
    """The run was asked to stop."""

    def __init__(self, request: StopRequest | None) -> None:
        super().__init__(request.why if request else "The step container was interrupted.")
        self.request = request


@dataclass
class Handover:
    """One container delivery of one run."""

    client: docker.APIClient
    settings: Settings
    spec: RunSpec
    call: StepCall
    twins: Mapping[str, Connection]
    """The connections of the workflow's twins, where the container reaches them."""
    exports_dir: Path
    secrets_dir: Path
    """Made here, on tmpfs, and removed."""
    log: Callable[[str], None]
    asked_to_stop: Callable[[], StopRequest | None] = lambda: None
    addresses: Callable[[str, int], tuple[str, ...]] = addresses_of
    run: ContainerRun | None = field(default=None, init=False)

    @property
    def container(self) -> ContainerDelivery:
        """As the workflow has it."""
        return self.spec.workflow.containers[self.call.delivery or 0]

    @property
    def name(self) -> str:
        """Of the export that it becomes."""
        return output_name(self.spec.run_id, self.call.delivery or 0)

    def hand_over(self) -> ContainerResult:
        """Run it to its end and keep what it wrote.

        Raises HandoverFailedError, HandoverStoppedError, our other errors for what is missing here; whatever
        happens, neither container nor network nor secret stays.
        """
        began = time.monotonic()
        workflow = self.spec.workflow.id
        if (finished := find_finished(self.exports_dir, workflow, self.name)) is not None:
            return self._result(began, None, finished)
        self._run_of().remove_stale()
        image_id = image_to_run(
            self.client, self.spec.images[self.container.image], self.settings.registries_file
        )
        with export_folder(self.exports_dir, workflow, self.name) as hidden:
            try:
                _clear(hidden)
                (hidden / OUT).mkdir(mode=0o700)
                self._perform(image_id, hidden)
                files = self._kept(hidden)
            except BaseException:
                shutil.rmtree(hidden, ignore_errors=True)
                raise
            if not files:
                shutil.rmtree(hidden, ignore_errors=True)
        return self._result(began, image_id, finish_export(self.exports_dir, workflow, self.name))

    def _perform(self, image_id: str, hidden: Path) -> None:
        labels = labels_of(instance_name(self.settings, self.client), self.call)
        user = f"{os.getuid()}:{os.getgid()}"
        relays = RelayPlan(self.settings.steps.image, self._limits(), labels, user, self.addresses)
        name = f"appliance-{labels_suffix(labels)}"
        try:
            remove_networks(self.client, same_place(labels[container_labels.INSTANCE], self.call))
        except DockerTrouble as error:
            raise EngineAwayError(error) from None
        with (
            self._secrets() as secret_values,
            own_network(self.client, name, self._places(), relays) as network,
        ):
            if self.container.reads == "twin":
                twin = next(iter(self.twins.values()))
                address = network.hosts[twin.host]
                write_service(self.secrets_dir, SERVICE, twin, address, seen_at=SECRETS)
            scrubber = Scrubber([*secret_values, *(password_of(each) for each in self.twins.values())])
            self.run = self._run_of(scrubber)
            folders = Folders(
                Path(host_path(self.client, self.secrets_dir)),
                Path(host_path(self.client, hidden / OUT)),
                self._data(),
            )
            host_config = self.client.create_host_config(
                **container_settings(self._limits(), folders, network)
            )
            try:
                self.run.launch(
                    self.container,
                    created(image_id, self.call, self.container, user, labels, host_config),
                    scrubber.clean,
                )
                self.run.watch_out(hidden / OUT, self.container.out_max_mb * MIB)
                self.run.follow()
                self._raise_for(self.run)
            finally:
                self.run.remove()

    def _raise_for(self, run: ContainerRun) -> None:
        tail = tuple(run.output.tail)
        if run.stopped_by is not None or run.interrupted:
            raise HandoverStoppedError(run.stopped_by)
        if run.wrote_too_much:
            raise HandoverFailedError(failures.too_much(self.container), tail)
        if run.out_of_time:
            raise HandoverFailedError(failures.out_of_time(self.container), tail)
        if not run.state.worked:
            explanation = failures.by_state(self.container, run.state, self._limits().memory_mb)
            raise HandoverFailedError(explanation, tail)

    def _kept(self, hidden: Path) -> int:
        if written_bytes(hidden / OUT) > self.container.out_max_mb * MIB:
            raise HandoverFailedError(failures.too_much(self.container))
        try:
            return complete(
                hidden, workflow=self.spec.workflow.id, name=self.name, image=self.container.image
            )
        except UnusableOutputError as error:
            raise HandoverFailedError(failures.not_kept(self.container, str(error))) from None
        except OSError as error:
            why = f"{error.strerror or type(error).__name__}."
            raise HandoverFailedError(failures.not_kept(self.container, why)) from None

    def _result(self, began: float, image_id: str | None, export: Path | None) -> ContainerResult:
        manifest = read_manifest(export) if export is not None else None
        return ContainerResult(
            image=self.container.image,
            image_id=image_id,
            worked=True,
            export=self.name if manifest else None,
            files=len(manifest.files) if manifest else 0,
            bytes=manifest.bytes if manifest else 0,
            seconds=round(time.monotonic() - began, 3),
        )

    def _run_of(self, scrubber: Scrubber | None = None) -> ContainerRun:
        scrubber = scrubber or Scrubber()
        return ContainerRun(
            self.client,
            self.call,
            instance=instance_name(self.settings, self.client),
            connect=lambda: docker.from_env(version=self.client.api_version).api,
            image=self.container.image,
            limits=self._limits(),
            store=None,
            deadline=datetime.now(UTC) + timedelta(minutes=self.container.timeout_min),
            asked_to_stop=self.asked_to_stop,
            log=self.log,
            clean=scrubber.clean,
            clean_line=scrubber.stream(),
        )

    def _limits(self) -> StepLimits:
        steps = self.settings.steps
        return StepLimits(
            memory_mb=min(self.container.memory_mb, steps.max_memory_mb),
            cpus=min(self.container.cpus, steps.max_cpus, os.cpu_count() or 1),
            network=steps.network,
            cgroup_parent=steps.cgroup_parent,
        )

    def _places(self) -> dict[str, tuple[int, ...]]:
        wanted = list(self.container.places)
        if self.container.reaches_databases:
            for connection in self.twins.values():
                if connection.host.startswith("/"):
                    raise WrongRequestError(
                        f"The connection '{connection.name}' is a Unix socket, which no container reaches.",
                        f"The container of {self.container.image} is to reach the twin's server.",
                        f"Name an address as {connection.name}.host in connections.yaml.",
                    )
                wanted.append((connection.host, connection.port))
        hosts: dict[str, tuple[int, ...]] = {}
        for host, port in dict.fromkeys(wanted):
            hosts[host] = (*hosts.get(host, ()), port)
        return hosts

    def _data(self) -> Path | None:
        if self.container.reads != "files":
            return None
        files = find_finished(self.exports_dir, self.spec.workflow.id, self.spec.run_id)
        if files is None:
            raise HandoverFailedError(
                Explanation(
                    f"The files that the container of {self.container.image} is to read are gone.",
                    "They were deleted since the run has written them.",
                    f"appliance workflow start {self.spec.workflow.id}",
                )
            )
        return Path(host_path(self.client, files))

    @contextlib.contextmanager
    def _secrets(self) -> Iterator[list[str]]:
        """The folder of its secrets, for as long as it runs; their values, for the scrubber."""
        values = []
        try:
            self.secrets_dir.mkdir(mode=0o700, parents=True)
            for name in self.container.secrets:
                content = read_secret(self.settings.container_secrets_dir, name)
                write_file(self.secrets_dir / name, content, durable=False, mode=0o400)
                text = content.decode("utf-8", "replace")
                values += [text.strip(), *(line.strip() for line in text.splitlines())]
            yield [each for each in values if each]
        finally:
            shutil.rmtree(self.secrets_dir, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.secrets_dir.parent.rmdir()


def warned(container: ContainerDelivery, error: ApplianceError, began: float) -> ContainerResult:
    """What becomes of a failure where the workflow says ``on_failure: warn``."""
    return ContainerResult(
        image=container.image,
        worked=False,
        notes=(error.explanation.line(),),
        seconds=round(time.monotonic() - began, 3),
    )


def labels_suffix(labels: Mapping[str, str]) -> str:
    """Names the network of one attempt; two runs never have one name."""
    return "-".join(value for value in labels.values() if value)[:180]


def _clear(folder: Path) -> None:
    """Without what an attempt that was killed has left."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
