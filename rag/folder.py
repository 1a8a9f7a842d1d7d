"""data/ -> index/: find what was added, changed, renamed or removed, and do only that work."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

import rag
from rag.datatypes import Document, Failure, Passage, Progress, ProgressCallback, SyncReport, Vectors
from rag.embed import Embedder, text_for_embedding
from rag.errors import LoadError
from rag.index import FileState, Index
from rag.load.guard import Loader
from rag.load.source import Settings
from rag.scan import Found, Listing, scan
from rag.split import split

EMBED_BATCH: Final = 32  # passages embedded between two steps of the progress bar
FINE_TICK: Final = 20_000_000  # ns; a file changed again within a tick of its file system looks unchanged
COARSE_TICK: Final = 2_000_000_000  # ns; FAT, and whatever else keeps whole seconds

log = logging.getLogger(__name__)


def sync_folder(
    data_dir: Path,
    *,
    index: Index,
    embedder: Embedder,
    passage_tokens: int,
    file_timeout: float,
    reading: Settings,
    progress: ProgressCallback,
) -> SyncReport:
    """Make the index equal to the files below `data_dir`, one transaction per file.

    A file that cannot be read is recorded with its reason and never stops the rest. Whatever interrupts a
    sync, the files it finished stay indexed and the next sync does the others.

    Raises:
        ConfigError: when `data_dir` is not a folder.
        LockedError: when another process is syncing.
        DiskError: when the disk is full or read-only; nothing indexed is lost.
    """
    started = time.monotonic()
    with index.writing(), Loader(timeout=file_timeout, settings=reading) as loader:
        sync = _Sync(index, embedder, passage_tokens, loader, progress)
        sync.run(scan(data_dir, skip=index.folder))
        failed = [state for state in index.documents() if state.state == "failed"]
        return SyncReport(
            added=sync.added,
            changed=sync.changed,
            removed=sync.removed,
            unchanged=sync.unchanged,
            failed=tuple(Failure(document=state.source, reason=state.reason) for state in failed),
            passages=index.passage_count(),
            seconds=time.monotonic() - started,
        )


class _Sync:
    def __init__(
        self,
        index: Index,
        embedder: Embedder,
        passage_tokens: int,
        loader: Loader,
        progress: ProgressCallback,
    ) -> None:
        self.added = self.changed = self.removed = self.unchanged = 0
        self._index = index
        self._embedder = embedder
        self._passage_tokens = passage_tokens
        self._loader = loader
        self._progress = progress
        self._known = index.files()

    def run(self, listing: Listing) -> None:
        todo = [found for found in listing.files if not self._is_settled(found)]
        settled = {found.source for found in listing.files} - {found.source for found in todo}
        self.unchanged = sum(not self._known[source].reason for source in settled)
        stale = self._index.stale()
        total = len(todo) + len(stale)
        for done, found in enumerate(todo):
            self._step(done, total, found.source)
            self._take(found)
        self._remove_all_but(listing)
        for done, key in enumerate(self._index.stale() if stale else [], start=len(todo)):
            self._remake(key, done, total)
        self._step(total, total, "")

    def _is_settled(self, found: Found) -> bool:
        """Say whether nothing about this file asks for reading it again."""
        known = self._known.get(found.source)
        if known is None or (known.size, known.mtime_ns) != (found.size, found.mtime_ns):
            return False
        if known.reason:
            return bool(known.digest) and known.version == rag.__version__
        tick = FINE_TICK if found.mtime_ns % 1_000_000_000 else COARSE_TICK
        return found.mtime_ns + tick < known.synced_at * 1e9

    def _take(self, found: Found) -> None:
        file = FileState(
            source=found.source,
            size=found.size,
            mtime_ns=found.mtime_ns,
            synced_at=time.time(),
            reason=found.reason,
        )
        try:
            if not file.reason:
                file = replace(file, digest=_digest(found.path))
                self._index_file(found.path, file)
                return
        except FileNotFoundError:
            self._vanished(file)
            return
        except OSError as exc:
            file = replace(file, reason=f"the file cannot be read: {exc.strerror or exc}")
        except LoadError as exc:
            if not found.path.exists():
                self._vanished(file)
                return
            file = replace(file, reason=str(exc))
        except UnicodeEncodeError:
            file = replace(file, reason="its text holds characters that no encoding has")
        self._fail(file)

    def _index_file(self, path: Path, file: FileState) -> None:
        known = self._known.get(file.source)
        if known is not None and not known.reason and known.content == file.content:
            if (known.size, known.mtime_ns) != (file.size, file.mtime_ns):
                self._index.point(file)
            self.unchanged += 1
            return
        if self._index.holds(file.content):
            self._index.point(file)
        else:
            document = self._loader.load(path, source=file.source)
            # The bytes read just now: if they changed since the scan, the next sync sees that by the time.
            file = replace(file, digest=document.digest)
            passages, vectors = self._passages(document)
            self._index.add(file, document, passages, vectors)
        self._count(known)

    def _count(self, known: FileState | None) -> None:
        if known is None:
            self.added += 1
        else:
            self.changed += 1

    def _fail(self, file: FileState) -> None:
        log.info("%s: %s", file.source, file.reason)
        known = self._known.get(file.source)
        if known is None or replace(known, synced_at=file.synced_at) != file:
            self._index.fail(file)

    def _vanished(self, file: FileState) -> None:
        if file.source in self._known:
            self._index.remove(file.source)
            self.removed += 1

    def _remove_all_but(self, listing: Listing) -> None:
        """Last, so that a renamed file finds its content still there."""
        present = {found.source for found in listing.files}
        for source in sorted(self._known.keys() - present):
            if not listing.hides(source):
                self._index.remove(source)
                self.removed += 1

    def _remake(self, key: str, done: int, total: int) -> None:
        document = self._index.content(key)
        if document is not None:
            self._step(done, total, document.source)
            passages, vectors = self._passages(document)
            self._index.remake(key, passages, vectors)

    def _passages(self, document: Document) -> tuple[list[Passage], Vectors]:
        token_offsets = self._embedder.token_offsets
        passages = split(document, token_offsets=token_offsets, passage_tokens=self._passage_tokens)
        return passages, self._embed(document.source, passages)

    def _embed(self, source: str, passages: Sequence[Passage]) -> Vectors:
        vectors = np.zeros((len(passages), self._embedder.dim), dtype=np.float32)
        for start in range(0, len(passages), EMBED_BATCH):
            self._tell_embedded(start, len(passages), source)
            some = passages[start : start + EMBED_BATCH]
            vectors[start : start + len(some)] = self._embedder.embed_passages(
                [text_for_embedding(passage) for passage in some]
            )
        self._tell_embedded(len(passages), len(passages), source)
        return vectors

    def _tell_embedded(self, done: int, total: int, source: str) -> None:
        self._progress(Progress(stage="Embedding", done=done, total=total, unit="passages", item=source))

    def _step(self, done: int, total: int, item: str) -> None:
        self._progress(Progress(stage="Reading documents", done=done, total=total, unit="files", item=item))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
