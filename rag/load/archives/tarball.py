"""Tar archives, and what gzip, bzip2 and xz pack."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from rag.errors import LoadError
from rag.load.archives.archive import read_members
from rag.load.archives.zip_names import path_of
from rag.load.archives.zipped import TOO_LARGE, Member
from rag.load.content import Content
from rag.load.source import MAX_MEMBER, Source

CHUNK: Final = 1 << 16
GZIP: Final = b"\x1f\x8b"
BZIP2: Final = b"BZh"
TARRED: Final = {"tgz": ".tar", "tbz": ".tar", "tbz2": ".tar", "txz": ".tar"}
DAMAGED: Final = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


def read_tar(source: Source) -> Content:
    """Read the files in a tar; those that cannot be read are named in the notes."""
    return read_members(source, _members(source))


def read_packed(source: Source) -> Content:
    """Read the one file in a .gz, .bz2 or .xz, most often a tar."""
    from rag.load import read

    inside, is_whole = unpack(source)
    content = read(inside)
    if is_whole:
        return content
    return replace(content, notes=("the file is cut or damaged: only its beginning was read", *content.notes))


def unpack(source: Source) -> tuple[Source, bool]:
    """Return the one file in a .gz, .bz2 or .xz, and whether that is all of it."""
    stem, _, suffix = source.name.rpartition(".")
    data, is_whole = _unpacked(source.data)
    return source.member(data, stem + TARRED.get(suffix.lower(), "")), is_whole


def _unpacked(data: bytes) -> tuple[bytes, bool]:
    """Return what is packed in `data`, and whether that is all of it."""
    unpacked = bytearray()
    try:
        with _opened(data) as file:
            while piece := file.read1(CHUNK):
                unpacked += piece
                if len(unpacked) > MAX_MEMBER:
                    raise LoadError(f"{TOO_LARGE}; unpack it and put the files here")
    except DAMAGED as exc:
        if not unpacked:
            raise LoadError("the file is damaged: nothing of it can be unpacked") from exc
        return bytes(unpacked), False
    return bytes(unpacked), True


def _opened(data: bytes) -> gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    if data.startswith(GZIP):
        return gzip.GzipFile(fileobj=io.BytesIO(data))
    return bz2.BZ2File(io.BytesIO(data)) if data.startswith(BZIP2) else lzma.LZMAFile(io.BytesIO(data))


def _members(source: Source) -> Iterator[Member]:
    """Yield the files as they come: a tar has no table of them. Links and devices are none."""
    try:
        with tarfile.open(fileobj=io.BytesIO(source.data), mode="r:", errors="surrogateescape") as archive:
            for info in archive:
                if info.isfile():
                    raw = info.name.encode("utf-8", "surrogateescape")
                    yield Member(name=path_of(raw), size=info.size, read=partial(_read, archive, info))
    except (tarfile.TarError, *DAMAGED) as exc:
        raise LoadError("the archive is damaged from here on") from exc


def _read(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    if info.size > MAX_MEMBER:
        raise LoadError(TOO_LARGE)
    try:
        file = archive.extractfile(info)
        return file.read() if file else b""
    except (tarfile.TarError, *DAMAGED) as exc:
        raise LoadError("it is damaged within the archive") from exc
