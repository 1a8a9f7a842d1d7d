"""Plain transformers: any causal LLM that it can load, in bfloat16 or float32 on the CPU."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from rag.datatypes import Generation, Prompt, Reading, Usage
from rag.engines.answerable import Looked, Probe, probed_layer
from rag.engines.cores import usable_cores
from rag.engines.hf_states import States
from rag.engines.hf_weights import find_weights, load
from rag.engines.pace import FILE as PACE
from rag.engines.pace import costs_here
from rag.engines.writing import Logits, Writing, check_room
from rag.errors import EngineError
from rag.tokenizer.chat import ChatTokenizer

if TYPE_CHECKING:
    from rag.config import Config

CONTEXT: Final = 8192  # tokens: states of a 1.5B model take 57 kB each in float32
FIRST_CHUNK: Final = 32  # tokens read at a time, until it is known how fast that is
CHUNKS: Final = range(8, 1025)
SLOW, FAST = 0.8, 0.3  # seconds a chunk takes for the next to be half or twice as long


class HfEngine:
    """Continuation of chats; keeps the states of the last prompt and answer."""

    name = "hf"

    def __init__(
        self,
        network: Any,
        *,
        model: str,
        tokenizer: ChatTokenizer,
        threads: int = 0,
        probe: Probe | None = None,
    ) -> None:
        """Take a loaded `network` of transformers; `threads` 0 means one per usable core."""
        self.model = model
        self.probe = probe
        self.context = min(CONTEXT, int(network.config.max_position_embeddings))
        self._tokenizer = tokenizer
        self._threads = threads or usable_cores()
        self._layer = probe.layer if probe else probed_layer(network.config.num_hidden_layers)
        self._states = States(network, looked_at=self._layer)
        self._chunk = FIRST_CHUNK

    @classmethod
    def open(cls, config: Config) -> HfEngine:
        """Load the weights of `config.model`.

        Raises:
            ModelError: when they are not on this machine, or transformers cannot load them.
        """
        from rag.models import lowbit_folder

        found = find_weights(config.model, config)
        engine = cls(
            load(found.path, trust_remote_code=config.trust_remote_code),
            model=config.model,
            tokenizer=found.tokenizer,
            threads=config.threads,
            probe=found.probe,
        )
        engine.measure(lowbit_folder(config.model, config).with_name(cls.name) / PACE)
        return engine

    @torch.inference_mode()
    def measure(self, file: Path) -> None:
        """Find out what reading several tokens at once costs, which `file` remembers."""
        torch.set_num_threads(self._threads)
        made_of = {"torch": torch.__version__, "threads": self._threads, "floats": self._states.floats}
        self._states.costs = costs_here(file, made_of, self._states.read_few)

    @property
    def judges(self) -> bool:
        return self.probe is not None

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self._tokenizer.render(prompt).tokens)

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        tokens = self._tokenizer.render(prompt).tokens
        check_room(len(tokens), options.max_tokens, model=self.model, context=self.context)
        with self._failing("answering"):
            yield from self._answer(tokens, options)

    def likelihood(self, prompt: Prompt, continuation: str) -> Generator[Reading, None, float]:
        tokens, wanted = self._tokenizer.render(prompt).tokens, self._tokenizer.encode(continuation)
        check_room(len(tokens), len(wanted), model=self.model, context=self.context)
        if not wanted:
            return 0.0
        with self._failing("reading"):
            return (yield from self._score(tokens, wanted))

    def look(self, prompt: Prompt) -> Generator[Reading, None, Looked]:
        """Read a prompt, and return the state of its last token after the layer that a probe looks at."""
        with self._failing("reading"):
            yield from self._read(self._tokenizer.render(prompt).tokens)
        return Looked(layer=self._layer, state=self._states.seen)

    @torch.inference_mode()
    def _answer(self, tokens: list[int], options: Generation) -> Iterator[str | Reading | Usage]:
        known, logits = yield from self._read(tokens)
        answerable = self.probe.log_odds(self._states.seen) if self.probe else None
        writing = Writing(self._tokenizer, options, answerable)
        yield from writing.pieces(tokens, logits, self._states)
        yield Usage(
            prompt_tokens=len(tokens),
            answer_tokens=writing.count,
            cached_tokens=known,
            finish=writing.finish,
            answerable=answerable,
        )

    @torch.inference_mode()
    def _score(self, tokens: list[int], wanted: list[int]) -> Generator[Reading, None, float]:
        """Return the mean log-probability of `wanted` after `tokens`."""
        _, logits = yield from self._read(tokens)
        rows = [logits[None]]
        for start in range(0, len(wanted) - 1, FIRST_CHUNK):
            rows.append(self._states.extend(wanted[start : min(start + FIRST_CHUNK, len(wanted) - 1)]))
            yield Reading(done=len(tokens), total=len(tokens))
        chances = torch.log_softmax(torch.from_numpy(np.concatenate(rows)), dim=-1)
        return float(chances[range(len(wanted)), wanted].mean())

    @torch.inference_mode()
    def _read(self, tokens: Sequence[int]) -> Generator[Reading, None, tuple[int, Logits]]:
        """Read what is not known of a prompt; return how much is, and the logits after it."""
        torch.set_num_threads(self._threads)
        known = place = self._states.begin(tokens)
        while place < len(tokens):
            chunk = tokens[place : place + self._chunk]
            begun = time.perf_counter()
            logits = self._states.read(chunk)
            self._adapt(len(chunk), time.perf_counter() - begun)
            place += len(chunk)
            yield Reading(done=place, total=len(tokens))
        return known, logits

    def _adapt(self, tokens: int, seconds: float) -> None:
        """Choose how many tokens are read at a time: as many as leave a reader who goes away not waiting."""
        if seconds > SLOW and tokens == self._chunk:
            self._chunk = max(self._chunk // 2, CHUNKS[0])
        elif seconds < FAST and tokens == self._chunk:
            self._chunk = min(self._chunk * 2, CHUNKS[-1])

    @contextmanager
    def _failing(self, doing: str) -> Iterator[None]:
        try:
            yield
        except RuntimeError as exc:  # torch's, out of memory among them
            raise EngineError(f"{self.model} failed while {doing}: {exc}; ask again") from exc
