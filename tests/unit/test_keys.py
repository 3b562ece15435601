"""Keys: made once, kept private, and what is derived from them is HMAC-SHA-256 as the world knows it."""

from __future__ import annotations

import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import WrongRequestError
from appliance.keys.keys import (
    binding_value,
    derived_key,
    fingerprint,
    load_or_create_key,
    read_key,
    run_key,
    source_key,
)


@dataclass(frozen=True)
class Wanted:
    part: str
    domain: str


def test_a_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "mask.key"
    key = load_or_create_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert load_or_create_key(path) == read_key(path) == key
    assert [each.name for each in path.parent.iterdir()] == ["mask.key"]


def test_two_appliances_have_different_keys(tmp_path: Path) -> None:
    assert load_or_create_key(tmp_path / "one") != load_or_create_key(tmp_path / "two")


def test_all_who_start_at_the_same_time_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_or_create_key(tmp_path / "k" / "mask.key"), range(40)))
    assert len(keys) == 1
    assert len(list((tmp_path / "k").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33, b"x" * 1_000_000])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mask.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(WrongRequestError, match="is not 32 bytes long"):
        load_or_create_key(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_key_that_others_can_reach_is_refused_with_the_command_to_run(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "mask.key"
    path.write_bytes(b"x" * 32)
    path.chmod(mode)
    with pytest.raises(WrongRequestError, match="chmod 600"):
        load_or_create_key(path)


def test_a_key_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_key(tmp_path / "none")
    with pytest.raises(WrongRequestError, match="Is a directory"):
        read_key(tmp_path)


@given(st.binary(min_size=32, max_size=32), st.text(max_size=20), st.binary(max_size=200))
def test_two_nested_hashes_over_the_pads_are_an_hmac(key: bytes, domain: str, message: bytes) -> None:
    inner = bytes.fromhex(binding_value(key, Wanted("inner_pad", domain)))
    outer = bytes.fromhex(binding_value(key, Wanted("outer_pad", domain)))
    nested = hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).digest()
    own = derived_key(derived_key(key, "domain", domain), "hmac")
    assert nested == hmac.digest(own, message, hashlib.sha256)
    assert len(inner) == len(outer) == 64


NAMES = st.lists(st.text(max_size=5), min_size=1, max_size=4)


@given(NAMES, NAMES)
def test_two_ways_below_a_key_are_two_keys(one: list[str], other: list[str]) -> None:
    assert (derived_key(b"k" * 32, *one) == derived_key(b"k" * 32, *other)) == (one == other)


def test_a_source_an_epoch_a_mask_and_a_domain_have_a_key_each() -> None:
    root = bytes(range(32))
    keys = {
        binding_value(source_key(root, source, epoch), Wanted("key", f"{mask}/{domain}"))
        for source in ("shop", "shop2")
        for epoch in (1, 2, 12)
        for mask in ("hash", "email")
        for domain in ("hash", "email")
    }
    assert len(keys) == 24


def test_a_run_has_a_key_that_is_no_source_s() -> None:
    root = bytes(range(32))
    assert len({run_key(root, "shop"), run_key(root, "other"), source_key(root, "shop", 1), root}) == 4


def test_a_fingerprint_says_which_key_it_is_and_nothing_more() -> None:
    one, other = source_key(bytes(32), "shop", 1), source_key(bytes(32), "shop", 2)
    assert fingerprint(one) == fingerprint(bytes(one)) != fingerprint(other)
    assert len(fingerprint(one)) == 16 and fingerprint(one) not in one.hex()


def test_values_do_not_change_from_release_to_release() -> None:
    key = source_key(bytes(range(32)), "production", 1)
    assert key.hex() == "63af1437d8bcd0d3fa7a542c74828cc1345e81861492f2e189b5b8372c909150"
    assert (
        binding_value(key, Wanted("key", "email/email"))
        == "cbeda11747b57282a3e1e81356eb3d67eb18405e232c668e76343974e41ab86b"
    )


def test_a_part_that_comes_from_no_key_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no key gives a dictionary"):
        binding_value(b"x" * 32, Wanted("dictionary", "names"))
