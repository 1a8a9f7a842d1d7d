"""The keys and values that transformers keeps of the last prompt and of what was written after it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rag.engines.lookup import ALONE, Costs
from rag.engines.writing import Logits


class States:
    """One sequence of tokens that a network has read."""

    def __init__(self, network: Any, *, looked_at: int) -> None:
        """Keep what `network` reads; `seen` is the last token's state after layer `looked_at`."""
        self._network = network
        self.costs: Costs = ALONE
        self.seen: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        _layers(network)[looked_at].register_forward_hook(self._see)
        self._forget()

    @property
    def floats(self) -> str:
        """The type of the weights, "torch.bfloat16" for example."""
        return str(self._network.dtype)

    def read_few(self, count: int) -> None:
        """Read so many tokens and keep nothing of them."""
        self._network(torch.zeros((1, count), dtype=torch.long), use_cache=False)

    def begin(self, tokens: Sequence[int]) -> int:
        """Keep what is shared with the beginning of `tokens`, never all of them; return how many that are."""
        pairs = zip(self._tokens, tokens, strict=False)
        shared = min(sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)), len(tokens) - 1)
        if shared and self._whole:
            self.take_back(len(self._tokens) - shared)
            return shared
        self._forget()
        return 0

    def read(self, tokens: Sequence[int]) -> Logits:
        """Read tokens of a prompt after all others; return the logits after the last, (vocabulary,)."""
        row: Logits = self._forward(tokens, logits_to_keep=1)[-1]
        return row

    def extend(self, tokens: Sequence[int]) -> Logits:
        return self._forward(tokens)

    def take_back(self, count: int) -> None:
        if count:
            del self._tokens[-count:]
            self._cache.crop(len(self._tokens))

    def _forward(self, tokens: Sequence[int], **options: Any) -> Logits:
        self._whole = False  # layers that an interruption leaves are of unequal length
        given = torch.tensor([tokens])
        found = self._network(given, past_key_values=self._cache, use_cache=True, **options)
        self._tokens += tokens
        self._whole = True
        logits: Logits = found.logits[0].float().numpy()
        return logits

    def _see(self, _layer: Any, _given: Any, states: Any) -> None:
        states = states[0] if isinstance(states, tuple) else states
        self.seen = states[0, -1].float().numpy()

    def _forget(self) -> None:
        from transformers import cache_utils

        kind: Any = cache_utils.DynamicCache
        self._cache: Any = kind()
        self._tokens: list[int] = []
        self._whole = True


def _layers(network: Any) -> Any:
    """Return the decoder's layers, by whatever name a family calls them."""
    count = network.config.num_hidden_layers
    lists = (module for module in network.modules() if isinstance(module, torch.nn.ModuleList))
    return next(each for each in lists if len(each) == count)
