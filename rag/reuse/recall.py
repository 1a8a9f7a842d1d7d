"""The states of a prompt: what is stored of them is put in place, and what was read of them is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import torch

from rag.reuse.keys import Keys
from rag.reuse.quantised import quantised, restore
from rag.reuse.store import Store
from rag.reuse.tally import Tally, Tokens

if TYPE_CHECKING:
    from rag.engines.chat import Rendered, Shown
    from rag.engines.decoder import Decoder, States

FORMAT: Final = 1
READ_ANEW: Final = 16  # first tokens of a passage that does not stand first
FEWEST: Final = 2 * READ_ANEW  # tokens of a passage worth keeping


class Reuse:
    """The stored states of one model's passages and of the beginning of its prompts."""

    def __init__(self, store: Store, model: Decoder, made_of: Mapping[str, Any]) -> None:
        """`made_of` tells the weights and their quantisation apart from any other."""
        self._store = store
        self._tally = Tally(store.folder)
        self._model = model
        self._values_a_token = len(model.layers) * model.kv_heads * model.head_size
        self._keys = Keys({"format": FORMAT, **made_of})

    def recall(self, prompt: Rendered, states: States, past: int) -> list[int]:
        """Fill in what is stored of the prompt after `past` tokens; return the places still to be read.

        The last is always among them.
        """
        if past < prompt.constant and self._recall_beginning(prompt, states):
            past = prompt.constant
        recalled: set[int] = set()
        wanted = [each for each in enumerate(prompt.passages) if past < each[1].places.stop]
        if past >= prompt.constant:
            for number, shown in wanted:
                recalled.update(self._recall(prompt, shown, states, skip=READ_ANEW if number else 0))
        tokens = Tokens(wanted=sum(len(shown.places) for _, shown in wanted), reused=len(recalled))
        if tokens.wanted:
            self._tally.add_tokens(tokens)
        return [place for place in range(past, len(prompt.tokens)) if place not in recalled]

    def has_room(self, prompt: Rendered) -> bool:
        """Tell whether there is room for the first passage of a prompt."""
        tokens = sum(len(shown.places) for shown in prompt.passages[:1])
        return self._store.has_room(2 * tokens * self._values_a_token)

    def holds(self, prompt: Rendered) -> bool:
        """Tell whether the first passage of a prompt is stored, or too short to be."""
        return all(
            len(shown.places) < FEWEST
            or self._store.has(self._keys.key(prompt.tokens[: prompt.constant], shown.text))
            for shown in prompt.passages[:1]
        )

    def remember(self, prompt: Rendered, states: States) -> None:
        """Store the beginning and the first passage: those after it have seen more than the beginning."""
        if not prompt.constant:
            return
        beginning = slice(0, prompt.constant)
        key = self._keys.key(prompt.tokens[beginning])
        if not self._store.has(key):
            self._store.put(
                key,
                {
                    "keys": states.keys[:, :, beginning].contiguous().numpy(),
                    "values": states.values[:, :, beginning].contiguous().numpy(),
                },
            )
        for shown in prompt.passages[:1]:
            key = self._keys.key(prompt.tokens[beginning], shown.text)
            if len(shown.places) >= FEWEST and not self._store.has(key):
                packed = quantised(states, shown.places, self._model)
                self._store.put(
                    key, {name: tensor.numpy() for name, tensor in packed.items()}, text=shown.text
                )

    def _recall_beginning(self, prompt: Rendered, states: States) -> bool:
        count = prompt.constant
        stored = self._fitting(self._keys.key(prompt.tokens[:count]), count)
        if stored is None:
            return False
        states.keys[:, :, :count], states.values[:, :, :count] = stored["keys"], stored["values"]
        return True

    def _recall(self, prompt: Rendered, shown: Shown, states: States, *, skip: int) -> range:
        """Fill in a passage; return its places that need not be read."""
        count = len(shown.places)
        key = self._keys.key(prompt.tokens[: prompt.constant], shown.text)
        stored = self._fitting(key, count, give=1 if skip else 0)
        if stored is None:
            return range(0)
        restore(stored, states, shown.places, self._model, skip=skip)
        return shown.places[skip:]

    def _fitting(self, key: str, count: int, *, give: int = 0) -> dict[str, torch.Tensor] | None:
        """Return what is stored, if it is of so many tokens; a passage's number may `give` one."""
        stored = self._store.get(key)
        if stored is None:
            return None
        if abs(stored["keys"].shape[2] - count) > give:
            self._store.drop(key)
            return None
        return {name: torch.from_numpy(array) for name, array in stored.items()}
