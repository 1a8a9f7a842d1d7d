"""Encrypted Office files (MS-OFFCRYPTO): opened with the empty password or one that the user has given."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Final
from xml.parsers.expat import ExpatError

import msoffcrypto
from msoffcrypto.exceptions import DecryptionError, FileFormatError, InvalidKeyError, ParseError

from rag.errors import LoadError
from rag.load.content import Content
from rag.load.source import Source

# Excel encrypts a workbook that is merely protected with this one (MS-OFFCRYPTO 2.2.1, MS-XLS 2.2.10).
DEFAULT_PASSWORD: Final = "VelvetSweatshop"  # noqa: S105 - everyone has it
UNKNOWN: Final = (
    "the document is encrypted: add its password to the setting `passwords`, or save a copy of it without one"
)
WAY_UNKNOWN: Final = (
    "the document is encrypted in a way that cannot be read: save a copy of it without a password"
)
WRONG: Final = (InvalidKeyError, DecryptionError)
BROKEN: Final = (
    FileFormatError,
    ParseError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    OSError,
    struct.error,
    ExpatError,
)


def read_encrypted(source: Source) -> Content:
    """Read what is inside an encrypted Word, Excel or PowerPoint file of 2007 or later.

    Raises:
        LoadError: when no password fits, or as the reader of what is inside does.
    """
    from rag.load import read

    return read(source.member(decrypted(source), source.name))


def is_encrypted(data: bytes) -> bool:
    """Say whether an Office file of before 2007 is encrypted."""
    try:
        return bool(msoffcrypto.OfficeFile(io.BytesIO(data)).is_encrypted())
    except Exception:  # noqa: BLE001 - a damaged file makes it raise anything; its reader will say what is wrong
        return False


def decrypted(source: Source) -> bytes:
    """Return the bytes of an encrypted Office file as they were before.

    Raises:
        LoadError: when no password fits.
    """
    for password in tried_passwords(source):
        plain = _opened(source.data, password)
        if plain is not None:
            return plain
    raise LoadError(UNKNOWN)


def tried_passwords(source: Source) -> Iterator[str]:
    """Yield the passwords to try, in order."""
    yield from ("", DEFAULT_PASSWORD)
    yield from source.settings.passwords


def _opened(data: bytes, password: str) -> bytes | None:
    """Return the plain bytes; None when the password is wrong."""
    plain = io.BytesIO()
    try:
        file = msoffcrypto.OfficeFile(io.BytesIO(data))
        if file.format == "ooxml":
            file.load_key(password=password, verify_password=True)
        else:
            file.load_key(password=password)
        file.decrypt(plain)
    except WRONG:
        return None
    except BROKEN as exc:
        raise LoadError(WAY_UNKNOWN) from exc
    return plain.getvalue()
