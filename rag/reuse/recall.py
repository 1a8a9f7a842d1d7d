"""The beginning and the passages of a prompt in a decoder's states: recalled, or read once and stored."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import torch

from rag.engines.low_bit.decoder import States
from rag.reuse.keys import Keys
from rag.reuse.quantised import KEYS, VALUES, quantised, restore
from rag.reuse.store import Store
from rag.reuse.tally import Tally, Tokens

if TYPE_CHECKING:
    from rag.datatypes import Reading
    from rag.engines.layout import Layout, Part
    from rag.engines.low_bit.decoder import Decoder

FORMAT: Final = 3
# Reads so many tokens of a layout, from one on, into slots of states.
Read: TypeAlias = "Callable[[Layout, range, States, int], Iterator[Reading]]"


class Reuse:
    """The stored states of one model's passages and of the beginning of its prompts."""

    def __init__(self, store: Store, model: Decoder, made_of: Mapping[str, Any], read: Read) -> None:
        """`made_of` tells the weights and their quantisation apart from any other."""
        self._store = store
        self._tally = Tally(store.folder)
        self._model = model
        self._read = read
        self._values_a_token = len(model.layers) * model.kv_heads * model.head_size
        self._keys = Keys({"format": FORMAT, **made_of})

    def bring(self, layout: Layout, states: States, held: int = 0) -> Generator[Reading, None, int]:
        """Fill the states with the beginning and all passages; return how many tokens had to be read.

        The states hold the first `held` tokens of the layout already.
        """
        read = yield from self._bring_beginning(layout, states, held)
        wanted = reused = 0
        for part in layout.passages:
            wanted += len(part.slots)
            if part.slots.stop <= held:
                self._store.touch(self._key(layout, part))
                reused += len(part.slots)
            elif self._recall(layout, part, states):
                reused += len(part.slots)
            else:
                yield from self._read_passage(layout, part, states)
        self._tally.add_tokens(Tokens(wanted=wanted, reused=reused))
        return read + wanted - reused

    def read_all(self, layout: Layout) -> Iterator[Reading]:
        """Read and store what is not stored of the beginning and all passages, in states of their own."""
        states = States(self._model, layout.apart)
        yield from self._bring_beginning(layout, states)
        for part in layout.passages:
            if not self._recall(layout, part, states):
                yield from self._read_passage(layout, part, states)

    def has_room(self, layout: Layout) -> bool:
        """Tell whether there is room for all passages."""
        size = 2 * (layout.apart - layout.constant) * self._values_a_token
        return self._store.has_room(size, model=self._keys.model)

    def touch(self, layout: Layout) -> bool:
        """Note that all passages are used, and tell whether they are stored."""
        return all(self._store.touch(self._key(layout, part)) for part in layout.passages)

    def _bring_beginning(
        self, layout: Layout, states: States, held: int = 0
    ) -> Generator[Reading, None, int]:
        row, key = slice(0, layout.constant), self._key(layout)
        known = held >= layout.constant
        if known and self._store.touch(key):
            return 0
        stored = None if known else self._fitting(key, layout.constant)
        if stored is not None:
            states.keys[:, :, row], states.values[:, :, row] = stored[KEYS], stored[VALUES]
            return 0
        if not known:
            yield from self._read(layout, range(layout.constant), states, 0)
        whole = {KEYS: states.keys[:, :, row], VALUES: states.values[:, :, row]}
        self._store.put(key, {name: each.contiguous().numpy() for name, each in whole.items()})
        return 0 if known else layout.constant

    def _recall(self, layout: Layout, part: Part, states: States) -> bool:
        stored = self._fitting(self._key(layout, part), len(part.slots))
        if stored is None:
            return False
        restore(stored, states, part.slots, layout.places[part.slots.start : part.slots.stop], self._model)
        return True

    def _read_passage(self, layout: Layout, part: Part, states: States) -> Iterator[Reading]:
        """Read a passage after what it is to see, keep it, and put it where it is wanted."""
        first, slots = layout.constant + len(part.after), part.slots
        alone = States(self._model, first + len(slots))
        alone.copy_from(states, layout.constant)
        for theirs, mine in ((states.keys, alone.keys), (states.values, alone.values)):
            mine[:, :, layout.constant : first] = theirs[:, :, part.after.start : part.after.stop]
        yield from self._read(layout, slots, alone, first)
        packed = quantised(alone, range(first, first + len(slots)), self._model)
        arrays = {name: tensor.numpy() for name, tensor in packed.items()}
        self._store.put(self._key(layout, part), arrays, texts=part.texts)
        states.keys[:, :, slots.start : slots.stop] = alone.keys[:, :, first:]
        states.values[:, :, slots.start : slots.stop] = alone.values[:, :, first:]

    def _fitting(self, key: str, count: int) -> dict[str, torch.Tensor] | None:
        """Return what is stored, if it is of so many tokens."""
        stored = self._store.get(key)
        if stored is None:
            return None
        if stored[KEYS].shape[2] != count:
            self._store.drop(key)
            return None
        return {name: torch.from_numpy(array) for name, array in stored.items()}

    def _key(self, layout: Layout, part: Part | None = None) -> str:
        """Return the key of a passage, or of the beginning."""
        if part is None:
            return self._keys.key(layout.tokens[: layout.constant])
        return self._keys.key(layout.seen_by(part), part.text)
