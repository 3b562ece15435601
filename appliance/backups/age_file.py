"""The age file format with a passphrase (age-encryption.org/v1, https://c2sp.org/age), as streams.

So that a backup can be opened without the appliance, by anyone's `age --decrypt`. The passphrase becomes a
key with scrypt; the payload is ChaCha20-Poly1305 in chunks of 64 KiB whose nonces count and mark the last one
(the STREAM construction), so that a changed, reordered or cut-off file is found out. Memory stays bounded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import re
import secrets
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = b"age-encryption.org/v1"
CHUNK_BYTES = 64 * 1024
WORK_FACTOR = 17
"""log2 of scrypt's N: 128 MB and about half a second to try one passphrase."""
MAX_WORK_FACTOR = 20
"""A header is not believed when it asks for more: it would take a gigabyte before anything is proven."""

_LABEL = b"age-encryption.org/v1/scrypt"
_FILE_KEY_BYTES = _SALT_BYTES = _NONCE_BYTES = 16
_TAG_BYTES = 16
_LONGEST_LINE = 200
_STANZA = re.compile(rb"-> scrypt ([A-Za-z0-9+/]{22}) ([1-9]\d?)\Z")


class NotAgeError(ValueError):
    """The file is not one of this format with a passphrase."""


class WrongPassphraseError(ValueError):
    """The passphrase does not open it (or its header was changed)."""


class DamagedError(ValueError):
    """The file was cut off or changed after it was written."""


class AgeWriter(io.RawIOBase):
    """Encrypts what is written to it into ``target``. Only ``close`` makes the file whole."""

    def __init__(self, target: BinaryIO, passphrase: str, *, work_factor: int = WORK_FACTOR) -> None:
        file_key, salt = secrets.token_bytes(_FILE_KEY_BYTES), secrets.token_bytes(_SALT_BYTES)
        wrapped = ChaCha20Poly1305(_scrypt(passphrase, salt, work_factor)).encrypt(bytes(12), file_key, None)
        header = b"%b\n-> scrypt %b %d\n%b\n---" % (VERSION, _encoded(salt), work_factor, _encoded(wrapped))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        target.write(header + b" " + _encoded(_header_mac(file_key, header)) + b"\n" + nonce)
        self._target = target
        self._cipher = _payload_cipher(file_key, nonce)
        self._buffer = bytearray()
        self._number = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        """Take all of it; what does not fill a chunk waits."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        self._buffer += view
        # The last chunk is marked, so a full one is held back until it is known not to be the last.
        while len(self._buffer) > CHUNK_BYTES:
            self._encrypt(bytes(self._buffer[:CHUNK_BYTES]), last=False)
            del self._buffer[:CHUNK_BYTES]
        return len(view)

    def finish(self) -> None:
        """Write the last chunk. A file left before that cannot be opened to its end."""
        self._encrypt(bytes(self._buffer), last=True)
        self._buffer.clear()

    def _encrypt(self, chunk: bytes, *, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_chunk_nonce(self._number, last), chunk, None))
        self._number += 1


class AgeReader(io.RawIOBase):
    """Decrypts ``source`` as it is read; the header is read, and the passphrase tried, at once.

    Raises NotAgeError and WrongPassphraseError when it is made, DamagedError while it is read. What was read
    before the end is authentic, and the end is only reached when nothing is missing.
    """

    def __init__(self, source: BinaryIO, passphrase: str) -> None:
        salt, work_factor, wrapped, header, mac = _read_header(source)
        try:
            cipher = ChaCha20Poly1305(_scrypt(passphrase, salt, work_factor))
            file_key = cipher.decrypt(bytes(12), wrapped, None)
        except InvalidTag:
            raise WrongPassphraseError from None
        if not hmac.compare_digest(mac, _header_mac(file_key, header)):
            raise DamagedError
        nonce = source.read(_NONCE_BYTES)
        if len(nonce) != _NONCE_BYTES:
            raise DamagedError
        self._source = source
        self._cipher = _payload_cipher(file_key, nonce)
        self._ahead = source.read(CHUNK_BYTES + _TAG_BYTES)
        self._number = 0
        self._is_over = False
        self._plain = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        """Fill the buffer as far as one chunk goes; 0 at the end."""
        while not self._plain and not self._is_over:
            self._next_chunk()
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        count = min(len(view), len(self._plain))
        view[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _next_chunk(self) -> None:
        chunk, self._ahead = self._ahead, self._source.read(CHUNK_BYTES + _TAG_BYTES)
        self._is_over = not self._ahead
        try:
            self._plain = self._cipher.decrypt(_chunk_nonce(self._number, self._is_over), chunk, None)
        except (InvalidTag, ValueError):
            raise DamagedError from None
        if not self._plain and self._number:
            raise DamagedError
        self._number += 1


def _read_header(source: BinaryIO) -> tuple[bytes, int, bytes, bytes, bytes]:
    lines = [source.readline(_LONGEST_LINE) for _ in range(4)]
    stanza = _STANZA.match(lines[1].rstrip(b"\n"))
    if lines[0] != VERSION + b"\n" or stanza is None or not lines[3].startswith(b"--- "):
        raise NotAgeError
    salt, work_factor = _decoded(stanza[1]), int(stanza[2])
    wrapped, mac = _decoded(lines[2].rstrip(b"\n")), _decoded(lines[3][4:].rstrip(b"\n"))
    sizes = (len(salt), len(wrapped), len(mac))
    if sizes != (_SALT_BYTES, _FILE_KEY_BYTES + _TAG_BYTES, 32) or work_factor > MAX_WORK_FACTOR:
        raise NotAgeError
    return salt, work_factor, wrapped, b"".join(lines[:3]) + b"---", mac


def _scrypt(passphrase: str, salt: bytes, work_factor: int) -> bytes:
    n, r = 1 << work_factor, 8
    return hashlib.scrypt(
        passphrase.encode(), salt=_LABEL + salt, n=n, r=r, p=1, maxmem=256 * n * r, dklen=32
    )


def _header_mac(file_key: bytes, header: bytes) -> bytes:
    return hmac.digest(_derived(file_key, b"", b"header"), header, hashlib.sha256)


def _payload_cipher(file_key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))


def _derived(file_key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(file_key)


def _chunk_nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _encoded(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    """Strictly: a spelling that decodes to the same bytes would be a change that no one finds out."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise NotAgeError from None
    if _encoded(data) != text:
        raise NotAgeError
    return data
