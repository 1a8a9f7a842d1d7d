"""What an index can be asked; whoever asks never waits for whoever writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rag.datatypes import Document, DocumentState, Passage, Scope, Vector
from rag.errors import InputError
from rag.index import rows
from rag.index.bm25 import LARGE as MANY_WORDS
from rag.index.bm25 import WordSearch
from rag.index.lexical import question_words
from rag.index.rows import FileState, Titled
from rag.index.schema import Manifest
from rag.index.shapes import Numbers
from rag.index.store import Store, read_meta
from rag.index.vectors import NearestVectors
from rag.scope import EVERYTHING, under_its_name

WARM_WORDS: Final = "index 索引"
PART: Final = """
    SELECT substr(text, ?, ?) FROM contents JOIN documents ON documents.content = contents.key
    WHERE documents.source = ?
"""


class Searchable:
    """Any number of these, in any thread and process; each sees whole documents only."""

    def __init__(self, folder: Path, manifest: Manifest, *, large: int) -> None:
        self.folder = folder
        self._manifest = manifest
        self._large = large
        self._store = Store(folder)
        self._vectors = NearestVectors(folder, dim=manifest.dim, maker=str(manifest), large=large)
        self._scoped: tuple[tuple[str, str, Scope], Numbers] | None = None
        self._words = WordSearch(large=min(large, MANY_WORDS))

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

    def files(self) -> dict[str, FileState]:
        """Return the files of the last sync by source."""
        with self._store.reading() as connection:
            return rows.read_files(connection)

    def disks(self) -> dict[str, int]:
        """Return what `note_disks` was last told."""
        with self._store.reading() as connection:
            return rows.read_disks(connection)

    def documents(self) -> list[DocumentState]:
        """Return every file of the last sync in order of its name, failed ones with their reasons."""
        with self._store.reading() as connection:
            return rows.read_states(connection)

    def version(self) -> str:
        """Return what is another whenever the index has changed."""
        with self._store.reading() as connection:
            return f"{read_meta(connection, 'origin')} {read_meta(connection, 'generation')}"

    def passage_count(self) -> int:
        with self._store.reading() as connection:
            return int(read_meta(connection, "passages"))

    def titles(self, scope: Scope = EVERYTHING) -> list[Titled]:
        """Return the indexed files of a scope in order of their names."""
        with self._store.reading() as connection:
            return rows.read_titles(connection, scope)

    def passages(self, source: str, most: int | None = None) -> list[Passage]:
        """Return the passages of a file, in order, or only the first; [] when it is not indexed."""
        with self._store.reading() as connection:
            return rows.read_passages(connection, source, most)

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

    def text_between(self, source: str, start: int, end: int) -> str:
        """Return a part of a document's text without reading it all; "" when no such file is indexed."""
        with self._store.reading() as connection:
            row = connection.execute(PART, (start + 1, end - start, source)).fetchone()
        return "" if row is None else str(row[0])

    def search_dense(
        self, vector: Vector, top_k: int, *, scope: Scope = EVERYTHING
    ) -> list[tuple[Passage, float]]:
        """Return the passages of the highest cosine with `vector`, best first; the cosines are exact."""
        with self._store.reading() as connection:
            among = self._among(connection, scope)
            found = self._vectors.search(connection, vector, top_k, among=among)
            return self._named(rows.read_found(connection, found), scope)

    def search_lexical(
        self, query: str, top_k: int, *, scope: Scope = EVERYTHING
    ) -> list[tuple[Passage, float]]:
        """Return the passages of the highest BM25 score for the words of `query`, best first."""
        wanted = question_words(query)
        if not wanted:
            return []
        with self._store.reading() as connection:
            among = self._among(connection, scope)
            found = self._words.search(connection, wanted, top_k, among=among)
            return self._named(rows.read_found(connection, found), scope)

    def _among(self, connection: sqlite3.Connection, scope: Scope) -> Numbers | None:
        """Return the passages in the scope; None: all are. The last scope asked for is remembered."""
        if scope == EVERYTHING:
            return None
        key = (read_meta(connection, "origin"), read_meta(connection, "generation"), scope)
        if self._scoped is None or self._scoped[0] != key:
            self._scoped = (key, rows.numbers_in(connection, scope))
        return self._scoped[1]

    def _named(self, found: list[tuple[Passage, float]], scope: Scope) -> list[tuple[Passage, float]]:
        if scope == EVERYTHING:
            return found
        return [(under_its_name(passage, scope), score) for passage, score in found]

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
        wanted = question_words(question)
        with self._store.reading() as connection:
            shares = self._words.coverage(connection, wanted, rows.numbers_of(connection, passages))
        return {passage.id: shares.get(passage.id, 0.0) for passage in passages}

    def warm_up(self) -> None:
        """Read what every search needs, so that the first one need not wait for it."""
        wanted = question_words(WARM_WORDS)
        with self._store.reading() as connection:
            self._vectors.refresh(connection)
            self._words.search(connection, wanted, 1)
