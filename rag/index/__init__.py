"""The index: documents, passages, lexical index and vectors in SQLite, and FAISS derived from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from rag.datatypes import Document, Passage, ProgressCallback, Vectors
from rag.errors import IndexMismatchError, RagError
from rag.index import rows
from rag.index.faiss_file import take_place, write_stamp
from rag.index.faults import translated
from rag.index.lock import writer_lock
from rag.index.rows import FileState
from rag.index.schema import Manifest
from rag.index.searchable import Searchable
from rag.index.shapes import LARGE
from rag.index.store import BUMP, mend, move_aside

__all__ = ["FileState", "Index", "set_aside"]


class Index(Searchable):
    """Any number of readers, from any thread and process; one writer, inside `writing()`."""

    def __init__(self, folder: Path, manifest: Manifest, *, large: int = LARGE) -> None:
        """Use `Index.open`."""
        super().__init__(folder, manifest, large=large)
        self.notice = ""  # what opening it for a sync had to mend, for a person
        self._progress: ProgressCallback = lambda _: None
        self._unsaved = 0  # passages stored since the FAISS file was written

    @classmethod
    def open(cls, folder: Path, *, embedder: str, dim: int, passage_tokens: int, large: int = LARGE) -> Self:
        """Open the index in `folder`; an empty one is made when there is none.

        From `large` passages on FAISS is quantised, and what it finds is scored again exactly.

        Raises:
            IndexMismatchError: when it was made by another embedder or splitter.
            IndexDamagedError: when SQLite cannot read it.
            DiskError: when the folder cannot be used.
        """
        manifest = Manifest(embedder=embedder, dim=dim, passage_tokens=passage_tokens)
        index = cls(folder, manifest, large=large)
        try:
            index._store.create(index._manifest)
            index._store.check(index._manifest)
        except BaseException:
            index.close()
            raise
        return index

    @classmethod
    def open_for_sync(
        cls, folder: Path, *, embedder: str, dim: int, passage_tokens: int, large: int = LARGE
    ) -> Self:
        """Open the index so that a sync can mend it; `notice` says what was found.

        A damaged file is set aside beside the new one. An index of another embedder or splitter keeps its
        texts: what it holds counts as `stale` until the sync makes its passages anew, content by content.

        Raises:
            LockedError: when another process is syncing.
            DiskError: when the folder cannot be used.
        """
        manifest = Manifest(embedder=embedder, dim=dim, passage_tokens=passage_tokens)
        with writer_lock(folder):
            notice = mend(folder, manifest)
        index = cls.open(folder, embedder=embedder, dim=dim, passage_tokens=passage_tokens, large=large)
        index.notice = notice
        return index

    @contextmanager
    def writing(self, progress: ProgressCallback = lambda _: None) -> Iterator[None]:
        """Be the only writer; what is stored meanwhile can be searched at once.

        The FAISS file is written at the end, and in between whenever the index has doubled; of a large index
        it may stay behind by a little, which whoever reads it catches up. `progress` hears of large ones.

        Raises:
            LockedError: at once, when another process or thread is writing; names its pid and since when.
        """
        with writer_lock(self.folder):
            self._store.create(self._manifest)
            self._store.check(self._manifest)
            self._progress = progress
            try:
                yield
            except BaseException:
                with suppress(RagError):  # the first error is the one to tell
                    self._save_vectors()
                raise
            self._save_vectors()
            self._store.leave()

    def add(self, file: FileState, document: Document, passages: Sequence[Passage], vectors: Vectors) -> None:
        """Store a file with all that was made of it, in one transaction."""
        self._check_shape(passages, vectors)
        with self._store.writing() as connection:
            rows.write_content(connection, file.content, document, str(self._manifest))
            rows.write_passages(connection, file.content, passages, vectors)
            rows.write_files(connection, [file])
            connection.execute(BUMP)
        self._save_when_grown(len(passages))

    def point(self, files: Sequence[FileState]) -> None:
        """Let new, moved or touched files name contents that the index holds: nothing is embedded again."""
        with self._store.writing() as connection:
            rows.write_files(connection, files)
            connection.execute(BUMP)

    def fail(self, file: FileState) -> None:
        """Record why a file could not be indexed, in place of what it said before."""
        with self._store.writing() as connection:
            rows.write_files(connection, [file])
            connection.execute(BUMP)

    def remove(self, sources: Sequence[str]) -> None:
        with self._store.writing() as connection:
            for source in sources:
                rows.delete_file(connection, source)
            connection.execute(BUMP)

    def note_disks(self, disks: Mapping[str, int]) -> None:
        """Remember on which disks the documents lie, as a scan tells them."""
        if disks != self.disks():
            with self._store.writing() as connection:
                rows.write_disks(connection, disks)

    def stale(self) -> list[str]:
        """Return the contents whose passages another embedder or splitter made."""
        with self._store.reading() as connection:
            query = "SELECT key FROM contents WHERE maker <> ? ORDER BY key"
            return [row[0] for row in connection.execute(query, (str(self._manifest),))]

    def content(self, key: str) -> Document | None:
        """Return a content under the first of its names; None when it is gone."""
        with self._store.reading() as connection:
            query = "SELECT min(source) FROM documents WHERE content = ?"
            source = connection.execute(query, (key,)).fetchone()[0]
            return None if source is None else rows.read_document(connection, key, source)

    def remake(self, key: str, passages: Sequence[Passage], vectors: Vectors) -> None:
        """Replace the passages of a stale content, in one transaction."""
        self._check_shape(passages, vectors)
        with self._store.writing() as connection:
            rows.write_passages(connection, key, passages, vectors)
            connection.execute("UPDATE contents SET maker = ? WHERE key = ?", (str(self._manifest), key))
            connection.execute(BUMP)
        self._save_when_grown(len(passages))

    def _check_shape(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        if vectors.shape != (len(passages), self._manifest.dim):
            raise IndexMismatchError(
                f"{self._manifest.embedder!r} gave vectors of shape {vectors.shape}, not "
                f"{(len(passages), self._manifest.dim)}, for {self.folder}/; choose another embedder"
            )

    def _save_when_grown(self, passages: int) -> None:
        self._unsaved += passages
        if self._unsaved >= max(self._large, self._vectors.count):
            self._save_vectors()

    def _save_vectors(self) -> None:
        self._unsaved = 0
        with self._store.reading() as connection:
            if not self._vectors.is_unsaved(connection):
                return
            writing, stamp = self._vectors.unsaved(connection, self._progress)
        with translated(self.folder), writing as (beside, digest):
            # Durable, else a power cut could leave a file that SQLite does not know.
            with self._store.writing(durable=True) as connection:
                write_stamp(connection, replace(stamp, digest=digest))
            take_place(beside)


def set_aside(folder: Path) -> Path | None:
    """Move the index in `folder` into a folder beside it, so that the next sync begins anew.

    Raises:
        LockedError: when another process is syncing.
        DiskError: when the files cannot be moved.
    """
    with writer_lock(folder):
        return move_aside(folder)
