"""ipex-llm: a model in low-bit weights on the CPU."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from rag.datatypes import Generation, Prompt, Reading, Usage
from rag.engines.answerable import Looked, probed_layer, read_probe
from rag.engines.chat import ChatTokenizer, Rendered
from rag.engines.cores import usable_cores
from rag.engines.decoder import Decoder, States
from rag.engines.kept import KeptStates
from rag.engines.lowbit import read_manifest
from rag.engines.sources import TOKENIZER
from rag.engines.tuning import tuned_matmul
from rag.engines.writing import Logits, Writing, check_room
from rag.errors import EngineError
from rag.reuse import states_folder
from rag.reuse.recall import Reuse
from rag.reuse.store import Store

if TYPE_CHECKING:
    from rag.config import Config

CONTEXT: Final = 8192  # tokens: states of a 1.5B model take 57 kB each
GIGABYTE: Final = 1e9
SPEEDS: Final = "speeds.json"  # what was measured on this machine
CHUNK: Final = 1024  # tokens read at a time, to bound the memory of a layer


class IpexEngine:
    """Greedy or sampled continuation of conversations; keeps the states of recent prompts."""

    name = "ipex"

    def __init__(self, folder: Path, *, model: str, threads: int = 0, store: Store | None = None) -> None:
        """Map the conversion in `folder`; `threads` 0 means one per usable core.

        What is read of passages is kept in `store` and not read again.

        Raises:
            ModelError: when it is missing, damaged or not a chat model.
        """
        manifest = read_manifest(folder)
        self.model = model
        self.context = min(CONTEXT, int(manifest.config["max_position_embeddings"]))
        self._tokenizer = ChatTokenizer(folder / TOKENIZER)
        self._matmul = tuned_matmul(
            folder / SPEEDS, low_bit=manifest.low_bit, threads=threads or usable_cores()
        )
        self._model = Decoder(folder, manifest, self._matmul)
        self._kept = KeptStates(self._model, self.context)
        made_of = {
            "weights": manifest.source.get("sha256"),
            "low_bit": manifest.low_bit,
            "tokenizer": hashlib.sha256((folder / TOKENIZER).read_bytes()).hexdigest(),
        }
        self._reuse = Reuse(store, self._model, made_of) if store else None
        self.probe = read_probe(folder, manifest.source)
        self._probed = self.probe.layer if self.probe else probed_layer(len(self._model.layers))

    @property
    def judges(self) -> bool:
        return self.probe is not None

    @classmethod
    def open(cls, config: Config) -> IpexEngine:
        """Open the conversion of `config.model`; raises ModelError when there is none."""
        from rag.models import answering_name, lowbit_folder

        budget = int(config.reuse_gb * GIGABYTE)
        store = Store(states_folder(config), budget) if config.reuse == "on" else None
        folder = lowbit_folder(config.model, config)
        model = answering_name(config.model, config)
        return cls(folder, model=model, threads=config.threads, store=store)

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self._tokenizer.render(prompt).tokens)

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        rendered = self._tokenizer.render(prompt)
        check_room(len(rendered.tokens), options.max_tokens, model=self.model, context=self.context)
        with self._failing("answering"):
            yield from self._answer(rendered, options)

    def likelihood(self, prompt: Prompt, continuation: str) -> Generator[Reading, None, float]:
        tokens, wanted = self._tokenizer.render(prompt).tokens, self._tokenizer.encode(continuation)
        if len(tokens) + len(wanted) > self.context:
            raise EngineError(
                f"the prompt takes {len(tokens)} tokens and its continuation {len(wanted)}, but {self.model} "
                f"has room for {self.context}; give a shorter passage"
            )
        if not wanted:
            return 0.0
        with self._failing("reading"):
            return (yield from self._score(tokens, wanted))

    @property
    def keeps(self) -> bool:
        return self._reuse is not None

    def read(self, prompt: Prompt) -> Generator[Reading, None, bool]:
        rendered = self._tokenizer.render(prompt)
        if self._reuse is None or not rendered.passages:
            return False
        if self._reuse.holds(rendered):
            return True
        if not self._reuse.has_room(rendered):
            return False
        with self._failing("reading"):
            yield from self._read_ahead(rendered, self._reuse)
        return self._reuse.holds(rendered)

    @torch.inference_mode()
    def _read_ahead(self, prompt: Rendered, reuse: Reuse) -> Iterator[Reading]:
        """Read into states of their own: those of recent prompts stay."""
        self._matmul.use_threads()
        total = prompt.passages[0].places.stop
        states = States(self._model, total)
        begun = replace(prompt, tokens=prompt.tokens[:total], passages=())
        unread = [*reuse.recall(begun, states, 0)]
        for start in range(0, len(unread), CHUNK):
            places = unread[start : start + CHUNK]
            steps = self._model.forward([prompt.tokens[place] for place in places], states, places)
            yield from self._told(steps, len(places), total - len(unread) + start, total)
        reuse.remember(prompt, states)

    @contextmanager
    def _failing(self, doing: str) -> Iterator[None]:
        try:
            yield
        except RuntimeError as exc:  # torch's, out of memory among them
            raise EngineError(f"{self.model} failed while {doing}: {exc}; ask again") from exc

    @torch.inference_mode()
    def _answer(self, prompt: Rendered, options: Generation) -> Iterator[str | Reading | Usage]:
        self._matmul.use_threads()
        tokens = prompt.tokens
        states, past = self._kept.take(tokens, room=len(tokens) + options.max_tokens)
        unread = self._reuse.recall(prompt, states, past) if self._reuse else range(past, len(tokens))
        logits, state = yield from self._read(tokens, states, unread)
        answerable = self.probe.log_odds(state.numpy()) if self.probe else None
        writing = Writing(self._tokenizer, options, answerable)
        written = Written(self._model, self._kept, tokens, states)
        try:
            yield from writing.pieces(tokens, logits.numpy(), written)
        finally:
            if self._reuse:
                self._reuse.remember(prompt, states)
        yield Usage(
            prompt_tokens=len(tokens),
            answer_tokens=writing.count,
            cached_tokens=len(tokens) - len(unread),
            finish=writing.finish,
            answerable=answerable,
        )

    @torch.inference_mode()
    def look(self, prompt: Prompt) -> Generator[Reading, None, Looked]:
        """Read a prompt, and return the state of its last token after the layer that a probe looks at."""
        self._matmul.use_threads()
        tokens = self._tokenizer.render(prompt).tokens
        states, past = self._kept.take(tokens, room=len(tokens))
        _, state = yield from self._read(tokens, states, range(past, len(tokens)))
        return Looked(layer=self._probed, state=state.numpy())

    def _read(
        self, tokens: list[int], states: States, unread: Sequence[int]
    ) -> Generator[Reading, None, tuple[torch.Tensor, torch.Tensor]]:
        """Read the prompt at its unread places, a chunk at a time; what lies between is known.

        Return the logits, and the last token's state after the probed layer.
        """
        known = len(tokens) - len(unread)
        for start in range(0, len(unread), CHUNK):
            places = unread[start : start + CHUNK]
            seen: list[torch.Tensor] = []
            steps = self._seen(self._model.forward([tokens[i] for i in places], states, places), seen)
            logits = yield from self._told(steps, len(places), known + start, len(tokens))
            read = start + len(places)
            self._kept.keep(tokens[: unread[read]] if read < len(unread) else tokens, states)
        return logits, seen[0]

    @torch.inference_mode()
    def _score(self, tokens: list[int], wanted: list[int]) -> Generator[Reading, None, float]:
        """Return the mean log-probability of `wanted` after `tokens`, in one reading of both."""
        self._matmul.use_threads()
        whole = [*tokens, *wanted[:-1]]
        states, past = self._kept.take(tokens, room=len(whole))
        chances: list[torch.Tensor] = []
        for start in range(past, len(whole), CHUNK):
            chunk = whole[start : start + CHUNK]
            places = range(start, start + len(chunk))
            ahead = start - len(tokens) + 1  # the first wanted token stands after the last of the prompt
            followed = wanted[max(ahead, 0) : max(ahead + len(chunk), 0)]
            if followed:
                steps = self._model.score(chunk, states, places, followed)
                chances.append((yield from self._told(steps, len(chunk), start, len(whole))))
            else:
                steps = self._model.forward(chunk, states, places)
                yield from self._told(steps, len(chunk), start, len(whole))
            self._kept.keep(whole[: start + len(chunk)], states)
        return float(torch.cat(chances).mean())

    def _seen(self, steps: Iterator[torch.Tensor], seen: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        for layer, step in enumerate(steps):
            if layer == self._probed:
                seen.append(step[-1].clone())
            yield step

    def _told(
        self, steps: Iterator[torch.Tensor], count: int, start: int, total: int
    ) -> Generator[Reading, None, torch.Tensor]:
        """Yield how far the reading of so many tokens is, and return what comes of it."""
        for number, step in enumerate(steps, start=1):
            last = step
            yield Reading(done=start + count * number // (len(self._model.layers) + 1), total=total)
        return last


class Written:
    """What follows a prompt in its states."""

    guesses = 0  # the kernel's time grows with the tokens: reading several at once gains nothing

    def __init__(self, model: Decoder, kept: KeptStates, tokens: Sequence[int], states: States) -> None:
        self._model = model
        self._kept = kept
        self._tokens = list(tokens)
        self._states = states

    def extend(self, tokens: Sequence[int]) -> Logits:
        rows = [self._step(token) for token in tokens]
        self._kept.keep(self._tokens, self._states)
        return np.stack(rows)

    def take_back(self, count: int) -> None:
        del self._tokens[len(self._tokens) - count :]
        self._kept.keep(self._tokens, self._states)

    def _step(self, token: int) -> Logits:
        """Read one token; a row of its own, since several would be multiplied by another method."""
        steps = self._model.forward([token], self._states, [len(self._tokens)])
        self._tokens.append(token)
        row: Logits = deque(steps, maxlen=1).pop().numpy()
        return row
