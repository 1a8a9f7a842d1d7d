"""What a file is, by its first bytes and then by its name."""

from __future__ import annotations

import io
import re
import zipfile
from codecs import BOM_UTF8
from pathlib import PurePath
from typing import Final

from rag.errors import LoadError
from rag.load.encoding import decode

PDF: Final = b"%PDF-"
ZIP: Final = b"PK\x03\x04"
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HEAD: Final = 1024  # bytes in which a PDF's mark may stand (ISO 32000-1, note 13 of annex H)
HTML: Final = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
SUFFIXES: Final = {  # of files that are text, and how it is marked up
    "": "text",
    ".txt": "text",
    ".text": "text",
    ".log": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
}
PACKED: Final = {".pdf": "PDF", ".docx": "Word document"}  # read, but never text
ZIP_MEMBERS: Final = (  # a member that tells what a zip is
    ("word/document.xml", "docx"),
    ("xl/workbook.xml", "Excel workbook"),
    ("ppt/presentation.xml", "PowerPoint presentation"),
    ("META-INF/container.xml", "EPUB book"),
    ("content.xml", "OpenDocument file"),
)
ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")  # name of the stream (MS-OFFCRYPTO 1.3.1)
MEDIA: Final = (
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"\x1f\x8b", "gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"Rar!", "RAR archive"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
    (b"SQLite format 3\0", "SQLite database"),
)


def detect(data: bytes, name: str) -> str:
    """Return the key of `rag.load.READERS` for a file's bytes and name.

    Raises:
        LoadError: when nothing reads such a file, with what it is.
    """
    suffix = PurePath(name).suffix.lower()
    if _is_pdf(data[:HEAD], suffix):
        return "pdf"
    if data.startswith(ZIP):
        return _in_zip(data)
    if data.startswith(OLE):
        raise LoadError(_ole(data))
    for mark, kind in MEDIA:
        if data.startswith(mark):
            raise LoadError(f"{_a(kind)} cannot be read")
    return _as_text(data, suffix)


def _is_pdf(head: bytes, suffix: str) -> bool:
    """Tell whether a file begins as a PDF, other bytes before its mark borne unless it is named as text."""
    if head.removeprefix(BOM_UTF8).lstrip().startswith(PDF):
        return True
    return PDF in head and suffix not in SUFFIXES


def _in_zip(data: bytes) -> str:
    try:
        members = set(zipfile.ZipFile(io.BytesIO(data)).namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
        raise LoadError("the file is damaged: it begins as a zip file and is not whole") from exc
    kind = next((kind for member, kind in ZIP_MEMBERS if member in members), "zip archive")
    if kind != "docx":
        raise LoadError(f"{_a(kind)} cannot be read yet")
    return kind


def _ole(data: bytes) -> str:
    if ENCRYPTED in data:
        return "the document is encrypted: save a copy of it without a password"
    return "an Office file of before 2007 (.doc, .xls, .ppt) cannot be read yet: save it in a newer format"


def _as_text(data: bytes, suffix: str) -> str:
    if suffix in PACKED:
        raise LoadError(f"it is named {suffix} but is not a {PACKED[suffix]}")
    head = decode(data)[:4096]
    if HTML.match(head.lstrip("\ufeff")):
        return "html"
    if suffix not in SUFFIXES:
        raise LoadError(f"files of the type {suffix} cannot be read yet")
    return SUFFIXES[suffix]


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"
