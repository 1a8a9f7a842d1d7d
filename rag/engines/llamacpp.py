"""llama.cpp: a GGUF file as it is, on the CPU, with passages read once."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from rag.datatypes import Generation, Prompt, Reading, Usage
from rag.engines.answerable import Looked, Probe, probed_layer
from rag.engines.cores import usable_cores
from rag.engines.gguf_folder import gguf_model
from rag.engines.layout import Held, Layout, kept_apart, plain
from rag.engines.llama.library import Llama, version
from rag.engines.llama.passages import CHUNK, SEQUENCES, WHOLE, Passages
from rag.engines.lookup import ALONE, Costs
from rag.engines.pace import FILE as PACE
from rag.engines.pace import costs_here
from rag.engines.writing import Logits, Writing, check_room
from rag.errors import ModelError
from rag.reuse import open_store
from rag.reuse.keys import Keys
from rag.reuse.once import read_once
from rag.reuse.store import Store
from rag.tokenizer.chat import ChatTokenizer, Rendered

if TYPE_CHECKING:
    from rag.config import Config

CONTEXT: Final = 8192  # tokens: states of a 1.5B model take 29 kB each
SPARE: Final = 1024  # tokens of room for a passage that is read while a conversation stays
FORMAT: Final = 1


class LlamaCppEngine:
    """Continuation of conversations; keeps the states of the last prompt."""

    name = "llamacpp"

    def __init__(
        self,
        gguf: Path,
        *,
        model: str,
        tokenizer: ChatTokenizer,
        threads: int = 0,
        probe: Probe | None = None,
        layer: int | None = None,
    ) -> None:
        """Open a GGUF file; `threads` 0 means one per usable core. `layer` can be looked at.

        Raises:
            ModelError: when llama.cpp cannot load it.
        """
        self.model = model
        self.probe = probe
        self._tokenizer = tokenizer
        self._layer = probe.layer if probe else layer
        self._llama = Llama(
            gguf,
            cells=CONTEXT + SPARE,
            sequences=SEQUENCES,
            threads=threads or usable_cores(),
            layer=self._layer,
        )
        self.context = min(CONTEXT, self._llama.trained_context)
        self._held = Held()
        self._costs: Costs = ALONE
        self._passages: Passages | None = None
        self._splices = False

    @classmethod
    def open(cls, config: Config) -> LlamaCppEngine:
        """Open the GGUF file of `config.model`; raises ModelError when there is none that can run."""
        found = gguf_model(config.model, config)
        if found.raw_head:
            raise ModelError(
                f"{found.gguf} has the head of Baichuan 2 as it was trained, which llama.cpp does not "
                "normalise; use --engine ipex or --engine hf"
            )
        engine = cls(
            found.gguf,
            model=config.model,
            tokenizer=ChatTokenizer(found.tokenizer),
            threads=config.threads,
            probe=found.probe,
            layer=probed_layer(found.layers),
        )
        engine.measure(found.tokenizer.with_name(PACE))
        if store := open_store(config):
            engine.keep(store, found.sha256, splices=config.reuse == "all")
        return engine

    def keep(self, store: Store, weights: str, *, splices: bool = False) -> None:
        """Keep what is read of passages in `store`, under the hash of the weights.

        That is the first hit of a prompt, or, where the engine `splices`, all, each as if it were alone.
        """
        self._splices = splices
        made_of = {"engine": self.name, "format": FORMAT, "weights": weights, "version": version()}
        self._passages = Passages(self._llama, store, Keys(made_of))

    def measure(self, file: Path) -> None:
        """Find out what reading several tokens at once costs, which `file` remembers."""
        made_of = {"version": version(), "threads": self._llama.threads}
        self._costs = costs_here(file, made_of, self._read_few)

    def _read_few(self, count: int) -> None:
        self._llama.read([0] * count, 0, WHOLE, rows=count)
        self._llama.remove(WHOLE)

    @property
    def judges(self) -> bool:
        return self.probe is not None

    @property
    def keeps(self) -> bool:
        return self._passages is not None

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self._tokenizer.render(prompt).tokens)

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        rendered = self._tokenizer.render(prompt)
        check_room(len(rendered.tokens), options.max_tokens, model=self.model, context=self.context)
        layout = self._layout(rendered)
        read, (logits, state) = yield from self._read(layout)
        answerable = self.probe.log_odds(state) if self.probe else None
        writing = Writing(self._tokenizer, options, answerable)
        yield from writing.pieces(layout.tokens, logits, Written(self._llama, self._held, self._costs))
        yield Usage(
            prompt_tokens=len(layout.tokens),
            answer_tokens=writing.count,
            cached_tokens=len(layout.tokens) - read,
            finish=writing.finish,
            answerable=answerable,
        )

    def likelihood(self, prompt: Prompt, continuation: str) -> Generator[Reading, None, float]:
        rendered, wanted = self._tokenizer.render(prompt), self._tokenizer.encode(continuation)
        check_room(len(rendered.tokens), len(wanted), model=self.model, context=self.context)
        if not wanted:
            return 0.0
        _, (logits, _) = yield from self._read(self._layout(rendered))
        written = Written(self._llama, self._held, self._costs)
        given = wanted[:-1]
        rows = [written.extend(given[start : start + CHUNK]) for start in range(0, len(given), CHUNK)]
        after = np.concatenate([logits[None], *rows])
        chances = [_chances(row)[token] for row, token in zip(after, wanted, strict=True)]
        return float(np.mean(chances))

    def look(self, prompt: Prompt) -> Generator[Reading, None, Looked]:
        """Read a prompt, and return the state of its last token after the layer that a probe looks at."""
        _, (_, state) = yield from self._read(self._layout(self._tokenizer.render(prompt)))
        return Looked(layer=self._layer or 0, state=state)

    def read(self, prompt: Prompt) -> Generator[Reading, None, bool]:
        layout = self._layout(self._tokenizer.render(prompt))
        return (yield from read_once(layout, self._passages, self._read_ahead))

    def _read_ahead(self, layout: Layout, passages: Passages) -> Iterator[Reading]:
        if len(self._held.tokens) + len(layout.tokens) > self.context:
            self._llama.remove(WHOLE)
            self._held = Held()
        yield from passages.read_all(layout)

    def _layout(self, prompt: Rendered) -> Layout:
        if self._passages is None:
            return plain(prompt)
        return kept_apart(prompt, self._tokenizer, splices=self._splices)

    def _read(self, layout: Layout) -> Generator[Reading, None, tuple[int, tuple[Logits, Logits]]]:
        """Read what is not held of a prompt; return how much that was, the logits and the state after it."""
        shared = min(self._held.shared(layout), len(layout.tokens) - 1)
        if min(self._held.places[shared:], default=shared) < layout.places[shared]:
            shared = 0  # passages that it shows no longer would stay: tokens are removed by their places
        read = 0
        if shared < layout.apart and self._passages:
            self._held = Held()
            read = yield from self._passages.bring(layout)
            shared = layout.apart
        self._llama.remove(WHOLE, layout.places[shared])
        self._held.note(layout, shared)
        total, seen = len(layout.tokens), (np.empty(0, dtype=np.float32),) * 2
        for start in range(shared, total, CHUNK):
            stop = min(start + CHUNK, total)
            if stop == total:
                seen = self._look(layout, range(start, stop))
            else:
                self._llama.read(layout.tokens[start:stop], layout.places[start], WHOLE)
            self._held.note(layout, stop)
            yield Reading(done=stop, total=total)
        return read + total - shared, seen

    def _look(self, layout: Layout, last: range) -> tuple[Logits, Logits]:
        """Read the last tokens of a prompt; return the logits and the state after the last one."""
        tokens, place = layout.tokens[last.start : last.stop], layout.places[last.start]
        if self._layer is None:
            return self._llama.read(tokens, place, WHOLE, rows=1)[0], np.empty(0, dtype=np.float32)
        return self._llama.look(tokens, place, WHOLE)


class Written:
    """What follows a prompt in the memory."""

    def __init__(self, llama: Llama, held: Held, costs: Costs) -> None:
        self.costs = costs
        self._llama = llama
        self._held = held

    def extend(self, tokens: Sequence[int]) -> Logits:
        place = self._held.places[-1] + 1
        rows = self._llama.read(tokens, place, WHOLE, rows=len(tokens))
        self._held.add(tokens)
        return rows

    def take_back(self, count: int) -> None:
        if count:
            self._llama.remove(WHOLE, self._held.places[-count])
            self._held.take_back(count)


def _chances(logits: Logits) -> Logits:
    shifted = logits - logits.max()
    chances: Logits = shifted - np.log(np.exp(shifted).sum())
    return chances
