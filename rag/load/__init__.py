"""A file -> a Document, or a picture of a page: what it is, is decided by its content, then by its name."""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from rag.datatypes import Box, Document
from rag.errors import LoadError
from rag.load.content import Content
from rag.load.detect import detect
from rag.load.source import Settings, Source

SOMETHING: Final = re.compile(rb"[^\0 \t\r\n]")
Reader: TypeAlias = Callable[[Source], Content]
READERS: Final = {  # what `detect` finds -> who reads it
    "code": "rag.load.plain.source_code:read_code",
    "csv": "rag.load.plain.delimited:read_delimited",
    "doc": "rag.load.office.old_office:read_old_office",
    "docx": "rag.load.office.docx:read_docx",
    "eml": "rag.load.mail.message:read_mail",
    "encrypted": "rag.load.office.encrypted:read_encrypted",
    "epub": "rag.load.archives.epub:read_epub",
    "html": "rag.load.plain.html:read_html",
    "image": "rag.load.pages.image:read_image",
    "json": "rag.load.plain.records:read_json",
    "markdown": "rag.load.plain.text:read_markdown",
    "mbox": "rag.load.mail.message:read_mbox",
    "mhtml": "rag.load.mail.message:read_mhtml",
    "msg": "rag.load.mail.outlook:read_msg",
    "notebook": "rag.load.plain.notebook:read_notebook",
    "odp": "rag.load.office.opendocument:read_presentation",
    "ods": "rag.load.office.opendocument:read_spreadsheet",
    "odt": "rag.load.office.opendocument:read_text_document",
    "org": "rag.load.plain.org:read_org",
    "packed": "rag.load.archives.tarball:read_packed",
    "pdf": "rag.load.pages.pdf:read_pdf",
    "ppt": "rag.load.office.old_office:read_old_office",
    "pptx": "rag.load.office.pptx:read_pptx",
    "rst": "rag.load.plain.rst:read_rst",
    "rtf": "rag.load.office.rtf:read_rtf",
    "subtitles": "rag.load.plain.subtitles:read_subtitles",
    "tar": "rag.load.archives.tarball:read_tar",
    "text": "rag.load.plain.text:read_text",
    "tnef": "rag.load.mail.outlook:read_tnef",
    "xls": "rag.load.office.xls:read_xls",
    "xlsx": "rag.load.office.xlsx:read_xlsx",
    "xml": "rag.load.plain.xml:read_xml",
    "yaml": "rag.load.plain.records:read_yaml",
    "zip": "rag.load.archives.archive:read_zip",
}


def load(
    path: Path, *, source: str, settings: Settings | None = None, advance: Callable[[str], None] | None = None
) -> Document:
    """Read the file at `path` in this process; `source` is what it is called in the index.

    `advance` is told how far the reading of a long file has come.

    Raises:
        LoadError: when it cannot be read, is empty, damaged, encrypted, or of an unknown type.
    """
    data = _bytes_of(path)
    whole = Source(data=data, name=path.name, settings=settings or Settings())
    content = read(whole if advance is None else replace(whole, advance=advance))
    return Document(
        source=source,
        digest=hashlib.sha256(data).hexdigest(),
        text=content.text,
        pages=content.pages,
        headings=content.headings,
        regions=content.regions,
        notes=content.notes,
    )


def draw(path: Path, boxes: Sequence[Box], *, digest: str = "", settings: Settings | None = None) -> bytes:
    """Return the pages on which `boxes` lie as PNG, the boxes marked; `digest` is that of the file as read.

    Raises:
        LoadError: as `rag.load.pages.drawn.draw`, and when the file has been changed since it was read.
    """
    from rag.load.pages.drawn import draw as drawn

    data = _bytes_of(path)
    if digest and hashlib.sha256(data).hexdigest() != digest:
        raise LoadError("it has been changed since it was read: sync first")
    with _failing():
        return drawn(Source(data=data, name=path.name, settings=settings or Settings()), boxes)


def read(source: Source) -> Content:
    """Read a file's bytes, or a member's, by whoever reads its type.

    Raises:
        LoadError: as `load`.
    """
    if not SOMETHING.search(source.data):
        raise LoadError("the file is empty")
    with _failing():
        content = _reader_of(source)(source)
    if not content.text.strip():
        raise LoadError("; ".join(content.notes)[:300] or "there is no text in it")
    return content


@contextmanager
def _failing() -> Iterator[None]:
    """Say what is wrong with a file in a LoadError, whatever its reader raises."""
    try:
        yield
    except LoadError:
        raise
    except MemoryError as exc:
        raise LoadError("reading it takes more memory than one document may use") from exc
    except ImportError as exc:
        raise LoadError(f"{exc.name}, which reads such files, is not installed: install Kaoju anew") from exc
    except RecursionError as exc:
        raise LoadError("it is nested too deeply to be read") from exc
    except Exception as exc:  # a damaged file makes a parser raise anything
        raise LoadError(f"the file is damaged or unusual: {type(exc).__name__}: {exc}"[:300]) from exc


def _reader_of(source: Source) -> Reader:
    module, _, name = READERS[detect(source.data, source.name)].partition(":")
    reader: Reader = getattr(importlib.import_module(module), name)
    return reader


def _bytes_of(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a named pipe would be read for ever
            raise LoadError("this is not a file but a folder, a pipe or a device")
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise LoadError("the file has vanished") from exc
    except PermissionError as exc:
        raise LoadError("the file may not be read: its permissions forbid it") from exc
    except MemoryError as exc:
        raise LoadError("the file is larger than the memory one document may use") from exc
    except OSError as exc:
        raise LoadError(f"the file cannot be read: {exc.strerror or exc}") from exc
