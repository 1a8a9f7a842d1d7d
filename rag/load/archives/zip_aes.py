"""Members of a zip that are encrypted with AES, as WinZip and 7-Zip write them (WinZip's AE-1 and AE-2)."""

from __future__ import annotations

import hashlib
import hmac
import struct
import zipfile
import zlib
from typing import Final

METHOD: Final = 99
EXTRA: Final = 0x9901
FIELD: Final = struct.Struct("<2HH2sBH")  # kind and size; version, "AE", strength, true method
KEY_SIZES: Final = {1: 16, 2: 24, 3: 32}  # bytes, by strength
ROUNDS: Final = 1000
CHECK: Final = 2  # bytes that tell a wrong password
MAC: Final = 10
BLOCK: Final = 16
RUN: Final = 1 << 16  # blocks decrypted at once
LOCAL_LENGTHS: Final = struct.Struct("<2H")  # of name and extra field, in the local header
AT_LENGTHS: Final = 26
DEFLATED: Final = 8


def is_aes(info: zipfile.ZipInfo) -> bool:
    return info.compress_type == METHOD


def decrypt(archive: bytes, info: zipfile.ZipInfo, password: bytes, *, most: int) -> bytes | None:
    """Return the member unpacked, at most `most` bytes of it; None when the password is wrong.

    Raises:
        ValueError: when the member is damaged.
        NotImplementedError: when it is packed in a rare way.
    """
    strength, method = _field(info.extra)
    size = KEY_SIZES[strength]
    packed = _packed(archive, info)
    salt, rest = packed[: size // 2], packed[size // 2 :]
    check, secret, mac = rest[:CHECK], rest[CHECK:-MAC], rest[-MAC:]
    keys = hashlib.pbkdf2_hmac("sha1", password, salt, ROUNDS, 2 * size + CHECK)
    if keys[-CHECK:] != check:
        return None
    if not hmac.compare_digest(hmac.digest(keys[size : 2 * size], secret, "sha1")[:MAC], mac):
        return None  # one wrong password in 65,536 passes the first check
    data = _counter_mode(keys[:size], secret)
    if method == DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
    if method != zipfile.ZIP_STORED:
        raise NotImplementedError
    return data


def _field(extra: bytes) -> tuple[int, int]:
    at = 0
    while at + FIELD.size <= len(extra):
        kind, size, _, _, strength, method = FIELD.unpack_from(extra, at)
        if kind == EXTRA and strength in KEY_SIZES:
            return strength, method
        at += 4 + size
    raise ValueError("no field tells how the member is encrypted")


def _packed(archive: bytes, info: zipfile.ZipInfo) -> bytes:
    name, extra = LOCAL_LENGTHS.unpack_from(archive, info.header_offset + AT_LENGTHS)
    start = info.header_offset + AT_LENGTHS + LOCAL_LENGTHS.size + name + extra
    return archive[start : start + info.compress_size]


def _counter_mode(key: bytes, secret: bytes) -> bytes:
    """Decrypt by AES in counter mode with a little-endian counter from 1, which no library offers."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - one block a counter, as the format asks
    pieces = []
    for start in range(0, len(secret), RUN * BLOCK):
        piece = secret[start : start + RUN * BLOCK]
        first = start // BLOCK + 1
        counters = b"".join(
            number.to_bytes(BLOCK, "little") for number in range(first, first + -(-len(piece) // BLOCK))
        )
        stream = encryptor.update(counters)[: len(piece)]
        mixed = int.from_bytes(piece) ^ int.from_bytes(stream)
        pieces.append(mixed.to_bytes(len(piece)))
    return b"".join(pieces)
