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
    from rag.engines.layout import Layout
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

    def bring(self, layout: Layout, states: States) -> Generator[Reading, None, int]:
        """Fill the states with the beginning and all passages; return how many tokens had to be read."""
        read = yield from self._bring_beginning(layout, states)
        wanted = reused = 0
        for places, text in zip(layout.passages, layout.texts, strict=True):
            wanted += len(places)
            if self._recall(layout, places, text, states):
                reused += len(places)
            else:
                yield from self._read_passage(layout, places, text, states)
        self._tally.add_tokens(Tokens(wanted=wanted, reused=reused))
        return read + wanted - reused

    def read_first(self, layout: Layout) -> Iterator[Reading]:
        """Read the beginning and the first passage into states of their own, and store them."""
        states = States(self._model, layout.apart)
        yield from self._bring_beginning(layout, states)
        yield from self._read_passage(layout, layout.passages[0], layout.texts[0], states)

    def has_room(self, layout: Layout) -> bool:
        """Tell whether there is room for the first passage."""
        return self._store.has_room(2 * len(layout.passages[0]) * self._values_a_token)

    def holds(self, layout: Layout) -> bool:
        """Tell whether the first passage is stored."""
        return self._store.has(self._key(layout, layout.texts[0]))

    def _bring_beginning(self, layout: Layout, states: States) -> Generator[Reading, None, int]:
        row = slice(0, layout.constant)
        stored = self._fitting(self._key(layout), layout.constant)
        if stored is not None:
            states.keys[:, :, row], states.values[:, :, row] = stored[KEYS], stored[VALUES]
            return 0
        yield from self._read(layout, range(layout.constant), states, 0)
        whole = {KEYS: states.keys[:, :, row], VALUES: states.values[:, :, row]}
        self._store.put(self._key(layout), {name: each.contiguous().numpy() for name, each in whole.items()})
        return layout.constant

    def _recall(self, layout: Layout, places: range, text: str, states: States) -> bool:
        stored = self._fitting(self._key(layout, text), len(places))
        if stored is None:
            return False
        restore(stored, states, places, layout.places[places.start : places.stop], self._model)
        return True

    def _read_passage(self, layout: Layout, places: range, text: str, states: States) -> Iterator[Reading]:
        """Read a passage after the beginning, keep it, and put it where it is wanted."""
        count = layout.constant
        alone = States(self._model, count + len(places))
        alone.copy_from(states, count)
        yield from self._read(layout, places, alone, count)
        packed = quantised(alone, range(count, count + len(places)), self._model)
        arrays = {name: tensor.numpy() for name, tensor in packed.items()}
        self._store.put(self._key(layout, text), arrays, text=text)
        row = slice(places.start, places.stop)
        states.keys[:, :, row] = alone.keys[:, :, count:]
        states.values[:, :, row] = alone.values[:, :, count:]

    def _fitting(self, key: str, count: int) -> dict[str, torch.Tensor] | None:
        """Return what is stored, if it is of so many tokens."""
        stored = self._store.get(key)
        if stored is None:
            return None
        if stored[KEYS].shape[2] != count:
            self._store.drop(key)
            return None
        return {name: torch.from_numpy(array) for name, array in stored.items()}

    def _key(self, layout: Layout, text: str = "") -> str:
        return self._keys.key(layout.tokens[: layout.constant], text)
