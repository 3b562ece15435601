"""What a data user's token opens, on one machine and where the page has a user of its own."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from appliance.copies.ledger import CopyMade, ended, made, note_ended, note_made
from appliance.data_users.desk import NotGivenError, OwnDesk, WantedFile
from appliance.data_users.far_desk import SOCKET, DeskKeeper, FarDesk
from appliance.data_users.tokens import FOLDER, all_tokens, known_token, make_token, revoke
from appliance.data_users.uses import uses
from appliance.errors import WrongRequestError
from appliance.settings.settings import Settings
from appliance.status.service import create_app
from tests.unit.test_exports import make_export
from tests.unit.test_status_service import certificate as certificate  # noqa: PLC0414 - a fixture
from tests.unit.test_status_service import settings

FILE = "public.customer.csv.gz"
WANTED = WantedFile("nightly", "run-1", FILE)


@pytest.fixture
def given(tmp_path: Path) -> Settings:
    (tmp_path / "run").mkdir()
    found = settings(tmp_path, RUNTIME_DIR=str(tmp_path / "run"))
    make_export(found.exports_dir, "run-1")
    make_export(found.exports_dir, "pay-1", workflow="payroll")
    return found


def token(given: Settings, person: str = "anna", *, days: int = 90) -> str:
    return make_token(given.state_dir, person, ("nightly",), days=days, made_by="root")[0]


def test_a_token_is_kept_as_a_digest_and_known_by_nothing_less_than_itself(given: Settings) -> None:
    secret = token(given)
    kept = given.state_dir / FOLDER / "tokens.json"
    assert secret not in kept.read_text() and kept.stat().st_mode & 0o777 == 0o600
    assert known_token(given.state_dir, secret) is not None
    for wrong in ("", secret[:-1], secret[:-1] + ("A" if secret[-1] != "A" else "B"), secret + " ", "apl_"):
        assert known_token(given.state_dir, wrong) is None


def test_a_revocation_of_a_person_ends_every_token_of_theirs(given: Settings) -> None:
    secrets = [token(given), token(given), token(given, "berta")]
    assert len(revoke(given.state_dir, "anna")) == 2
    assert revoke(given.state_dir, "anna") == []
    good = [each.why_not(datetime.now(UTC)) == "" for each in all_tokens(given.state_dir)]
    assert good == [False, False, True]
    with pytest.raises(NotGivenError, match="revoked"):
        OwnDesk(given).file(secrets[0], WANTED)
    with pytest.raises(WrongRequestError):
        revoke(given.state_dir, "nobody")


@pytest.mark.parametrize("person", ["", "../x", "a/b", "-x", "a" * 81, "a\nb"])
def test_a_person_has_a_name_that_can_stand_in_the_ledger(given: Settings, person: str) -> None:
    with pytest.raises(WrongRequestError):
        token(given, person)


def test_a_file_is_noted_before_it_is_handed_out_and_once_for_a_person_and_a_run(given: Settings) -> None:
    now = datetime.now(UTC)
    files = CopyMade(
        kind="files", place="nightly/run-1", run="run-1", workflow="nightly", source="production",
        made_at=now, asked_by="schedule",
    )  # fmt: skip
    note_made(given.state_dir, [files])
    desk, secret = OwnDesk(given), token(given)
    for _ in range(2):
        os.close(desk.file(secret, WANTED).descriptor)
    os.close(OwnDesk(given).file(secret, WANTED).descriptor)
    (copy,) = [each for each in made(given.state_dir) if each.kind == "pull"]
    assert (copy.place, copy.source, copy.workflow) == ("anna/nightly/run-1", "production", "nightly")
    assert [each.file for each in uses(given.state_dir)] == [FILE] * 3


def test_the_manifest_alone_makes_no_copy(given: Settings) -> None:
    os.close(OwnDesk(given).file(token(given), WantedFile("nightly", "run-1", "manifest.json")).descriptor)
    assert made(given.state_dir) == []


def test_what_cannot_be_recorded_is_not_handed_out(given: Settings) -> None:
    secret = token(given)
    (given.state_dir / FOLDER / "uses.jsonl").mkdir()
    with pytest.raises(NotGivenError, match="could not be recorded"):
        OwnDesk(given).file(secret, WANTED)
    assert made(given.state_dir) == []


def test_an_expired_token_opens_nothing(given: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = token(given, days=1)
    kept = given.state_dir / FOLDER / "tokens.json"
    there = all_tokens(given.state_dir)[0]
    past = there.model_copy(update={"expires_at": datetime.now(UTC) - timedelta(seconds=1)})
    kept.write_text(f"[{past.model_dump_json()}]")
    with pytest.raises(NotGivenError, match="expired"):
        OwnDesk(given).offers(secret)


def test_a_page_with_a_user_of_its_own_is_given_a_file_and_needs_no_right_to_it(given: Settings) -> None:
    secret = token(given)
    DeskKeeper(given, OwnDesk(given)).start()
    far = FarDesk(given)
    assert (given.runtime_dir / SOCKET).stat().st_mode & 0o777 == 0o660
    file = far.file(secret, WANTED)
    with os.fdopen(file.descriptor, "rb") as opened:
        content = opened.read()
    assert len(content) == file.bytes
    assert content == (given.exports_dir / "nightly" / "run-1" / FILE).read_bytes()
    assert [each.id for each in far.offers(secret).workflows] == ["nightly"]
    assert {each.id for each in far.offers(None).workflows} == {"nightly", "payroll"}
    with pytest.raises(NotGivenError) as refused:
        far.file(secret, WantedFile("payroll", "pay-1", FILE))
    assert refused.value.status == 403
    for nonsense in (b"{}\n", b"\xff\n", b'{"kind":"file"}', b""):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(given.runtime_dir / SOCKET))
            raw.sendall(nonsense)
            raw.shutdown(socket.SHUT_WR)
            raw.recv(2**16)
    os.close(far.file(secret, WANTED).descriptor)


def test_without_what_keeps_the_files_the_page_says_so(given: Settings) -> None:
    with pytest.raises(NotGivenError, match="appliance-upkeep") as away:
        FarDesk(given).offers(None)
    assert away.value.status == 503


def test_with_tls_a_data_user_sees_the_own_workflows_and_nothing_of_the_appliance(
    given: Settings, tmp_path: Path, certificate: Path
) -> None:
    guarded = settings(
        tmp_path, STATUS_HOST="0.0.0.0", STATUS_TLS_CERTIFICATE=str(certificate),
        STATUS_TLS_KEY=str(tmp_path / "key.pem"),
    )  # fmt: skip
    asked = TestClient(create_app(guarded), base_url="https://appliance.corp", follow_redirects=False)
    secret = token(guarded)
    shown = {"authorization": f"Bearer {secret}"}
    for path in ("/status", "/runs", "/metrics", "/", "/owner"):
        assert asked.get(path, headers=shown).status_code == 401, path
    assert asked.get("/data/offers").status_code == 401
    offers = asked.get("/data/offers", headers=shown).json()
    assert [each["id"] for each in offers["workflows"]] == ["nightly"] and offers["person"] == "anna"
    assert asked.get("/data.html").status_code == 200

    signed_in = asked.post("/sign-in", data={"token": secret})
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "data.html")
    cookie = signed_in.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" in cookie
    assert asked.get("/data/offers").json()["person"] == "anna"
    assert asked.get("/status").status_code == 401


def test_a_range_goes_on_from_a_byte_and_nothing_else_is_a_range(given: Settings) -> None:
    asked = TestClient(create_app(given), base_url="http://127.0.0.1:8642")
    path, whole = (
        f"/data/exports/nightly/run-1/{FILE}",
        (given.exports_dir / "nightly/run-1" / FILE).read_bytes(),
    )
    shown = {"authorization": f"Bearer {token(given)}"}
    assert asked.get(path, headers=shown).content == whole
    part = asked.get(path, headers={**shown, "range": "bytes=5-"})
    assert (part.status_code, part.content) == (206, whole[5:])
    assert part.headers["content-range"] == f"bytes 5-{len(whole) - 1}/{len(whole)}"
    for wrong in ("bytes=-5", "bytes=1-2", "bytes=99999-", "rows=1-", "bytes=5-,7-"):
        assert asked.get(path, headers={**shown, "range": wrong}).status_code == 416, wrong


def test_what_was_gone_there_and_is_fetched_again_is_another_copy(given: Settings) -> None:
    desk, secret = OwnDesk(given), token(given)
    os.close(desk.file(secret, WANTED).descriptor)
    note_ended(given.state_dir, made(given.state_dir)[0], "deleted there")
    for each in (desk, OwnDesk(given), desk):
        os.close(each.file(secret, WANTED).descriptor)
    over = ended(given.state_dir)
    assert [each.key in over for each in made(given.state_dir)] == [True, False]
