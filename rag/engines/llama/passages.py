"""Passages in llama.cpp's memory and on disk: each is read once, and put into whatever prompt shows it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Final

from rag.datatypes import Reading
from rag.engines.layout import Layout
from rag.engines.llama.library import Llama
from rag.reuse import Tokens
from rag.reuse.keys import Keys
from rag.reuse.store import Store
from rag.reuse.tally import Tally

BEGINNING, WHOLE, PASSAGE, ALONE = range(4)  # sequences
SEQUENCES: Final = 4
CHUNK: Final = 64  # tokens read at a time: about a second, after which a question can be stopped
STATES: Final = "states"  # the name of the array on disk


class Passages:
    """The beginning and the passages in a model's memory and on disk."""

    def __init__(self, llama: Llama, store: Store, keys: Keys) -> None:
        self._llama = llama
        self._store = store
        self._keys = keys
        self._tally = Tally(store.folder)
        self._beginning: Sequence[int] = ()  # what the sequence of that name holds

    def bring(self, layout: Layout) -> Generator[Reading, None, int]:
        """Let the sequence `WHOLE` hold the beginning and all passages; return how many tokens were read."""
        read = yield from self._bring_beginning(layout)
        self._llama.remove(WHOLE)
        self._llama.copy(BEGINNING, WHOLE)
        wanted = reused = 0
        for places, text in zip(layout.passages, layout.texts, strict=True):
            found = self._store.get(self._key(layout, text))
            wanted += len(places)
            if found is not None and self._llama.load(found[STATES], ALONE):
                reused += len(places)
            else:
                self._llama.remove(ALONE)
                yield from self._read(layout, places, text)
                read += len(places)
            self._llama.copy(ALONE, WHOLE)
            self._llama.remove(ALONE)
        self._tally.add_tokens(Tokens(wanted=wanted, reused=reused))
        return read

    def read_first(self, layout: Layout) -> Generator[Reading, None, None]:
        """Read and keep the first passage, unless it is."""
        if not self.holds(layout):
            yield from self._bring_beginning(layout)
            yield from self._read(layout, layout.passages[0], layout.texts[0])
            self._llama.remove(ALONE)

    def holds(self, layout: Layout) -> bool:
        return self._store.has(self._key(layout, layout.texts[0]))

    def has_room(self, layout: Layout) -> bool:
        """Tell whether the first passage would push out no other; a token takes as much as another."""
        found = self._store.get(self._key(layout))
        bytes_ = found[STATES].nbytes // layout.constant if found else 0
        return self._store.has_room(bytes_ * len(layout.passages[0]))

    def _key(self, layout: Layout, text: str = "") -> str:
        return self._keys.key(layout.tokens[: layout.constant], text)

    def _bring_beginning(self, layout: Layout) -> Generator[Reading, None, int]:
        beginning = layout.tokens[: layout.constant]
        if beginning == self._beginning:
            return 0
        key = self._key(layout)
        found = self._store.get(key)
        self._beginning = ()
        if found is not None and self._llama.load(found[STATES], BEGINNING):
            self._beginning = beginning
            return 0
        self._llama.remove(BEGINNING)
        yield from self._in_chunks(layout, range(layout.constant), BEGINNING)
        self._beginning = beginning
        self._store.put(key, {STATES: self._llama.save(BEGINNING)})
        return layout.constant

    def _read(self, layout: Layout, places: range, text: str) -> Iterator[Reading]:
        """Read a passage after the beginning, keep it, and leave it, without that, in `ALONE`."""
        self._llama.remove(PASSAGE)
        self._llama.copy(BEGINNING, PASSAGE)
        yield from self._in_chunks(layout, places, PASSAGE)
        self._llama.copy(PASSAGE, ALONE, layout.constant)
        self._llama.remove(PASSAGE)
        self._store.put(self._key(layout, text), {STATES: self._llama.save(ALONE)}, text=text)

    def _in_chunks(self, layout: Layout, places: range, sequence: int) -> Iterator[Reading]:
        for start in range(places.start, places.stop, CHUNK):
            stop = min(start + CHUNK, places.stop)
            self._llama.read(layout.tokens[start:stop], layout.places[start], sequence)
            yield Reading(done=stop, total=len(layout.tokens))
