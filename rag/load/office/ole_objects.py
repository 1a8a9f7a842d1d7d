"""What an object embedded by OLE holds (MS-OLEDS): a document of its own, or a file put into a shell."""

from __future__ import annotations

import io
import struct
from typing import Final

import olefile

PACKAGE: Final = "Package"  # an Office file
CONTENTS: Final = "CONTENTS"  # mostly a PDF
NATIVE: Final = "\x01Ole10Native"  # any file (2.3.6)
BROKEN: Final = (OSError, ValueError, IndexError, TypeError, AttributeError, struct.error)


def held(data: bytes) -> tuple[str, bytes]:
    """Return the name and bytes of the file in an object; of one that is a document, no name and itself."""
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as file:
            for stream in (PACKAGE, CONTENTS):
                if file.exists(stream):
                    return "", file.openstream(stream).read()
            if file.exists(NATIVE):
                return _native(file.openstream(NATIVE).read())
    except BROKEN:
        pass
    return "", data


def _native(data: bytes) -> tuple[str, bytes]:
    """Unpack a file: a size, two bytes, its name, its path, eight bytes, a path, a size, the file."""
    name, at = _text(data, 6)
    _, at = _text(data, at)
    _, at = _text(data, at + 8)
    (size,) = struct.unpack_from("<I", data, at)
    return name, data[at + 4 : at + 4 + size]


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode("cp1252", "replace"), end + 1
