"""Passages in llama.cpp's memory and on disk: each is read once, and put into whatever prompt shows it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from rag.datatypes import Reading
from rag.engines.layout import Layout, Part
from rag.engines.llama.library import Llama
from rag.reuse import Tokens
from rag.reuse.keys import Keys
from rag.reuse.store import Store
from rag.reuse.tally import Tally

BEGINNING, WHOLE, HIT, PASSAGE, ALONE = range(5)  # sequences
SEQUENCES: Final = 5
# Tokens read at a time: after about a second a question can be stopped. By 128 at a time it takes .07 less.
CHUNK: Final = 64
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
        self._llama.remove(WHOLE)  # first: what is read looks over all cells up to the last that is taken
        read = yield from self._bring_beginning(layout)
        self._llama.copy(BEGINNING, WHOLE)
        wanted = reused = 0
        with self._room_for_a_hit():
            for part in layout.passages:
                wanted += len(part.slots)
                fresh = yield from self._bring_passage(layout, part)
                reused += len(part.slots) - fresh
                self._llama.copy(ALONE, WHOLE)
        self._tally.add_tokens(Tokens(wanted=wanted, reused=reused))
        return read + wanted - reused

    def read_all(self, layout: Layout) -> Generator[Reading, None, None]:
        """Read and keep all passages that are not kept."""
        yield from self._bring_beginning(layout)
        with self._room_for_a_hit():
            for part in layout.passages:
                yield from self._bring_passage(layout, part)

    def touch(self, layout: Layout) -> bool:
        """Note that all passages are used, and tell whether they are kept."""
        return all(self._store.touch(self._key(layout, part)) for part in layout.passages)

    def has_room(self, layout: Layout) -> bool:
        """Tell whether the passages would push out no other; a token takes as much as another."""
        missing = 0 if self._store.has(self._key(layout)) else layout.constant
        return self._has_room(layout.apart - layout.constant + missing)

    def _has_room(self, tokens: int) -> bool:
        return self._store.has_room(self._bytes_a_token * tokens, model=self._keys.model)

    @cached_property
    def _bytes_a_token(self) -> int:
        self._llama.remove(ALONE)
        self._llama.read([0], 0, ALONE)
        size = self._llama.save(ALONE).nbytes
        self._llama.remove(ALONE)
        return size

    def _key(self, layout: Layout, part: Part | None = None) -> str:
        """Return the key of a passage, or of the beginning."""
        if part is None:
            return self._keys.key(layout.tokens[: layout.constant])
        return self._keys.key(layout.seen_by(part), part.text)

    def _bring_passage(self, layout: Layout, part: Part) -> Generator[Reading, None, int]:
        """Let `ALONE` hold a passage, and `HIT` also those before it of its hit.

        Return how many tokens were read.
        """
        if not part.after:
            self._llama.remove(HIT)
        self._llama.remove(ALONE)
        found = self._store.get(self._key(layout, part))
        known = found is not None and self._llama.load(found[STATES], ALONE)
        if not known:
            self._llama.remove(ALONE)
            yield from self._read(layout, part)
        self._llama.copy(ALONE, HIT)
        return 0 if known else len(part.slots)

    @contextmanager
    def _room_for_a_hit(self) -> Iterator[None]:
        """Give back in the end, also when reading is stopped, what a hit and its passages take."""
        try:
            yield
        finally:
            for sequence in (HIT, PASSAGE, ALONE):
                self._llama.remove(sequence)

    def _bring_beginning(self, layout: Layout) -> Generator[Reading, None, int]:
        beginning, key, read = layout.tokens[: layout.constant], self._key(layout), 0
        if beginning != self._beginning:
            found = self._store.get(key)
            self._beginning = ()
            if found is None or not self._llama.load(found[STATES], BEGINNING):
                self._llama.remove(BEGINNING)
                yield from self._in_chunks(layout, range(layout.constant), BEGINNING)
                read = layout.constant
            self._beginning = beginning
        if read or (not self._store.touch(key) and self._has_room(layout.constant)):
            self._store.put(key, {STATES: self._llama.save(BEGINNING)})
        return read

    def _read(self, layout: Layout, part: Part) -> Iterator[Reading]:
        """Read a passage after what it is to see, keep it, and leave it, without that, in `ALONE`."""
        self._llama.remove(PASSAGE)
        self._llama.copy(BEGINNING, PASSAGE)
        self._llama.copy(HIT, PASSAGE)
        yield from self._in_chunks(layout, part.slots, PASSAGE)
        self._llama.copy(PASSAGE, ALONE, layout.places[part.slots.start])
        self._llama.remove(PASSAGE)
        states = {STATES: self._llama.save(ALONE)}
        self._store.put(self._key(layout, part), states, texts=part.texts)

    def _in_chunks(self, layout: Layout, places: range, sequence: int) -> Iterator[Reading]:
        for start in range(places.start, places.stop, CHUNK):
            stop = min(start + CHUNK, places.stop)
            self._llama.read(layout.tokens[start:stop], layout.places[start], sequence)
            yield Reading(done=stop, total=len(layout.tokens))
