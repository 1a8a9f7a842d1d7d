"""data/ -> index/: find what was added, changed, renamed or removed, and do only that work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rag.datatypes import Document, Failure, Passage, Progress, ProgressCallback, SyncReport, Vectors
from rag.embed import Embedder
from rag.folder.ahead import Ahead
from rag.folder.batches import Batches
from rag.folder.known import Known, Verdict
from rag.folder.meter import Meter
from rag.folder.reader import Read, Reader, reader_name
from rag.folder.scan import Found, Listing, scan
from rag.index import FileState, Index
from rag.load.guard import Loader
from rag.load.source import Settings
from rag.split import split

UNENCODABLE: Final = "its text holds characters that no encoding has"


def sync_folder(
    data_dir: Path,
    *,
    index: Index,
    embedder: Embedder,
    file_timeout: float,
    reading: Settings,
    progress: ProgressCallback,
    is_steady: Callable[[Found], bool] = lambda _: True,
) -> SyncReport:
    """Make the index equal to the files below `data_dir`, one transaction per file.

    A file that cannot be read is recorded with its reason and never stops the rest. Whatever interrupts a
    sync, the files it finished stay indexed and the next sync does the others. A changed file that
    `is_steady` denies is left as it was.

    Raises:
        ConfigError: when `data_dir` is not a folder.
        LockedError: when another process is syncing.
        DiskError: when the disk is full or read-only; nothing indexed is lost.
    """
    started = time.monotonic()
    with index.writing(progress):
        sync = _Sync(index, embedder, reading, progress)
        listing = scan(data_dir, skip=index.folder, disks=index.disks())
        sync.run(listing, is_steady, file_timeout)
        return replace(
            sync.report(),
            ignored=listing.ignored_files + listing.ignored_folders,
            seconds=time.monotonic() - started,
        )


class _Sync:
    def __init__(
        self, index: Index, embedder: Embedder, reading: Settings, progress: ProgressCallback
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._reading = reading
        self._reader = reader_name(reading)
        self._progress = progress
        self._known = Known(index.files(), reader=self._reader)
        self._counts: Counter[Verdict] = Counter()
        self._removed = self._waiting = 0
        self._stage = ""  # how far the file being read is, told by the thread that reads
        self._item = ""
        self._meter = Meter({})
        self._batches = Batches(embedder, embedded=self._embedded)
        self._twins: dict[str, list[FileState]] = {}  # content being embedded -> others that have it
        self._failed: dict[str, str] = {}  # content -> why it could not be read

    def report(self) -> SyncReport:
        failed = [state for state in self._index.files().values() if state.reason]
        return SyncReport(
            added=self._counts[Verdict.ADDED],
            changed=self._counts[Verdict.CHANGED],
            removed=self._removed,
            unchanged=self._counts[Verdict.UNCHANGED],
            failed=tuple(
                Failure(document=state.source, reason=state.reason)
                for state in sorted(failed, key=lambda state: state.source)
            ),
            passages=self._index.passage_count(),
            seconds=0.0,
            waiting=self._waiting,
        )

    def run(self, listing: Listing, is_steady: Callable[[Found], bool], timeout: float) -> None:
        todo = [found for found in listing.files if not self._known.is_settled(found)]
        settled = {found.source for found in listing.files} - {found.source for found in todo}
        self._counts[Verdict.UNCHANGED] = sum(not self._known.files[source].reason for source in settled)
        steady = [found for found in todo if is_steady(found)]
        self._waiting = len(todo) - len(steady)
        steady = self._point(steady)
        stale = self._index.stale()
        self._meter = Meter({found.source: found.size for found in steady} | dict.fromkeys(stale, 0))
        self._tell("")
        if steady:
            self._read(steady, timeout)
        self._remove_all_but(listing)
        for key in self._index.stale() if stale else []:
            self._remake(key)
        self._batches.flush()
        self._tell("")

    def _point(self, todo: list[Found]) -> list[Found]:
        """Let moved, copied and touched files name their content, found by its hash; return the others."""
        candidates = [found for found in todo if self._known.may_be_held(found)]
        pointed: dict[str, FileState] = {}
        for done, found in enumerate(candidates):
            self._progress(
                Progress(
                    stage="Comparing documents",
                    done=done,
                    total=len(candidates),
                    unit="files",
                    item=found.source,
                )
            )
            file = self._known.named(found)
            if file is not None:
                pointed[found.source] = file
        if pointed:
            self._index.point(list(pointed.values()))
        for file in pointed.values():
            self._count(file)
        return [found for found in todo if found.source not in pointed]

    def _count(self, file: FileState) -> None:
        self._counts[self._known.verdict(file)] += 1

    def _read(self, todo: Sequence[Found], timeout: float) -> None:
        """Read files in a thread, and embed meanwhile what was read before."""
        loader = Loader(timeout=timeout, settings=self._reading, advance=self._hear)
        reader = Reader(loader, name=self._reader, files=todo)
        with Ahead(iter(reader), weigh=lambda read: read.weight, interrupt=loader.close) as ahead:
            for read in ahead:
                if read is None:
                    self._batches.flush()
                    self._tell(self._item)
                else:
                    self._item = read.file.source
                    self._take(read)
            self._batches.flush()

    def _take(self, read: Read) -> None:
        if read.vanished:
            self._forget([read.file.source] if read.file.source in self._known.files else [])
        elif self._known.is_out_of_reach(read.file):
            self._counts[Verdict.UNCHANGED] += 1
        elif read.file.reason:
            self._fail(read.file)
        elif read.document is not None:
            self._embed(read.file, read.document)
            return
        elif read.file.content in self._twins:
            self._twins[read.file.content].append(read.file)
            return
        elif reason := self._failed.get(read.file.content):
            self._fail(replace(read.file, reason=reason))
        else:
            self._index.point([read.file])
            self._count(read.file)
        self._finish(read.file)

    def _embed(self, file: FileState, document: Document) -> None:
        self._twins[file.content] = []
        self._tell(file.source)

        def store(passages: Sequence[Passage], vectors: Vectors) -> None:
            self._store(file, document, passages, vectors)

        self._batches.add(self._split(document), store)

    def _store(
        self, file: FileState, document: Document, passages: Sequence[Passage], vectors: Vectors
    ) -> None:
        twins = self._twins.pop(file.content)
        try:
            self._index.add(file, document, passages, vectors)
        except UnicodeEncodeError:
            self._failed[file.content] = UNENCODABLE
            for each in (file, *twins):
                self._fail(replace(each, reason=UNENCODABLE))
        else:
            if twins:
                self._index.point(twins)
            for each in (file, *twins):
                self._count(each)
        for each in (file, *twins):
            self._finish(each)

    def _fail(self, file: FileState) -> None:
        self._meter.failed += 1
        known = self._known.files.get(file.source)
        if known is None or file.digest or replace(known, synced_at=file.synced_at) != file:
            self._index.fail(file)

    def _remove_all_but(self, listing: Listing) -> None:
        """Last, so that a renamed file finds its content still there."""
        gone = self._known.gone(found.source for found in listing.files)
        self._forget([source for source in gone if not listing.hides(source)])
        self._index.note_disks(listing.disks)

    def _forget(self, sources: Sequence[str]) -> None:
        if sources:
            self._index.remove(sources)
            self._removed += len(sources)

    def _remake(self, key: str) -> None:
        document = self._index.content(key)
        if document is None:
            self._meter.done(key)
            return
        self._tell(document.source)

        def store(passages: Sequence[Passage], vectors: Vectors) -> None:
            self._index.remake(key, passages, vectors)
            self._meter.done(key)

        self._batches.add(self._split(document), store)

    def _split(self, document: Document) -> list[Passage]:
        return split(
            document,
            token_offsets=self._embedder.token_offsets,
            passage_tokens=self._index.passage_tokens,
            embedded_tokens=self._embedder.max_tokens,
        )

    def _finish(self, file: FileState) -> None:
        self._meter.done(file.source)
        self._tell(file.source)

    def _embedded(self, count: int) -> None:
        self._meter.embedded(count)
        self._tell(self._item)

    def _hear(self, stage: str) -> None:
        self._stage = stage

    def _tell(self, item: str) -> None:
        self._progress(self._meter.progress(f"{item}: {self._stage}" if item and self._stage else item))
