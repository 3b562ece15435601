"""The one reader of documents: nothing surprises, nothing blows up, and lines are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from appliance.documents import strict_yaml
from appliance.documents.document import MAX_BYTES, MAX_NODES
from appliance.documents.problems import Places, Problem, WrongDocumentError, path_text


def refused(text: str | bytes, *, as_json: bool = False) -> str:
    with pytest.raises(WrongDocumentError) as caught:
        strict_yaml.load(text, "it.yaml", as_json=as_json)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("n", "n"),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("0755", "0755"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("+1", "+1"),
        ("1.", "1."),
        ("=", "="),
        ("1e999", "1e999"),
        ("9" * 50, "9" * 50),
        ("null", None),
        ("NULL", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-7", -7),
        ("1.10", 1.1),
        ("1e5", 100_000.0),
        ("'null'", "null"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("! 1", "1"),
    ],
)
def test_a_plain_scalar_means_what_it_means_in_json_and_otherwise_itself(written: str, meant: object) -> None:
    value = strict_yaml.load(f"key: {written}\n", "it.yaml").data["key"]
    assert value == meant
    assert type(value) is type(meant)


def test_what_was_written_for_a_number_is_remembered() -> None:
    document = strict_yaml.load("a: 1.10\nb: [null, ~]\nc:\nd: '1'\ne: &x 2\nf: *x\n", "it.yaml")
    assert document.plain == {
        ("a",): "1.10",
        ("b", 0): "null",
        ("b", 1): "~",
        ("c",): "",
        ("e",): "2",
        ("f",): "2",
    }


def test_keys_are_always_text() -> None:
    document = strict_yaml.load("null: a\n1: b\ntrue: c\n'': d\n", "it.yaml")
    assert document.data == {"null": "a", "1": "b", "true": "c", "": "d"}


def test_every_key_and_item_has_its_line() -> None:
    document = strict_yaml.load("a:\n  b: 1\n  c:\n    - x\n    - {y: 2,\n       z: 3}\n", "it.yaml")
    assert document.line_of(("a", "c", 1, "z")) == 6
    assert document.line_of(("a", "c", 0)) == 4
    assert document.line_of(("a", "c", 1, "y", "deeper", "still")) == 5
    assert document.line_of(("unknown",)) == 1


def test_places_survive_being_stored_without_the_data() -> None:
    places = strict_yaml.load("a:\n  'x.y': 1\n  z: [1,\n 2]\n", "it.yaml").places()
    assert places == Places("it.yaml", {"a": 1, 'a."x.y"': 2, "a.z": 3, "a.z[0]": 3, "a.z[1]": 4})
    assert places.problem(("a", "x.y", "q"), "is wrong").text() == 'it.yaml:2: a."x.y".q: is wrong'
    assert Places().problem(("a",), "is wrong", "right").text() == "document: a: is wrong; expected right"


def test_duplicate_keys_are_refused_with_both_lines_wherever_they_are() -> None:
    document = strict_yaml.load("a: 1\nb: {c: 1,\n c: 2}\na: {d: 3}\n", "it.yaml")
    assert document.data == {"a": 1, "b": {"c": 1}}
    assert [problem.text() for problem in document.problems] == [
        "it.yaml:3: b.c: the same key stands on lines 2 and 3; expected each key once",
        "it.yaml:4: a: the same key stands on lines 1 and 4; expected each key once",
    ]


def test_an_alias_means_a_copy() -> None:
    assert strict_yaml.load("a: &x {b: [1]}\nc: *x\n", "it.yaml").data == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_aliases_cannot_blow_up_memory() -> None:
    laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True):
        laughs += f"{after}: &{after} [{','.join([f'*{before}'] * 10)}]\n"
    assert f"it.yaml:5: holds more than {MAX_NODES:,} keys and values" in refused(laughs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [*x]", "it.yaml:1: is an alias of something it stands inside"),
        ("a: 1\nb: *x", "it.yaml:2: is an alias of nothing"),
        ("a: &x {b: 1}\nc:\n  <<: *x", "it.yaml:3: is a merge key"),
        (
            "a: 1\nkeep: [*.*.id]",
            'it.yaml:2: begins a name with *; expected quotes around it, as in "*.*.ssn"',
        ),
        ("*.*.ssn: email", "it.yaml:1: begins a name with *"),
        ("a:\n\t- b", "it.yaml:2: is indented with a tab; expected spaces"),
        ("a: 1\n---\nb: 2", "it.yaml:2: a second document begins"),
        ("a: 1\n...\nb: 2", "it.yaml:3: is not YAML"),
        ("", "it.yaml: is empty"),
        (" \n\n", "it.yaml: is empty"),
        ("# only a comment\n", "it.yaml: is empty"),
        ("---\n", "is a single value; expected a mapping of keys to values"),
        ("[a, b]", "it.yaml:1: is a list; expected a mapping of keys to values"),
        ("just text", "it.yaml:1: is a single value"),
        (
            "a: b: c",
            "it.yaml:1: is not YAML: mapping values are not allowed in this context; expected quotes",
        ),
        ("a: 'x", "it.yaml:1: is not YAML: found unexpected end of stream"),
        ("a: !!python/object/apply:os.system [id]", "it.yaml:1: has a YAML tag"),
        ("a: !!int 3", "it.yaml:1: has a YAML tag"),
        ("!!map {a: 1}\n", "ok"),
        ("? [a]\n: b", "it.yaml:1: a key is not plain text"),
        ("? !!int 1\n: b", "it.yaml:1: a key has a tag"),
        ("a: 1\nb: \0", "it.yaml:2: contains a NUL character"),
        ('a: "\\0"', "it.yaml:1: contains a NUL character"),
        ("a: 1\nb: \x01", "it.yaml:2: holds a character that YAML does not allow"),
        ("a: \ud800", "it.yaml:1: contains half of a surrogate pair"),
        ("%YAML 1.1\n---\na: 1", "it.yaml:1: begins with %"),
        (b"a: 1\nb: \xff", "it.yaml:2: byte 8 is not UTF-8"),
        ("a: 1".encode("utf-16"), "it.yaml:1: is UTF-16; expected UTF-8"),
        ("[" * 100_000, "it.yaml:1: is nested deeper than 32 levels"),
        ("- " * 5_000, "it.yaml:1: is nested deeper than 32 levels"),
        (
            "\n".join(" " * depth + "a:" for depth in range(100)),
            "it.yaml:33: is nested deeper than 32 levels",
        ),
        ("a: 1\n" * 60_000, f"holds more than {MAX_NODES:,} keys and values"),
    ],
)
def test_what_is_not_one_plain_document_is_refused_with_its_line(text: str | bytes, message: str) -> None:
    if message == "ok":
        assert strict_yaml.load(text, "it.yaml").data == {"a": 1}
    else:
        assert message in refused(text)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert strict_yaml.load("\ufeffa: 1\n".encode(), "it.yaml").data == {"a": 1}


def test_windows_line_ends_are_line_ends() -> None:
    assert strict_yaml.load("a: 1\r\nb: 2\r\n", "it.yaml").line_of(("b",)) == 2


def test_no_message_repeats_what_stands_on_a_broken_line() -> None:
    for text in ("p: 'S3cret", "p: S3cret: x", "p: {S3cret]", "p: @S3cret", 'p: "S3cret\\q"', "p: *S3cret"):
        assert "S3cret" not in refused(text)


def test_of_a_file_that_is_too_big_little_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = tmp_path / "big.yaml"
    big.write_bytes(b"a: 1\n" * (2 * 1024 * 1024))

    def parse(*_: object, **__: object) -> None:
        pytest.fail("a document that is too big was parsed")

    monkeypatch.setattr(yaml, "parse", parse)
    with pytest.raises(
        WrongDocumentError, match=r"big.yaml: is larger than 1024 KiB; expected a document below"
    ):
        strict_yaml.read(big)


def test_an_endless_file_is_refused() -> None:
    with pytest.raises(WrongDocumentError, match="is larger than"):
        strict_yaml.read(Path("/dev/zero"))


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongDocumentError, match=r"none.yaml: cannot be read: No such file or directory"):
        strict_yaml.read(tmp_path / "none.yaml")
    with pytest.raises(WrongDocumentError, match="cannot be read: Is a directory"):
        strict_yaml.read(tmp_path)


def test_json_is_read_from_files_that_are_named_so(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_text('{"a": "\\ud83d\\ude00",\n\t"b": [1, 2.5, null, true]}')
    assert strict_yaml.read(path).data == {"a": "😀", "b": [1, 2.5, None, True]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands twice in one object"),
        ('{"a": NaN}', "holds NaN or Infinity"),
        ('{"a": 1e999}', "a number that is out of range"),
        ('{"a": ' + "1" * 5_000 + "}", "a number that is out of range"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ('{"a": "\\u0000"}', "a NUL character"),
        ('{"\\u0000": 1}', "a NUL character"),
        ('{"a": 1,\nb}', "it.yaml:2: is not JSON"),
        ('{"a":' * 40 + "1" + "}" * 40, "nested deeper than 32 levels"),
        ('{"a":' * 200_000, "nested deeper than 32 levels"),
        ("[1]", "is a list"),
        ('{"a": [' + "1," * 200_000 + "1]}", f"more than {MAX_NODES:,} keys"),
    ],
)
def test_json_is_held_to_the_same_bounds(text: str, message: str) -> None:
    assert message in refused(text, as_json=True)


def test_many_problems_are_counted_and_not_all_printed() -> None:
    text = str(WrongDocumentError([Problem(("a", index), "is wrong") for index in range(5_000)]))
    assert text.count("\n") == 100
    assert text.endswith("… and 4900 more")


def test_a_key_path_is_written_as_people_read_it() -> None:
    path = ("masks", "public.customer.email", "x", 0, 'a"b', "keep_prefix")
    assert path_text(path) == 'masks."public.customer.email".x[0]."a\\"b".keep_prefix'


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5), st.booleans())
def test_whatever_a_yaml_writer_writes_is_read_or_refused_and_never_crashes(
    data: dict[str, Any], flow: bool
) -> None:
    text = yaml.safe_dump(data, allow_unicode=True, default_flow_style=flow)
    try:
        strict_yaml.load(text, "it.yaml")
    except WrongDocumentError as error:
        assert error.problems


@given(st.text(alphabet="ab:-?[]{},#&*!|>'\"%@` \n\t0.~<", max_size=60))
def test_random_yaml_never_crashes(text: str) -> None:
    try:
        document = strict_yaml.load(text, "it.yaml")
    except WrongDocumentError as error:
        assert error.problems
    else:
        assert isinstance(document.data, dict)


@given(st.binary(max_size=80), st.booleans())
def test_random_bytes_never_crash(raw: bytes, as_json: bool) -> None:
    try:
        strict_yaml.load(raw, "it", as_json=as_json)
    except WrongDocumentError as error:
        assert error.problems


def test_a_document_just_below_the_limit_is_read() -> None:
    text = "".join(f"a_key_of_some_length_{index}: a value of some length\n" for index in range(20_000))
    assert MAX_BYTES * 0.9 < len(text) < MAX_BYTES
    assert len(strict_yaml.load(text, "it.yaml").data) == 20_000
