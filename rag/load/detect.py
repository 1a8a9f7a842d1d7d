"""What a file is, by its first bytes and then by its name."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from codecs import BOM_UTF8
from pathlib import PurePath
from typing import Final

from rag.errors import LoadError
from rag.load.encoding import decode

PDF: Final = b"%PDF-"
EPUB: Final = b"mimetypeapplication/epub+zip"
ZIP: Final = b"PK\x03\x04"
EMPTY_ZIP: Final = b"PK\x05\x06"
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HEAD: Final = 1024  # bytes in which a PDF's mark may stand (ISO 32000-1, note 13 of annex H)
MARKS: Final = (  # first bytes of what is read
    (b"{\\rtf", "rtf"),
    (b"\x89PNG\r\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
    (b"\x1f\x8b", "packed"),
    (b"BZh", "packed"),
    (b"\xfd7zXZ\0", "packed"),
    (b"BM", "image"),
)
WEBP: Final = re.compile(rb"RIFF....WEBP", re.S)
BITMAP: Final = re.compile(rb"BM.{4}\0\0\0\0", re.S)  # "BM" alone may begin a sentence
UNREAD: Final = (
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"Rar!", "RAR archive"),
    (b"MSCF", "cabinet archive"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"ID3", "sound file"),
    (b"OggS", "sound file"),
    (b"RIFF", "sound file or video"),
)
TAR: Final = slice(257, 262)  # where a tar says "ustar" (POSIX.1-2017, pax)
VIDEO: Final = re.compile(rb".{4}ftyp", re.S)  # ISO/IEC 14496-12
ZIP_MEMBERS: Final = (  # a member that tells what a zip is
    ("word/document.xml", "docx"),
    ("xl/workbook.xml", "xlsx"),
    ("xl/workbook.bin", "xlsx"),
    ("ppt/presentation.xml", "pptx"),
    ("META-INF/container.xml", "epub"),
)
MIMETYPES: Final = {  # what the member `mimetype` of an OpenDocument file says (OASIS ODF 1.3, part 2, 3.3)
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/epub+zip": "epub",
}
OLE_STREAMS: Final = (  # a stream that tells what a compound file is, by Microsoft's open specifications
    ("EncryptedPackage", "encrypted"),
    ("WordDocument", "doc"),
    ("Workbook", "xls"),
    ("Book", "xls"),
    ("PowerPoint Document", "ppt"),
    ("__properties_version1.0", "msg"),
)
HTML: Final = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
XML: Final = re.compile(r"\s*<\?xml\s")
MAIL: Final = re.compile(
    r"(?:[A-Za-z][\w-]*:.*\n(?:[ \t].*\n)*)*?(?:MIME-Version|Received|Message-ID):", re.I
)
MBOX: Final = re.compile(r"From \S.{0,200}\d{4}.{0,20}\n[A-Za-z][\w-]*:")
PAGE_IN_MAIL: Final = re.compile(r"^Content-Type:\s*multipart/related", re.I | re.M)
SUFFIXES: Final = {  # of files that are text, and how it is marked up
    "text": ".txt .text .log",
    "markdown": ".md .markdown .mdx",
    "html": ".html .htm .xhtml",
    "mhtml": ".mhtml .mht",
    "xml": ".xml .xsl .xslt .xsd .rss .atom .svg .opml .kml .wsdl .plist .dita .docbook .tei",
    "json": ".json .jsonl .ndjson .geojson .json5",
    "csv": ".csv .tsv .tab .psv",
    "yaml": ".yaml .yml",
    "rst": ".rst .rest",
    "org": ".org",
    "notebook": ".ipynb",
    "subtitles": ".srt .vtt",
    "eml": ".eml .emlx",
    "mbox": ".mbox .mbx",
    "code": (
        ".py .pyi .js .mjs .cjs .jsx .ts .tsx .java .kt .kts .scala .c .h .cc .cpp .cxx .hpp .hh .cs .go "
        ".rs .rb .php .pl .pm .lua .r .jl .swift .m .mm .sh .bash .zsh .fish .ps1 .bat .cmd .sql .css "
        ".scss .less .vue .svelte .ex .exs .erl .hrl .hs .ml .mli .clj .lisp .el .scm .dart .f90 .f .pas "
        ".asm .s .cmake .gradle .groovy .proto .graphql .tf .toml .ini .cfg .conf .properties .env .tex "
        ".bib .ipy .vb .vba .awk .sed"
    ),
}
KINDS: Final = {suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes.split()} | {
    "": "text"
}
PACKED: Final = {  # read, but never text
    ".pdf": "PDF",
    ".docx": "Word document",
    ".pptx": "PowerPoint presentation",
    ".xlsx": "Excel workbook",
    ".odt": "OpenDocument text",
    ".ods": "OpenDocument spreadsheet",
    ".odp": "OpenDocument presentation",
    ".epub": "EPUB book",
    ".zip": "zip archive",
    ".png": "PNG image",
    ".jpg": "JPEG image",
    ".jpeg": "JPEG image",
    ".tif": "TIFF image",
    ".tiff": "TIFF image",
    ".webp": "WebP image",
    ".bmp": "bitmap image",
    ".msg": "Outlook message",
}


def detect(data: bytes, name: str) -> str:
    """Return the key of `rag.load.READERS` for a file's bytes and name.

    Raises:
        LoadError: when nothing reads such a file, with what it is.
    """
    suffix = PurePath(name).suffix.lower()
    if _is_pdf(data[:HEAD], suffix):
        return "pdf"
    if data.startswith((ZIP, EMPTY_ZIP)):
        return _in_zip(data)
    if data.startswith(OLE):
        return _in_ole(data)
    return _marked(data) or _as_text(data, suffix)


def _is_pdf(head: bytes, suffix: str) -> bool:
    """Tell whether a file begins as a PDF, other bytes before its mark borne unless it is named as text."""
    if head.removeprefix(BOM_UTF8).lstrip().startswith(PDF):
        return True
    return PDF in head and suffix not in KINDS


def _marked(data: bytes) -> str:
    for mark, kind in MARKS:
        if data.startswith(mark) and (mark != b"BM" or BITMAP.match(data)):
            return kind
    if WEBP.match(data):
        return "image"
    for mark, noun in UNREAD:
        if data.startswith(mark):
            advice = ": unpack it and put its files here" if noun.endswith(" archive") else ""
            raise LoadError(f"{_a(noun)} cannot be read{advice}")
    if data[TAR] == b"ustar":
        return "tar"
    if VIDEO.match(data):
        raise LoadError("a video or sound file cannot be read")
    return ""


def _in_zip(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = set(archive.namelist())
            said = _mimetype(archive) if "mimetype" in members else ""
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, OSError) as exc:
        if EPUB in data[:HEAD]:
            return "epub"  # its reader takes out what is whole
        raise LoadError("the file is damaged: it begins as a zip file and is not whole") from exc
    by_member = next((kind for member, kind in ZIP_MEMBERS if member in members), "zip")
    return MIMETYPES.get(said.strip().removesuffix("-template"), by_member)


def _mimetype(archive: zipfile.ZipFile) -> str:
    with archive.open("mimetype") as file:
        return file.read(HEAD).decode("ascii", "replace")


def _in_ole(data: bytes) -> str:
    streams = _ole_streams(data)
    for stream, kind in OLE_STREAMS:
        if stream in streams or (not streams and stream.encode("utf-16-le") in data):
            return kind
    raise LoadError("an Office file of an unknown type cannot be read")


def _ole_streams(data: bytes) -> set[str]:
    """Return what lies at the root: an attached file has streams of its own. A damaged file: nothing."""
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(data)) as compound:
            return {path[0] for path in compound.listdir(storages=True)}
    except (OSError, ValueError, IndexError, struct.error):
        return set()


def _as_text(data: bytes, suffix: str) -> str:
    if suffix in PACKED:
        raise LoadError(f"it is named {suffix} but is not {_a(PACKED[suffix])}")
    kind = KINDS.get(suffix)
    head = decode(data)[:4096].lstrip("\ufeff")
    if HTML.match(head) and kind not in {"code", "markdown"}:
        return "html"
    if kind not in {None, "text"}:
        return str(kind)
    return _by_its_look(head, data) or "text"


def _by_its_look(head: str, data: bytes) -> str:
    """Return what a text without a telling name is; "" where nothing tells."""
    if MBOX.match(head):
        return "mbox"
    if MAIL.match(head):
        return "mhtml" if PAGE_IN_MAIL.search(head) else "eml"
    if XML.match(head):
        return "xml"
    if head.startswith("WEBVTT"):
        return "subtitles"
    if head.lstrip().startswith("{") and '"nbformat"' in decode(data):
        return "notebook"
    return ""


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"
