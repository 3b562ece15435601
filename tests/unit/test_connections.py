"""Connections: read as they are written, private, and never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.connections.database import Connection
from appliance.connections.file import connections_of, load_connections, select_connections
from appliance.documents.problems import WrongDocumentError
from appliance.documents.strict_yaml import load
from appliance.errors import ApplianceError, WrongRequestError

SECRET = "S3cr3t"


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "connections.yaml"
    path.write_text(text)
    path.chmod(mode)
    return path


def problems(text: str) -> list[str]:
    with pytest.raises(WrongDocumentError) as caught:
        connections_of(load(text, "c.yaml"))
    assert caught.value.exit_code == 2
    return [problem.text() for problem in caught.value.problems]


def password_written(as_yaml: str) -> str:
    text = f"a: {{host: h, dbname: d, user: u, password: {as_yaml}}}\n"
    return connections_of(load(text, "c.yaml"))["a"].password.get_secret_value()


def test_connections_are_read_with_their_defaults(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "production: {type: postgres, host: db.internal, port: 5433, dbname: shop, user: reader,\n"
        "  password: x, sslmode: verify-full, sslrootcert: /etc/appliance/certs/db.pem}\n"
        "staging: {type: postgres, host: /run/postgresql, dbname: shop_twin, user: twin_owner}\n",
    )
    production, staging = load_connections(path).values()
    assert (production.port, production.sslmode, production.connect_timeout) == (5433, "verify-full", 10)
    assert (staging.port, staging.sslmode, staging.maintenance_db) == (5432, "prefer", "postgres")
    assert staging.password.get_secret_value() == ""


def test_the_file_is_read_afresh_each_time(tmp_path: Path) -> None:
    for password in ("one", "two"):
        path = write(tmp_path, f"a: {{host: h, dbname: d, user: u, password: {password}}}\n")
        assert load_connections(path)["a"].password.get_secret_value() == password


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("007", "007"),
        ("7", "7"),
        ("1e5", "1e5"),
        ("1.10", "1.10"),
        ("true", "true"),
        ("no", "no"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("0x1F", "0x1F"),
        ("'it''s'", "it's"),
        ('"\\"\\\\\\t"', '"\\\t'),
        ("'# : { } [ ] , & * ! | > % @ `'", "# : { } [ ] , & * ! | > % @ `"),
        ("pässwörd😀", "pässwörd😀"),
        ("' leading and trailing '", " leading and trailing "),
        ("'null'", "null"),
        ("a#b", "a#b"),
        ("a=b&c", "a=b&c"),
    ],
)
def test_a_password_is_what_was_written(written: str, meant: str) -> None:
    assert password_written(written) == meant


@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff\x85"),
        min_size=1,
    )
)
def test_any_password_in_single_quotes_is_itself(password: str) -> None:
    quoted = "'" + password.replace("'", "''") + "'"
    try:
        assert password_written(quoted) == password
    except WrongDocumentError as error:
        assert "a character that YAML does not allow" in str(error)


def test_names_that_look_like_numbers_are_names() -> None:
    connection = connections_of(load("a: {host: 10, dbname: 2024, user: true}\n", "c.yaml"))["a"]
    assert (connection.host, connection.dbname, connection.user) == ("10", "2024", "true")


def test_every_mistake_is_named_at_once_and_no_value_is_shown() -> None:
    text = f"""\
production:
  host: db
  prt: {SECRET}
  port: {SECRET}
  dbname:
  password: [{SECRET}]
  sslmode: {SECRET}
staging: {SECRET}
"bad name":
  host: ' {SECRET}'
  dbname: d
  user: u
  sslmode: verify-full
third: {{host: h, dbname: d, user: u, sslcert: /{SECRET}, port: 70000, connect_timeout: 0}}
"""
    found = problems(text)
    assert SECRET not in "\n".join(found)
    keys = ", ".join(Connection.model_fields)
    assert found == [
        "c.yaml:1: production.user: is missing; expected for example reader",
        f"c.yaml:3: production.prt: is not a known key (did you mean port?); expected one of: {keys}",
        "c.yaml:4: production.port: this value is not a whole number; "
        "expected a whole number, for example 5432",
        "c.yaml:5: production.dbname: nothing is not text; expected text, for example shop",
        "c.yaml:6: production.password: a list is not text; "
        "expected text, for example 'correct horse: battery'",
        "c.yaml:7: production.sslmode: this value is not allowed; "
        "expected disable, allow, prefer, require, verify-ca or verify-full",
        "c.yaml:8: staging: this value is not a mapping; expected a mapping",
        'c.yaml:9: "bad name": is not allowed as a name; '
        "expected the name of a connection: letters, digits, _ and -, for example staging",
        'c.yaml:10: "bad name".host: has a blank at an end or a character that is not printable; '
        "expected one line of text",
        "c.yaml:14: third.port: this value is out of range; expected at most 65535",
        "c.yaml:14: third.connect_timeout: this value is out of range; expected at least 1",
    ]


def test_models_as_a_whole_are_checked() -> None:
    good = "host: h, dbname: d, user: u"
    assert problems(f"a: {{{good}, sslmode: verify-full}}\n") == [
        "c.yaml:1: a.sslmode: has sslmode verify-full without sslrootcert; expected a PEM file, or system"
    ]
    assert problems(f"a: {{{good}, sslkey: /k}}\n") == [
        "c.yaml:1: a.sslkey: has only one of sslcert and sslkey; expected both or neither"
    ]
    assert connections_of(load(f"a: {{{good}, sslmode: verify-full, sslrootcert: system}}", "c.yaml"))


@pytest.mark.parametrize(
    "line",
    [
        f"a: {{host: h, dbname: d, user: u, password: x,{SECRET}}}",
        f"a: {{host: h, dbname: d, user: u, password: x, {SECRET}: }}",
        f"a: {{host: h, dbname: d, user: u, password: {SECRET}: x}}",
        f"a:\n  password: '{SECRET}",
        f"a:\n  password: {SECRET}: y",
        f"a:\n  password: @{SECRET}",
        f"a:\n  password: *{SECRET}",
        f"a:\n  password: !{SECRET} x",
        f"a:\n  password: &{SECRET}",
        f'a:\n  password: "\\{SECRET}"',
        f"a:\n  host: h\n  password: |\n    {SECRET}\n    y\n",
        f"{SECRET}",
        f"- {SECRET}",
    ],
)
def test_a_piece_of_a_password_that_yaml_takes_for_something_else_is_not_shown(line: str) -> None:
    assert SECRET not in "\n".join(problems(line))


def test_a_stray_key_says_what_went_wrong() -> None:
    (found,) = problems("a: {host: h, dbname: d, user: u, password: x,y}")
    assert found == (
        "c.yaml:1: a: has a key without a value (not shown: it may be a piece of a password); "
        "expected quotes around a value with , : # { } [ ] in it"
    )


def test_neither_a_connection_nor_its_errors_show_the_password() -> None:
    connection = Connection(host="h", dbname="d", user="u", password=SECRET)  # type: ignore[arg-type]
    shown = f"{connection!r} {connection} {connection.model_dump()} {connection.model_dump_json()}"
    assert SECRET not in shown
    with pytest.raises(ValueError) as caught:
        Connection.model_validate(
            {"host": "h", "dbname": "d", "user": "u", "password": [SECRET], "port": SECRET}
        )
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602])
def test_a_file_that_others_can_reach_is_refused_with_the_command_to_run(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, "a: {host: h, dbname: d, user: u}\n", mode)
    with pytest.raises(WrongRequestError) as caught:
        load_connections(path)
    assert caught.value.next_step == f"chmod 600 {path}"
    assert f"mode {mode:04o}" in caught.value.what


def test_a_file_that_systemd_hands_over_may_show_bits_for_its_access_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "a: {host: h, dbname: d, user: u}\n", 0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert set(load_connections(path)) == {"a"}
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "elsewhere"))
    with pytest.raises(WrongRequestError):
        load_connections(path)


def test_a_missing_file_is_answered_with_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(WrongRequestError) as caught:
        load_connections(tmp_path / "connections.yaml")
    assert caught.value.next_step.startswith("appliance connections template")
    assert os.fspath(tmp_path) in caught.value.what


def test_a_file_that_is_an_encrypted_credential_is_answered_with_how_to_read_it(tmp_path: Path) -> None:
    (tmp_path / "connections.cred").touch()
    with pytest.raises(WrongRequestError) as caught:
        load_connections(tmp_path / "connections.yaml")
    credential = f"LoadCredentialEncrypted=connections.yaml:{tmp_path}/connections.cred"
    assert credential in caught.value.next_step


def test_a_changeme_is_refused_with_its_key_path_when_its_connection_is_asked_for() -> None:
    text = (
        "production: {host: h, dbname: d, user: changeme, password: changeme}\n"
        "staging: {host: h, dbname: d, user: u, password: 'changeme '}\n"
    )
    known = connections_of(load(text, "c.yaml"))
    assert set(select_connections(known, ["staging"])) == {"staging"}
    with pytest.raises(WrongRequestError) as caught:
        select_connections(known, ["staging", "production", "stagin"])
    assert caught.value.what == (
        "connections.yaml: stagin: is missing; did you mean staging?\n"
        "connections.yaml: production.user: is still changeme\n"
        "connections.yaml: production.password: is still changeme"
    )
    assert caught.value.why == "The file has these connections: production, staging."


@given(st.binary(max_size=60))
def test_random_files_never_crash(raw: bytes) -> None:
    try:
        connections_of(load(raw, "c.yaml"))
    except ApplianceError as error:
        assert error.exit_code == 2


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)
)


@given(st.dictionaries(st.sampled_from([*Connection.model_fields, "x"]), VALUES))
def test_random_connections_never_crash(data: dict[str, object]) -> None:
    import json

    try:
        connections_of(load(json.dumps({"a": data}), "c.yaml", as_json=True))
    except ApplianceError as error:
        assert error.exit_code == 2


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("production: {host: a}\nstaging\n", 2, "is no key and no value"),
        ('production:\n  password: "geheim\n  host: a\n', 2, "a quote that is never closed"),
        ("production:\n  host: a\n password: geheim\n", 3, "indented unlike the keys above"),
        ("production: {host: a, password: geheim\nstaging: {host: b}\n", 1, "a { that is not closed"),
        ("production:\n  password: @geheim\n", 2, "begins with a sign that YAML keeps"),
        ("production:\n  password: geheim: x\n", 2, "a colon in a value"),
    ],
)
def test_bad_yaml_is_named_by_its_line_and_by_what_is_wrong_with_it(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    path = tmp_path / "connections.yaml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(WrongDocumentError) as raised:
        load_connections(path)
    said = raised.value.text()
    assert f"connections.yaml:{line}: " in said and what in said
    assert "appliance connections check" in said and "geheim" not in said
