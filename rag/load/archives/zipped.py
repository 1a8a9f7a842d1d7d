"""The members of a zip, read one by one within the limits of the file that holds them."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from rag.errors import LoadError
from rag.load.archives.zip_aes import decrypt, is_aes
from rag.load.archives.zip_names import member_names, path_of
from rag.load.source import MAX_MEMBER, Source

ENCRYPTED: Final = 1  # bit of a member's flags (APPNOTE 6.3.10, 4.4.4)
SIZES_FOLLOW: Final = 8
LOCAL: Final = struct.Struct("<4s5H3L2H")  # local file header (4.3.7), without name and extra field
LOCAL_MARK: Final = b"PK\3\4"
END_MARK: Final = b"PK\5\6"
FIRST_OF_MANY: Final = b"PK\7\x08"
DAMAGED: Final = "the archive is cut or damaged: only what is whole of it was read"
SPLIT: Final = "it is one part of a split zip: join all parts into one file to have all of it"
DEFLATED: Final = 8
CHUNK: Final = 1 << 16
TOO_LARGE: Final = f"it unpacks to more than {MAX_MEMBER // 1_000_000} MB"


class DamagedError(LoadError):
    """The zip has no table of its members; `rescued` may find some. It says what to note of those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file in the archive; `read` unpacks it and raises LoadError when it cannot."""

    name: str  # its path, with forward slashes
    size: int  # bytes it says it unpacks to
    read: Callable[[], bytes]


def members(source: Source) -> list[Member]:
    """Return the files in a zip, in its own order.

    Raises:
        DamagedError: when it is not whole.
        LoadError: when its members share their bytes, as those of a bomb do.
    """
    if _is_split(source.data):
        raise DamagedError(SPLIT)
    try:
        archive = zipfile.ZipFile(io.BytesIO(source.data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError, struct.error) as exc:
        raise DamagedError(DAMAGED) from exc
    infos = _infos(archive)
    names = member_names(infos)
    return [
        Member(name=name, size=info.file_size, read=_reader(archive, info, source))
        for name, info in zip(names, infos, strict=True)
    ]


def rescued(source: Source) -> Iterator[Member]:
    """Yield what can be unpacked of a zip that is cut or damaged, by the header before each member.

    The last may be cut, too. What is encrypted or packed in a rare way is left out.
    """
    data, at = source.data, source.data.find(LOCAL_MARK)
    while at >= 0 and at + LOCAL.size <= len(data):
        _, _, flags, method, _, _, _, packed, _, name_size, extra_size = LOCAL.unpack_from(data, at)
        start = at + LOCAL.size + name_size + extra_size
        name = path_of(data[at + LOCAL.size : at + LOCAL.size + name_size])
        unpacked, used = b"", 0
        if method == DEFLATED and not flags & ENCRYPTED:
            unpacked, used = _inflated(data, start)
        elif method == 0 and not flags & (ENCRYPTED | SIZES_FOLLOW):
            unpacked, used = data[start : start + packed][:MAX_MEMBER], packed
        if unpacked:
            source.budget.unpack(len(unpacked))
            yield Member(name=name, size=len(unpacked), read=partial(bytes, unpacked))
        at = data.find(LOCAL_MARK, start + used)


def _is_split(data: bytes) -> bool:
    """Tell a part of a zip that was split into several (APPNOTE 6.3.10, 8.5)."""
    end = data.rfind(END_MARK)
    number = data[end + 4 : end + 6]  # 0xFFFF: it stands in the fields of zip64
    return data.startswith(FIRST_OF_MANY) or (end >= 0 and number not in {b"\0\0", b"\xff\xff"})


def _infos(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the members, each once though the table name it twice."""
    files = [info for info in archive.infolist() if not info.is_dir() and not _is_link(info)]
    infos = list({info.header_offset: info for info in files}.values())
    _refuse_overlaps(infos)
    return infos


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)  # the mode of Unix (Info-ZIP)


def _refuse_overlaps(infos: list[zipfile.ZipInfo]) -> None:
    """Refuse a bomb whose members are the same bytes again and again (Fifield, WOOT 2019)."""
    ends = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < ends:
            raise LoadError("its members overlap, as in a zip bomb")
        ends = info.header_offset + LOCAL.size + info.compress_size


def _reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: Source) -> Callable[[], bytes]:
    def read() -> bytes:
        if info.file_size > MAX_MEMBER:
            raise LoadError(TOO_LARGE)
        if info.file_size > source.budget.unpacked:
            source.budget.unpack(info.file_size)
        try:
            return _unpacked(archive, info, source)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error) as exc:
            raise LoadError("it is damaged within the archive") from exc
        except NotImplementedError as exc:
            raise LoadError("it is packed in a rare way; pack it anew as a usual zip") from exc
        except MemoryError as exc:
            raise LoadError("unpacking it takes more memory than one document may use") from exc

    return read


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: Source) -> bytes:
    if not info.flag_bits & ENCRYPTED:
        return archive.read(info)
    for password in _passwords(source):
        if is_aes(info):
            data = decrypt(source.data, info, password, most=MAX_MEMBER)
            if data is not None:
                return data
        else:
            try:
                return archive.read(info, pwd=password)
            except (RuntimeError, zipfile.BadZipFile, zlib.error):  # one wrong password in 256 seems right
                continue
    raise LoadError("it is encrypted; add its password to the setting `passwords`")


def _passwords(source: Source) -> list[bytes]:
    """Return the passwords to try, those of Chinese letters as either way of typing them wrote them."""
    tried = [b""]
    for password in source.settings.passwords:
        tried.append(password.encode())
        if not password.isascii():
            tried.append(password.encode("gb18030"))
    return tried


def _inflated(data: bytes, start: int) -> tuple[bytes, int]:
    """Return what the deflated bytes from `start` unpack to, as far as they go, and how many they are."""
    inflate, pieces, size, at = zlib.decompressobj(-zlib.MAX_WBITS), [], 0, start
    try:
        while not inflate.eof and at < len(data) and size <= MAX_MEMBER:
            pieces.append(inflate.decompress(data[at : at + CHUNK]))
            at += CHUNK
            size += len(pieces[-1])
    except zlib.error:
        pass
    return b"".join(pieces)[:MAX_MEMBER], min(at, len(data)) - start - len(inflate.unused_data)
