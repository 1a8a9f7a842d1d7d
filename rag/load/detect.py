"""What a file is, by its content and then by its name."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from pathlib import PurePath
from typing import Final

from rag.errors import LoadError
from rag.load.containers import OLE, OPEN_DOCUMENT, ZIPS, in_compound, in_zip, open_document
from rag.load.kinds import KINDS, MARKS, PACKED, SHEETS, UNREAD, WORDLIKE
from rag.load.plain.encoding import decode

PDF: Final = b"%PDF-"
HEAD: Final = 1024  # bytes in which a PDF's mark may stand (ISO 32000-1, note 13 of annex H)
ZIP_END: Final = b"PK\5\6"  # a program that unpacks itself may stand before a zip, or its other parts
MOST_AFTER: Final = 66_000  # bytes from there to the end of the file, with a comment of the longest
BLOCK: Final = 512  # bytes of a tar's header (POSIX.1-2017, pax)
USTAR: Final = slice(257, 262)
SUM: Final = slice(148, 156)  # its checksum, in octal digits, counted as if it were spaces
OCTAL: Final = re.compile(rb"[0-7]{3,7}")
SEEN: Final = 32_768  # bytes that tell what a text is
CONTROLS: Final = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")  # bytes that no text has in any 8-bit encoding
HTML: Final = re.compile(
    r"\s*+(?:(?:<\?xml[^>]*>|<!--.{0,2000}?-->)\s*+)*+<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
XML: Final = re.compile(
    r"\s*(?:<\?xml\s|<!doctype\s(?!html)|<(?!html\b)[a-z][\w:.-]*\s[^<>]{0,2000}?\bxmlns(?::\w+)?\s*=)", re.I
)
FLAT: Final = re.compile(r"<office:document\s[^<>]{0,8000}?office:mimetype\s*=\s*[\"']([^\"']+)")
HEADER: Final = re.compile(r"([A-Za-z][\w-]{1,60}):[ \t]*\S?.*\n(?:[ \t]+\S.*\n)*+")
OF_MAIL: Final = re.compile(
    r"from|to|cc|subject|date|message-id|mime-version|received|return-path|delivered-to|reply-to|sender"
    r"|content-type|content-transfer-encoding"
)
MAIL: Final = re.compile(rf"(?:{OF_MAIL.pattern}):", re.I)
ALONE: Final = frozenset({"message-id", "mime-version", "received", "return-path"})
HEADERS: Final = 3  # of mail, that make a text a message
MBOX: Final = re.compile(r"From \S.{0,200}\d{4}.{0,20}\n[A-Za-z][\w-]*:")
SAVED_PAGE: Final = re.compile(r"^Content-Type:\s*multipart/related", re.I | re.M)
WEB_PAGE: Final = re.compile(r"^(?:Snapshot-Content-Location:|From: <Saved by)", re.I | re.M)
CUE: Final = re.compile(r"(?:\d+\s*\n)?\d\d:\d\d:\d\d[,.]\d{3} --> \d\d:\d\d")
SCRIPT: Final = re.compile(r"<\?(?!xml)")
NOTEBOOK: Final = b'"nbformat"'


def detect(data: bytes, name: str) -> str:
    """Return the key of `rag.load.READERS` for a file's bytes and name.

    Raises:
        LoadError: when nothing reads such a file, with what it is.
    """
    suffix = PurePath(name).suffix.lower()
    if _is_pdf(data[:HEAD], suffix):
        return "pdf"
    if data.startswith(ZIPS) or (suffix == ".zip" and ZIP_END in data[-MOST_AFTER:]):
        return in_zip(data)
    if data.startswith(OLE):
        return in_compound(data)
    return _marked(data) or _as_text(data, suffix)


def _is_pdf(head: bytes, suffix: str) -> bool:
    """Tell whether a file begins as a PDF, other bytes before its mark borne unless it is named as text."""
    if head.removeprefix(BOM_UTF8).lstrip().startswith(PDF):
        return True
    packs_others = head.startswith(ZIPS) or _is_tar(head[:BLOCK])  # one may begin with a PDF
    return PDF in head and suffix not in KINDS and not packs_others


def _marked(data: bytes) -> str:
    for mark, kind in MARKS:
        if data.startswith(mark):
            return kind
    if _is_tar(data[:BLOCK]):
        return "tar"
    if data.startswith(b"%!PS") or CONTROLS.search(data, 0, HEAD):
        for pattern, kind in WORDLIKE:
            if pattern.match(data):
                return kind
        for pattern, noun, advice in UNREAD:
            if pattern.match(data):
                raise LoadError(f"{_a(noun)} cannot be read" + (f": {advice}" if advice else ""))
    return ""


def _is_tar(header: bytes) -> bool:
    """Tell a tar by its mark, an old one that has none by the sum of its first header's bytes."""
    said = header[SUM].strip(b" \0")
    if header[USTAR] == b"ustar" or len(header) < BLOCK or not OCTAL.fullmatch(said):
        return header[USTAR] == b"ustar"
    return int(said, 8) == sum(header) - sum(header[SUM]) + sum(b" " * 8)


def _as_text(data: bytes, suffix: str) -> str:
    kind = KINDS.get(suffix)
    try:
        head = decode(data[:SEEN]).lstrip("\ufeff")
    except LoadError as exc:
        if suffix in PACKED:
            raise LoadError(_misnamed(suffix)) from exc
        raise
    if suffix == ".php" and not SCRIPT.search(head):
        kind = None  # a page saved under the name of the script that made it
    found = (
        _by_its_look(head, data, suffix)
        if kind in {None, "text", "xml", "html"}
        else _against_its_name(head, kind)
    )
    if found:
        return found
    if suffix in SHEETS and "\t" in head:
        return "csv"
    if suffix in PACKED:
        raise LoadError(_misnamed(suffix))
    return kind or "text"


def _misnamed(suffix: str) -> str:
    return f"it is named {suffix} but is not {_a(PACKED[suffix])}"


def _against_its_name(head: str, kind: str) -> str:
    """Return "html" or "xml" for what is named as data of another kind and is not: an error page, mostly."""
    if kind in {"code", "markdown", "rst", "org", "eml", "mbox", "mhtml"}:
        return ""
    return "html" if HTML.match(head) else ""


def _by_its_look(head: str, data: bytes, suffix: str) -> str:
    """Return what a text without a telling name is; "" where nothing tells."""
    if HTML.match(head):
        return "html"
    flat = FLAT.search(head)
    document = OPEN_DOCUMENT.match(flat[1]) if flat else None
    if document:
        return open_document(document[1])
    if XML.match(head):
        return "xml"
    if MBOX.match(head):
        return "mbox"
    if _is_mail(head) or (suffix == ".msg" and MAIL.match(head)):
        is_page = SAVED_PAGE.search(head) and WEB_PAGE.search(head)
        return "mhtml" if is_page else "eml"
    if head.startswith("WEBVTT") or CUE.match(head):
        return "subtitles"
    is_notebook = head.lstrip().startswith("{") and ('"nbformat"' in head or NOTEBOOK in data)
    return "notebook" if is_notebook else ""


def _is_mail(head: str) -> bool:
    """Say whether a text begins with the header of a mail message (RFC 5322, 2.2)."""
    names: set[str] = set()
    at = 0
    while found := HEADER.match(head, at):
        names.add(found[1].lower())
        at = found.end()
    known = set(filter(OF_MAIL.fullmatch, names))
    return len(known) >= HEADERS or (len(known) > 1 and not known.isdisjoint(ALONE))


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"
