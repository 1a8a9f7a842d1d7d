"""What a zip or a compound file is, by what it holds."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from typing import Final

from rag.errors import LoadError

# A file, none, or the first of several parts (APPNOTE 6.3.10, 8.5.4 and 8.5.5).
ZIPS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK\x03\x04", b"PK00PK\x03\x04")
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OFFICE_FOLDERS: Final = (b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis")
CONTENT_TYPES: Final = "[Content_Types].xml"
MIMETYPE_END: Final = 200  # bytes at the start of an OpenDocument file in which its type stands
MOST: Final = 1_000_000  # bytes of a member that is read to tell what the archive is
MAIN_PART: Final = re.compile(  # ECMA-376, part 1, 11.3, 12.3 and 13.3; [MS-OFFMACRO2]
    r"application/vnd\.(?:openxmlformats-officedocument\.(wordprocessing|spreadsheet|presentation)ml"
    r"|ms-(word|excel|powerpoint))\.[\w.]{1,60}\.main(?:\+xml)?[\"']",
    re.I,
)
OOXML: Final = {
    "wordprocessing": "docx",
    "word": "docx",
    "spreadsheet": "xlsx",
    "excel": "xlsx",
    "presentation": "pptx",
    "powerpoint": "pptx",
}
ZIP_MEMBERS: Final = (  # a member that tells what a zip is
    ("word/document.xml", "docx"),
    ("xl/workbook.xml", "xlsx"),
    ("xl/workbook.bin", "xlsx"),
    ("ppt/presentation.xml", "pptx"),
    ("META-INF/container.xml", "epub"),
)
DAMAGES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
)
OPEN_DOCUMENT: Final = re.compile(r"application/vnd\.oasis\.opendocument\.([a-z]+)")
OPEN_DOCUMENTS: Final = {  # what an OpenDocument file says it is (OASIS ODF 1.3, part 2, 3.3)
    "text": "odt",
    "spreadsheet": "ods",
    "presentation": "odp",
}
UNREAD_MEMBERS: Final = (
    ("Index/Document.iwa", "a Pages, Numbers or Keynote document cannot be read: export it as PDF"),
    ("Index.zip", "a Pages, Numbers or Keynote document cannot be read: export it as PDF"),
    ("FixedDocSeq.fdseq", "an XPS document cannot be read: save it as PDF"),
)
OLE_STREAMS: Final = (  # a stream that tells what a compound file is, by Microsoft's open specifications
    ("EncryptedPackage", "encrypted"),
    ("WordDocument", "doc"),
    ("Workbook", "xls"),
    ("Book", "xls"),
    ("PowerPoint Document", "ppt"),
    ("__properties_version1.0", "msg"),
)
UNREAD_STREAMS: Final = (
    ("VisioDocument", "a Visio drawing cannot be read: save it as PDF"),
    ("Quill", "a Publisher document cannot be read: save it as PDF"),
    ("HwpSummaryInformation", "a Hangul document cannot be read: save it as DOCX"),
    ("Catalog", "a cache of thumbnails holds no text"),
)


def in_zip(data: bytes) -> str:
    """Return what a zip is: an Office document by the type of its main part, "zip" for a plain archive.

    Raises:
        LoadError: when it is damaged, or what it is cannot be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _by_members(archive, set(archive.namelist()))
    except DAMAGES as exc:
        found = _by_first_name(data)
        if found == "zip" and any(folder in data for folder in OFFICE_FOLDERS):
            raise LoadError("the file is damaged: it begins as a zip file and is not whole") from exc
        return found  # its reader takes out what is whole


def _by_members(archive: zipfile.ZipFile, members: set[str]) -> str:
    for member, reason in UNREAD_MEMBERS:
        if member in members:
            raise LoadError(reason)
    said = _text(archive, "mimetype", members) or _text(archive, "META-INF/manifest.xml", members)
    if said.strip().startswith("application/epub+zip"):
        return "epub"
    document = OPEN_DOCUMENT.search(said)
    if document and "content.xml" in members:
        return open_document(document[1])
    main = MAIN_PART.search(_text(archive, CONTENT_TYPES, members))
    by_member = next((kind for member, kind in ZIP_MEMBERS if member in members), "zip")
    return OOXML[(main[1] or main[2]).lower()] if main else by_member


def _by_first_name(data: bytes) -> str:
    """Return what a damaged zip is by the first telling name in its bytes, "zip" where there is none."""
    document = OPEN_DOCUMENT.search(data[:MIMETYPE_END].decode("latin-1"))
    if document:
        return open_document(document[1])
    places = {data.find(member.encode()): kind for member, kind in ZIP_MEMBERS}
    return min(((place, kind) for place, kind in places.items() if place >= 0), default=(0, "zip"))[1]


def open_document(kind: str) -> str:
    """Return who reads an OpenDocument file of a `kind` such as "text".

    Raises:
        LoadError: when nobody does.
    """
    if kind not in OPEN_DOCUMENTS:
        raise LoadError(f"an OpenDocument file of the kind {kind!r} cannot be read: export it as PDF")
    return OPEN_DOCUMENTS[kind]


def _text(archive: zipfile.ZipFile, member: str, members: set[str]) -> str:
    if member not in members:
        return ""
    with archive.open(member) as file:
        data = file.read(MOST)
    return data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8", "replace")


def in_compound(data: bytes) -> str:
    """Return what an OLE compound file is.

    Raises:
        LoadError: when nothing reads it.
    """
    streams = _streams(data)
    for stream, kind in OLE_STREAMS:
        if stream.casefold() in streams or (not streams and stream.encode("utf-16-le") in data):
            return kind
    for stream, reason in UNREAD_STREAMS:
        if any(stream.casefold() in name for name in streams):
            raise LoadError(reason)
    raise LoadError("an Office file of an unknown type cannot be read")


def _streams(data: bytes) -> set[str]:
    """Return what lies at the root, in small letters; of a damaged file, nothing."""
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(data)) as compound:
            return {path[0].casefold() for path in compound.listdir(storages=True)}
    except (OSError, ValueError, IndexError, struct.error):
        return set()
