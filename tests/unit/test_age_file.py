"""The format of age: read what another program wrote, and find out every change to what we write."""

from __future__ import annotations

import base64
import io
import os

import pytest

from appliance.backups.age_file import (
    CHUNK_BYTES,
    AgeReader,
    AgeWriter,
    DamagedError,
    NotAgeError,
    WrongPassphraseError,
)

PASSPHRASE = "correct horse"
CHEAP = 4
"""log2 of scrypt's N: what is tried here is not how long it takes."""
OF_ANOTHER_PROGRAM = base64.b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBmRWFNS1c0U0RXb1BhREFNbElaVHVnIDE4ClJhMVhYZkhXZUxOcFRPazJQOFZT"
    "TnNtV3ZUcTMrenNISU1tL05BeGpJYjAKLS0tIEJXNk5pdFBvdDdUbHZtUEhLbGxwNDBUVTR3WVN1RFM4Y0Q1TGVlS091b1kKAIEs3Pj7"
    "bwYeLU9lQ52SWCwIUtBZLoHOAp2FtwSjjihVIsleF3eCgK6jNZBYiblgOMymgw=="
)
"""Written by age 1.1.1: `age -p`."""


def sealed(content: bytes, passphrase: str = PASSPHRASE) -> bytes:
    target = io.BytesIO()
    writer = AgeWriter(target, passphrase, work_factor=CHEAP)
    for start in range(0, len(content), 50_000):
        writer.write(content[start : start + 50_000])
    writer.finish()
    return target.getvalue()


def opened(file: bytes, passphrase: str = PASSPHRASE) -> bytes:
    reader = AgeReader(io.BytesIO(file), passphrase)
    pieces = []
    while piece := reader.read(10_007):
        pieces.append(piece)
    return b"".join(pieces)


def header_of(file: bytes) -> int:
    return file.index(b"\n", file.index(b"--- ")) + 1


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 200_000]
)
def test_what_was_sealed_comes_out_again(size: int) -> None:
    content = os.urandom(size)
    assert opened(sealed(content)) == content


def test_a_file_that_age_itself_wrote_is_read() -> None:
    assert opened(OF_ANOTHER_PROGRAM) == b"a backup of long ago"


def test_two_files_of_the_same_content_have_nothing_in_common() -> None:
    one, two = sealed(bytes(1000)), sealed(bytes(1000))
    assert one[header_of(one) :] != two[header_of(two) :]


def test_a_wrong_passphrase_opens_nothing() -> None:
    for wrong in ("", "correct hors", "Correct horse", "correct horse "):
        with pytest.raises(WrongPassphraseError):
            opened(sealed(b"x"), wrong)


def test_a_file_that_was_cut_off_anywhere_is_found_out() -> None:
    content = os.urandom(3 * CHUNK_BYTES)
    file = sealed(content)
    start = header_of(file)
    sealed_chunk = CHUNK_BYTES + 16
    cuts = [start + 16 + count * sealed_chunk for count in range(3)]
    for cut in (*range(0, start, 7), start + 3, start + 16, *cuts, cuts[1] + 5, len(file) - 1):
        with pytest.raises((DamagedError, NotAgeError)):
            opened(file[:cut])


def test_a_change_of_any_part_is_found_out() -> None:
    file = sealed(os.urandom(CHUNK_BYTES + 100))
    for place in (*range(header_of(file)), *range(header_of(file), len(file), 997), len(file) - 1):
        changed = bytearray(file)
        changed[place] ^= 1
        with pytest.raises((DamagedError, NotAgeError, WrongPassphraseError)):
            opened(bytes(changed))


def test_another_spelling_of_the_same_header_is_found_out() -> None:
    file = sealed(b"x")
    last = header_of(file) - 2
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    # Of the last digit of a MAC two bits mean nothing.
    for other in range(1, 4):
        changed = bytearray(file)
        changed[last] = alphabet[alphabet.index(file[last]) ^ other]
        with pytest.raises((DamagedError, NotAgeError)):
            opened(bytes(changed))


def test_chunks_that_changed_places_or_were_added_are_found_out() -> None:
    file = sealed(os.urandom(3 * CHUNK_BYTES))
    start, size = header_of(file) + 16, CHUNK_BYTES + 16
    head, one, two, three = file[:start], *(file[start + n * size : start + (n + 1) * size] for n in range(3))
    for wrong in (head + two + one + three, head + one + three, file + three, head + one + two + two + three):
        with pytest.raises(DamagedError):
            opened(wrong)


def test_a_header_that_asks_for_too_much_memory_is_not_believed() -> None:
    file = sealed(b"x").replace(f" {CHEAP}\n".encode(), b" 30\n", 1)
    with pytest.raises(NotAgeError):
        opened(file)


def test_a_file_that_is_no_such_file_is_told_apart() -> None:
    for file in (b"", b"PGDMP", b"age-encryption.org/v1\n-> X25519 abc\nabc\n--- abc\n", os.urandom(5000)):
        with pytest.raises(NotAgeError):
            opened(file)
