"""Files -> documents, each with the state of the file that it was read from."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import rag
from rag.datatypes import Document
from rag.errors import LoadError
from rag.folder.scan import Found, looked_at
from rag.index import FileState
from rag.load.guard import Loader
from rag.load.source import Settings

TRIES: Final = 3  # readings of a file that changes meanwhile
BUSY: Final = "it was being written to while it was read; it is read once it stays as it is"
ROUNDS: Final = 100_000  # of PBKDF2: what is stored to notice another password must not tell it
EMPTY_WEIGHT: Final = 1000  # bytes that a document takes beside its text

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What became of one file; `file.reason` says why there is no document, `vanished` that there is no file.

    Without any of these its content is that of a file read before it.
    """

    file: FileState
    document: Document | None = None
    vanished: bool = False

    @property
    def weight(self) -> int:
        """Return about how many bytes this takes."""
        return EMPTY_WEIGHT + (2 * len(self.document.text) if self.document else 0)


def reader_name(settings: Settings) -> str:
    """Name what reads files: with another version or other settings a file that failed may be readable."""
    secret = "\0".join(settings.passwords).encode("utf-8", "surrogatepass")
    tried = hashlib.pbkdf2_hmac("sha256", secret, b"kaoju", ROUNDS).hex()[:12] if secret else "none"
    return f"{rag.__version__} ocr={settings.ocr} passwords={tried}"


class Reader:
    """Reads files through a `Loader`; of files with the same bytes and ending only the first is read."""

    def __init__(self, loader: Loader, *, name: str, files: Sequence[Found]) -> None:
        self._loader = loader
        self._name = name
        self._files = files
        self._sizes = Counter(found.size for found in files)
        self._contents: set[str] = set()  # of the documents given out so far

    def __iter__(self) -> Iterator[Read]:
        for found in self._files:
            yield self._read(found)

    def state(self, found: Found) -> FileState:
        return FileState(
            source=found.source,
            size=found.size,
            mtime_ns=found.mtime_ns,
            synced_at=time.time(),
            version=self._name,
            reason=found.reason,
        )

    def _read(self, found: Found) -> Read:
        for _ in range(TRIES):
            read = self._read_once(found)
            now = look_again(found)
            if now is None:
                return replace(read, vanished=True)
            if now == found or found.reason:
                if read.document is not None:
                    self._contents.add(read.file.content)
                return read
            found = now
        return Read(file=replace(self.state(found), reason=BUSY))

    def _read_once(self, found: Found) -> Read:
        file = self.state(found)
        if file.reason:
            return Read(file=file)
        try:
            if self._sizes[found.size] > 1:  # else no other can have its content
                file = replace(file, digest=digest_of(found.path))
                if file.content in self._contents:
                    return Read(file=file)
            document = self._loader.load(found.path, source=found.source)
        except FileNotFoundError:
            return Read(file=file, vanished=True)
        except OSError as exc:
            return Read(file=replace(file, reason=f"the file cannot be read: {exc.strerror or exc}"))
        except LoadError as exc:
            return Read(file=self._failed(file, found.path, exc))
        return Read(file=replace(file, digest=document.digest), document=document)

    def _failed(self, file: FileState, path: Path, exc: LoadError) -> FileState:
        """Return the state of a file that failed: without a digest when its bytes could not be had."""
        log.info("%s: %s", file.source, exc)
        try:
            digest = file.digest or digest_of(path)
        except OSError:
            digest = ""
        return replace(file, reason=str(exc), digest=digest)


def look_again(found: Found) -> Found | None:
    """Return the file as it is now; None when it is gone."""
    try:
        status = found.path.stat()
    except FileNotFoundError:
        return found if found.reason else None
    except (OSError, RuntimeError):  # the reading has met the same
        return found
    return looked_at(found, status)


def digest_of(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
