"""Encrypted members of OpenDocument files (OASIS ODF 1.3 part 2, 4.8): by AES-256, or by Blowfish of old."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from lxml import etree

from rag.errors import LoadError
from rag.load.office.encrypted import UNKNOWN, WAY_UNKNOWN

MANIFEST: Final = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}"
AES: Final = "aes256-cbc"
BLOWFISH: Final = "Blowfish CFB"  # of ODF 1.1, the default until 2012
BLOWFISH_KEY: Final = 16  # bytes, where the file does not say
MAX_ITERATIONS: Final = 5_000_000
FIRST: Final = 1024  # bytes that the checksum is made of
BLOCK: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """How one member is encrypted."""

    is_blowfish: bool
    vector: bytes
    salt: bytes
    iterations: int
    key_size: int
    start: str  # "sha1" or "sha256", what the password is hashed by
    check: str
    checksum: bytes

    def opened(self, data: bytes, password: str) -> bytes | None:
        """Return the member, still deflated; None when the password is wrong."""
        start = hashlib.new(self.start, password.encode("utf-8")).digest()
        key = hashlib.pbkdf2_hmac("sha1", start, self.salt, self.iterations, self.key_size)
        plain = self._decrypted(data, key)
        return plain if hashlib.new(self.check, plain[:FIRST]).digest() == self.checksum else None

    def _decrypted(self, data: bytes, key: bytes) -> bytes:
        if self.is_blowfish:
            decryptor = Cipher(Blowfish(key), CFB(self.vector)).decryptor()
            return decryptor.update(data) + decryptor.finalize()
        decryptor = Cipher(algorithms.AES(key), modes.CBC(self.vector)).decryptor()
        plain = decryptor.update(data[: len(data) // BLOCK * BLOCK]) + decryptor.finalize()
        return plain[: len(plain) - plain[-1]] if plain else plain


def locks(manifest: etree._Element | None) -> Mapping[str, Lock]:
    """Return how the members of a package are encrypted, by name; those that are not are left out.

    Raises:
        LoadError: when one is encrypted in a way that isn't known.
    """
    found = {}
    for entry in () if manifest is None else manifest.iter(MANIFEST + "file-entry"):
        about = entry.find(MANIFEST + "encryption-data")
        if about is not None:
            found[entry.get(MANIFEST + "full-path", "")] = _lock(about)
    return found


def key_for(lock: Lock, data: bytes, passwords: Iterable[str]) -> str:
    """Return the password that opens a member.

    Raises:
        LoadError: when none does.
    """
    for password in passwords:
        if lock.opened(data, password) is not None:
            return password
    raise LoadError(UNKNOWN)


def inflated(data: bytes, most: int) -> bytes:
    """Return what was deflated, at most `most` bytes of it.

    Raises:
        LoadError: when it is damaged or larger.
    """
    try:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        plain = inflater.decompress(data, most)
    except zlib.error as exc:
        raise LoadError("the OpenDocument file is damaged: a part of it cannot be unpacked") from exc
    if inflater.unconsumed_tail:
        raise LoadError(f"it unpacks to more than {most // 1_000_000} MB")
    return plain


def _lock(about: etree._Element) -> Lock:
    said = dict(_attributes(about))
    iterations = int(said.get("iteration-count", "0"))
    algorithm = said.get("algorithm-name", "")
    is_blowfish = algorithm == BLOWFISH
    if not (is_blowfish or algorithm.endswith(AES)) or not 0 < iterations <= MAX_ITERATIONS:
        raise LoadError(WAY_UNKNOWN)
    try:
        return Lock(
            is_blowfish=is_blowfish,
            vector=base64.b64decode(said["initialisation-vector"]),
            salt=base64.b64decode(said["salt"]),
            iterations=iterations,
            key_size=int(said.get("key-size", BLOWFISH_KEY if is_blowfish else 32)),
            start=_hash_name(said.get("start-key-generation-name", "SHA1")),
            check=_hash_name(said["checksum-type"]),
            checksum=base64.b64decode(said["checksum"]),
        )
    except (KeyError, ValueError, binascii.Error) as exc:
        raise LoadError(WAY_UNKNOWN) from exc


def _attributes(about: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield all that is said of a member's encryption; the key's size by its derivation, which is last."""
    for node in (about, *sorted(about, key=lambda node: str(node.tag).endswith("key-derivation"))):
        yield from ((name.rpartition("}")[2], value) for name, value in node.items())


def _hash_name(address: str) -> str:
    return "sha256" if "sha256" in address.lower() else "sha1"
