"""What was read of a passage, kept on disk: a passage is read once, and asked about many times.

A passage is read after the constant beginning of every prompt, which is all that it sees, and before the
question. So the keys and values of a passage that is read alone are the same for every question, and the
engine reads only the question. Where several passages are read together, those after the first were read
without the ones before them; their keys are turned to their place (rotary embeddings add), and their first
tokens, their number among them, are read anew (Hu et al. 2024, EPIC, arXiv:2410.15332).
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rag.reuse.quantised import quantised, restore
from rag.reuse.store import Store

if TYPE_CHECKING:
    import torch

    from rag.engines.chatml import Rendered, Shown
    from rag.engines.qwen2 import Qwen2, States

__all__ = ["Reuse", "Store"]

FORMAT: Final = 1
READ_ANEW: Final = 16  # first tokens of a passage that does not stand first
FEWEST: Final = 2 * READ_ANEW  # tokens of a passage worth keeping


class Reuse:
    """The stored states of one model's passages and of the beginning of its prompts."""

    def __init__(self, store: Store, model: Qwen2, made_of: Mapping[str, Any]) -> None:
        """`made_of` tells the weights and their quantisation apart from any other."""
        self.store = store
        self._model = model
        self._made_of = json.dumps({"format": FORMAT, **made_of}, sort_keys=True)

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
        self.store.count(wanted=sum(len(shown.places) for _, shown in wanted), found=len(recalled))
        return [place for place in range(past, len(prompt.tokens)) if place not in recalled]

    def remember(self, prompt: Rendered, states: States) -> None:
        """Store the beginning and the first passage: those after it have seen more than the beginning."""
        if not prompt.constant:
            return
        beginning = slice(0, prompt.constant)
        key = self._key(prompt.tokens[beginning])
        if not self.store.has(key):
            self.store.put(
                key,
                {
                    "keys": states.keys[:, :, beginning].contiguous(),
                    "values": states.values[:, :, beginning].contiguous(),
                },
            )
        for shown in prompt.passages[:1]:
            key = self._key(prompt.tokens[beginning], shown.text)
            if len(shown.places) >= FEWEST and not self.store.has(key):
                self.store.put(key, quantised(states, shown.places, self._model))

    def _recall_beginning(self, prompt: Rendered, states: States) -> bool:
        count = prompt.constant
        stored = self.store.get(self._key(prompt.tokens[:count]))
        if stored is None or not self._holds(stored, count):
            return False
        states.keys[:, :, :count], states.values[:, :, :count] = stored["keys"], stored["values"]
        return True

    def _recall(self, prompt: Rendered, shown: Shown, states: States, *, skip: int) -> range:
        """Fill in a passage; return its places that need not be read."""
        count = len(shown.places)
        stored = self.store.get(self._key(prompt.tokens[: prompt.constant], shown.text))
        if stored is None or not self._holds(stored, count, give=1 if skip else 0):
            return range(0)
        restore(stored, states, shown.places, self._model, skip=skip)
        return shown.places[skip:]

    def _holds(self, stored: Mapping[str, torch.Tensor], count: int, *, give: int = 0) -> bool:
        """Tell whether these are states of this model, of so many tokens; a number may `give` one."""
        layers, heads, tokens, size = stored["keys"].shape
        model = self._model
        same = (layers, heads, size) == (len(model.layers), model.kv_heads, model.head_size)
        return same and abs(tokens - count) <= give

    def _key(self, beginning: Sequence[int], text: str = "") -> str:
        tokens = array("I", beginning).tobytes()
        return hashlib.sha256(b"\0".join([self._made_of.encode(), tokens, text.encode()])).hexdigest()
