"""A file -> a Document: what it is, is decided by its content first and its name second."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from rag.datatypes import Document
from rag.errors import LoadError
from rag.load.content import Content
from rag.load.detect import detect

Reader: TypeAlias = Callable[[bytes], Content]
READERS: Final = {  # what `detect` finds -> who reads it
    "text": "rag.load.text:read_text",
    "markdown": "rag.load.text:read_markdown",
    "html": "rag.load.html:read_html",
    "pdf": "rag.load.pdf:read_pdf",
    "docx": "rag.load.docx:read_docx",
}


def load(path: Path, *, source: str) -> Document:
    """Read the file at `path` in this process; `source` is what it is called in the index.

    Raises:
        LoadError: when it cannot be read, is empty, damaged, encrypted, or of an unknown type.
    """
    data = _bytes_of(path)
    if not data.strip(b"\0 \t\r\n"):
        raise LoadError("the file is empty")
    module, _, name = READERS[detect(data, path.name)].partition(":")
    reader: Reader = getattr(importlib.import_module(module), name)
    try:
        content = reader(data)
    except LoadError:
        raise
    except MemoryError as exc:
        raise LoadError("reading it takes more memory than one document may use") from exc
    except Exception as exc:  # a damaged file makes a parser raise anything
        raise LoadError(f"the file is damaged or unusual: {type(exc).__name__}: {exc}"[:300]) from exc
    if not content.text.strip():
        raise LoadError("there is no text in it")
    return Document(
        source=source,
        digest=hashlib.sha256(data).hexdigest(),
        text=content.text,
        pages=content.pages,
        headings=content.headings,
    )


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
