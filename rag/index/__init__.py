"""The index: documents, passages, lexical index and vectors in SQLite, and FAISS derived from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import log
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rag.datatypes import Document, DocumentState, Passage, ProgressCallback, Vector, Vectors
from rag.errors import IndexMismatchError, InputError, RagError
from rag.index import rows
from rag.index.bm25 import LARGE as MANY_WORDS
from rag.index.bm25 import WordSearch
from rag.index.faiss_file import take_place, write_stamp
from rag.index.faults import translated
from rag.index.lexical import question_words
from rag.index.lock import writer_lock
from rag.index.rows import FileState
from rag.index.schema import Manifest
from rag.index.shapes import LARGE
from rag.index.store import BUMP, Store, mend, move_aside, read_meta
from rag.index.vectors import NearestVectors

__all__ = ["FileState", "Index", "set_aside"]


class Index:
    """Any number of readers, from any thread and process; one writer, inside `writing()`."""

    def __init__(self, folder: Path, manifest: Manifest, *, large: int = LARGE) -> None:
        """Use `Index.open`."""
        self.folder = folder
        self.notice = ""  # what opening it for a sync had to mend, for a person
        self._manifest = manifest
        self._store = Store(folder)
        self._vectors = NearestVectors(folder, dim=manifest.dim, maker=str(manifest), large=large)
        self._words = WordSearch(large=min(large, MANY_WORDS))
        self._large = large
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

    @property
    def passage_tokens(self) -> int:
        """Return the most tokens that a passage of this index has."""
        return self._manifest.passage_tokens

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def documents(self) -> list[DocumentState]:
        """Return every file of the last sync in order of its name, failed ones with their reasons."""
        with self._store.reading() as connection:
            return rows.read_states(connection)

    def passage_count(self) -> int:
        with self._store.reading() as connection:
            return int(read_meta(connection, "passages"))

    def document(self, source: str) -> Document:
        """Return what was read from a file.

        Raises:
            InputError: when no file of that name is indexed.
        """
        with self._store.reading() as connection:
            query = "SELECT content FROM documents WHERE source = ? AND content IS NOT NULL"
            row = connection.execute(query, (source,)).fetchone()
            document = None if row is None else rows.read_document(connection, row[0], source)
        if document is None:
            raise InputError(f"{source!r} is not an indexed document; `rag sync` brings the index up to date")
        return document

    def document_text(self, source: str) -> str:
        """Return the text that the offsets of this document's passages point into; see `document`."""
        return self.document(source).text

    def search_dense(self, vector: Vector, top_k: int) -> list[tuple[Passage, float]]:
        """Return the passages of the highest cosine with `vector`, best first; the cosines are exact."""
        with self._store.reading() as connection:
            found = self._vectors.search(connection, vector, top_k)
            return rows.read_found(connection, found)

    def search_lexical(self, query: str, top_k: int) -> list[tuple[Passage, float]]:
        """Return the passages of the highest BM25 score for the words of `query`, best first."""
        wanted = question_words(query)
        if not wanted:
            return []
        with self._store.reading() as connection:
            return rows.read_found(connection, self._words.search(connection, wanted, top_k))

    def cosines(self, vector: Vector, passages: Sequence[Passage]) -> dict[str, float]:
        """Return the cosine of `vector` and each of `passages` that is embedded, by passage id."""
        with self._store.reading() as connection:
            numbers = rows.numbers_of(connection, passages)
            cosines = self._vectors.cosines(connection, vector, list(numbers))
            return {numbers[number]: cosine for number, cosine in cosines.items()}

    def coverage(self, question: str, passages: Sequence[Passage]) -> dict[str, float]:
        """Return the share of the question's words that each passage holds, by passage id, 0 to 1.

        A word weighs its inverse document frequency, so that a rare one says more than a common one.
        """
        held: dict[str, float] = {passage.id: 0.0 for passage in passages}
        total = 0.0
        wanted = question_words(question)
        with self._store.reading() as connection:
            size = int(read_meta(connection, "passages"))
            numbers = rows.numbers_of(connection, passages)
            stems = self._words.stems(connection, wanted)
            counts = self._words.held(connection, stems)
            among = HOLDERS.format(",".join(map(str, numbers)))  # integers: nothing to escape
            for word, stem in zip(wanted, stems, strict=True):
                count = min(counts[stem].passages, size)
                weight = log(1 + (size - count + 0.5) / (count + 0.5))
                total += weight
                for row in connection.execute(among, (f'"{word}"',)):
                    held[numbers[row[0]]] += weight
        return {key: weight / total if total else 0.0 for key, weight in held.items()}

    def warm_up(self) -> None:
        """Read what every search needs, so that the first one need not wait for it."""
        wanted = question_words(WARM_WORDS)
        with self._store.reading() as connection:
            self._vectors.refresh(connection)
            self._words.search(connection, wanted, 1)

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

    def files(self) -> dict[str, FileState]:
        """Return the files of the last sync by source."""
        with self._store.reading() as connection:
            return rows.read_files(connection)

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


HOLDERS: Final = "SELECT rowid FROM lexicon WHERE lexicon MATCH ? AND rowid IN ({})"
WARM_WORDS: Final = "index 索引"
