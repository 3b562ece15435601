"""A container of the customer's own, as a workflow says it and as policy lets it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from appliance.errors import RefusedError, WrongRequestError
from appliance.exports.container_output import UnusableOutputError, complete
from appliance.exports.manifest import read_manifest
from appliance.orchestration.containers.container import StepLimits, host_settings
from appliance.orchestration.handover.network import Network, network_options
from appliance.policy.policy import Policy, check_workflow
from appliance.policy.trusted_images import TrustRecord, images_of, read_trusted, write_trusted
from appliance.steps import relay
from appliance.workflow.document import Workflow

IMAGE = "registry.internal:5000/team/report:1"
DIGEST = "registry.internal:5000/team/report@sha256:" + "ab" * 32
TWIN, FILES = {"twin": {"connection": "staging"}}, {"files": {"format": "csv"}}


def workflow(*more: dict[str, Any], **container: Any) -> Workflow:
    entry = {"container": {"image": IMAGE, **container}}
    document = {"id": "w", "source": "production", "tables": {"include": ["public.*"]}}
    return Workflow.model_validate({**document, "deliver": [TWIN, FILES, entry, *more]})


def why_wrong(**container: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        workflow(**container)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "reached"),
    [
        ("none", ()),
        ([], ()),
        ("databases", ("databases",)),
        ("Reports.Internal:443", ("reports.internal:443",)),
        (["databases", "a:1", "a:2"], ("databases", "a:1", "a:2")),
    ],
)
def test_the_network_is_nothing_one_place_or_several(written: Any, reached: tuple[str, ...]) -> None:
    found = workflow(network=written)
    assert found.containers[2].network == reached
    assert Workflow.model_validate(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(
    "wrong", ["everything", "host", "host:0", "host:65536", "host:http", ":443", "a b:1", ["none", "a:1"], 7]
)
def test_what_is_no_place_is_an_error(wrong: Any) -> None:
    assert why_wrong(network=wrong)


@pytest.mark.parametrize("address", ["10.1.2.3:443", "fd00::1:443", "[fd00::1]:443"])
def test_an_address_is_refused_with_what_to_write_instead(address: str) -> None:
    with pytest.raises(ValidationError) as caught:
        workflow(network=address)
    assert "host's name" in str(caught.value.errors()[0]["ctx"]["expected"])


@pytest.mark.parametrize(
    "image", ["", "Report:1", "report:", "re port", "report@sha256:12", "https://x/y", "-v"]
)
def test_what_names_no_image_is_an_error(image: str) -> None:
    assert why_wrong(image=image)


def test_a_container_needs_what_it_reads() -> None:
    assert "cannot reach it" in why_wrong(reads="twin")
    document = {"id": "w", "source": "p", "tables": {"include": ["public.*"]}}
    for container, said in (({"reads": "files"}, "reads files"), ({"network": "a:1"}, "reads files")):
        with pytest.raises(ValidationError, match=said):
            Workflow.model_validate(
                {**document, "deliver": [TWIN, {"container": {"image": IMAGE, **container}}]}
            )


def rules(policy: dict[str, Any], *, origin: Any = "local", **container: Any) -> list[str]:
    found = check_workflow(
        Policy.model_validate(
            {"workflows_from_cloud": True, "read": ["production"], "write": ["staging"], **policy}
        ),
        workflow(**container),
        origin=origin,
    )
    return [each.rule for each in found]


ALLOWED = {"destinations": ["files"], "images": [IMAGE]}


def test_policy_names_each_image_for_local_workflows_too() -> None:
    assert rules({"destinations": ["files"]}) == ["images"]
    assert rules({**ALLOWED, "images": [DIGEST]}) == ["images"]
    assert rules({**ALLOWED, "images": [DIGEST]}, image=DIGEST) == []
    assert rules(ALLOWED) == []
    assert rules({**ALLOWED, "images": ["report"]}, image="report:latest") == []


def test_policy_names_each_place_and_the_exports_folder() -> None:
    assert set(rules({"images": [IMAGE]})) == {"destinations"}
    assert rules(ALLOWED, network=["a.internal:443"]) == ["destinations"]
    named = {**ALLOWED, "destinations": ["files", "A.internal:443"]}
    assert rules(named, network=["a.internal:443"]) == []
    assert rules(named, network=["a.internal:444"]) == ["destinations"]


def test_policy_names_secrets_for_the_cloud() -> None:
    assert rules(ALLOWED, secrets=["token"]) == []
    assert rules(ALLOWED, secrets=["token"], origin="cloud") == ["secrets"]
    assert rules({**ALLOWED, "secrets": ["token"]}, secrets=["token"], origin="cloud") == []
    assert rules({**ALLOWED, "secrets": []}, secrets=["token"]) == ["secrets"]


def record(reference: str) -> TrustRecord:
    return TrustRecord(
        reference=reference, image_id="sha256:1", trusted_at=datetime.now(UTC), trusted_by="root"
    )


def test_a_tag_runs_as_it_was_trusted_and_a_digest_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "images.json"
    assert images_of(file, workflow(image=DIGEST))[DIGEST].digest == DIGEST
    with pytest.raises(RefusedError) as caught:
        images_of(file, workflow())
    assert (caught.value.rule, caught.value.next_step) == ("images", f"sudo appliance images trust {IMAGE}")
    write_trusted(file, {IMAGE: record(IMAGE)})
    assert read_trusted(file) == {IMAGE: read_trusted(file)[IMAGE]}
    assert images_of(file, workflow())[IMAGE].image_id == "sha256:1"


def test_a_record_that_cannot_be_read_trusts_nothing(tmp_path: Path) -> None:
    (tmp_path / "images.json").write_text('{"images": [{"reference": "x"}]}')
    with pytest.raises(WrongRequestError):
        images_of(tmp_path / "images.json", workflow())


def test_what_a_container_wrote_becomes_a_manifest_of_plain_files(tmp_path: Path) -> None:
    (tmp_path / "out" / "a" / "b").mkdir(parents=True)
    (tmp_path / "out" / "a" / "b" / "c.bin").write_bytes(b"x" * 10)
    (tmp_path / "out" / "manifest.json").write_text("mine")
    assert complete(tmp_path, workflow="w", name="run-container-2", image=IMAGE) == 2
    found = read_manifest(tmp_path)
    assert [(each.file, each.bytes) for each in found.files] == [
        ("out/a/b/c.bin", 10),
        ("out/manifest.json", 4),
    ]
    assert found.formats[0].made_with == IMAGE


@pytest.mark.parametrize("name", ["a\nb", "...", "x/..."])
def test_a_name_that_cannot_be_listed_is_no_output(tmp_path: Path, name: str) -> None:
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("x")
    with pytest.raises(UnusableOutputError):
        complete(tmp_path, workflow="w", name="r", image=IMAGE)


def test_a_link_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shadow").symlink_to("/etc/shadow")
    with pytest.raises(UnusableOutputError, match="no plain file"):
        complete(tmp_path, workflow="w", name="r", image=IMAGE)
    assert not (tmp_path / "manifest.json").exists()


def test_its_network_has_no_way_out_and_no_address_of_this_machine() -> None:
    options = network_options("appliance-x")
    assert options["internal"] is True
    assert options["options"]["com.docker.network.bridge.inhibit_ipv4"] == "true"
    name = options["options"]["com.docker.network.bridge.name"]
    assert name.startswith("apl-") and len(name) <= 15
    steps = host_settings(StepLimits(64, 1.0, "bridge", hosts=("db:10.0.0.1",)), [])
    given = steps.copy()
    Network("n", {"a.internal": "172.30.0.2", "10.1.2.3": "172.30.0.3"}).apply(given)
    own = {"network_mode": "n", "extra_hosts": ["a.internal:172.30.0.2"], "dns": ["172.30.0.2"]}
    assert given == {**steps, **own}
    nowhere = steps.copy()
    Network("none").apply(nowhere)
    assert nowhere["network_mode"] == "none" and not {"extra_hosts", "dns"} & nowhere.keys()


def test_a_relay_passes_bytes_both_ways_and_ends_with_either_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "UPSTREAM", "127.0.0.1")

    async def talk() -> bytes:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.read())[::-1])
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        own = await asyncio.start_server(partial(relay.pass_on, port), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*own.sockets[0].getsockname())
        writer.write(b"abc" * 100_000)
        writer.write_eof()
        answer = await reader.read()
        server.close()
        # Nothing listens there any more: the connection is closed, not held.
        reader, writer = await asyncio.open_connection(*own.sockets[0].getsockname())
        assert await reader.read() == b""
        own.close()
        return answer

    assert asyncio.run(talk()) == b"cba" * 100_000


def test_the_record_holds_no_more_than_names_and_digests(tmp_path: Path) -> None:
    write_trusted(tmp_path / "images.json", {IMAGE: record(IMAGE)})
    (found,) = json.loads((tmp_path / "images.json").read_text())["images"]
    assert set(found) == {"reference", "image_id", "digest", "trusted_at", "trusted_by"}
