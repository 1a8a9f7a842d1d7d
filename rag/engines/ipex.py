"""ipex-llm: a model in low-bit weights on the CPU."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from rag.datatypes import Generation, Prompt, Reading, Usage
from rag.engines.answerable import Looked, probed_layer, read_probe
from rag.engines.cores import free_memory, usable_cores
from rag.engines.layout import Layout, kept_apart, plain
from rag.engines.lookup import Costs
from rag.engines.low_bit.conversion import read_manifest
from rag.engines.low_bit.decoder import FEW, Decoder, States
from rag.engines.low_bit.kept import Kept, KeptStates
from rag.engines.low_bit.tuning import tuned_matmul
from rag.engines.pace import FILE as PACE
from rag.engines.pace import costs_here
from rag.engines.writing import Logits, Writing, check_room
from rag.errors import EngineError, ModelError
from rag.reuse import open_store
from rag.reuse.once import read_once
from rag.reuse.recall import Reuse
from rag.reuse.store import Store
from rag.tokenizer.chat import ChatTokenizer, Rendered
from rag.weights.sources import TOKENIZER

if TYPE_CHECKING:
    from rag.config import Config, Unpacked

CONTEXT: Final = 8192  # tokens: states of a 1.5B model take 57 kB each
SPEEDS: Final = "speeds.json"  # what was measured on this machine
SPARE, RESERVE = 2, 2_000_000_000  # times the unpacked weights, and bytes, that have to be free for them
TYPICAL: Final = 768  # tokens that are looked back at while an answer is written
CHUNK: Final = 1024  # tokens read at a time, to bound the memory of a layer


class IpexEngine:
    """Greedy or sampled continuation of conversations; keeps the states of recent prompts."""

    name = "ipex"

    def __init__(
        self,
        folder: Path,
        *,
        model: str,
        threads: int = 0,
        store: Store | None = None,
        splices: bool = False,
        unpacked: Unpacked = "off",
    ) -> None:
        """Map the conversion in `folder`; `threads` 0 means one per usable core.

        What is read of passages is kept in `store` and not read again: of the first hit of a prompt, or of
        all where the engine `splices` them, each as if it were alone. Weights are kept `unpacked` beside the
        packed ones, once they have been; by "auto" where twice as much memory is free.

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
        if _may_unpack(self._matmul.bytes_to_keep(self._model.weights), unpacked):
            self._matmul.plan = self._matmul.kept_plan
        self._kept = KeptStates(self._model, self.context)
        self._costs = self._measured_costs(folder / PACE)
        made_of = {
            "weights": manifest.source.get("sha256"),
            "low_bit": manifest.low_bit,
            "tokenizer": hashlib.sha256((folder / TOKENIZER).read_bytes()).hexdigest(),
        }
        self._splices = splices
        self._reuse = Reuse(store, self._model, made_of, self._read_row) if store else None
        self.probe = read_probe(folder, manifest.source)
        self._probed = self.probe.layer if self.probe else probed_layer(len(self._model.layers))

    @property
    def judges(self) -> bool:
        return self.probe is not None

    @classmethod
    def open(cls, config: Config) -> IpexEngine:
        """Open the conversion of `config.model`; raises ModelError when there is none."""
        from rag.models import answering_name, lowbit_folder, model_here

        folder = lowbit_folder(config.model, config)
        model = answering_name(config.model, config)
        if not folder.exists():
            name = config.model
            model_here(name, config)
            raise ModelError(f"{name} is not converted to {config.low_bit} yet; run `rag models pull {name}`")
        return cls(
            folder,
            model=model,
            threads=config.threads,
            store=open_store(config),
            splices=config.reuse == "all",
            unpacked=config.unpacked,
        )

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self._tokenizer.render(prompt).tokens)

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        rendered = self._tokenizer.render(prompt)
        check_room(len(rendered.tokens), options.max_tokens, model=self.model, context=self.context)
        with self._failing("answering"):
            yield from self._answer(rendered, options)

    def likelihood(self, prompt: Prompt, continuation: str) -> Generator[Reading, None, float]:
        layout, wanted = plain(self._tokenizer.render(prompt)), self._tokenizer.encode(continuation)
        check_room(len(layout.tokens), len(wanted), model=self.model, context=self.context)
        if not wanted:
            return 0.0
        with self._failing("reading"):
            return (yield from self._score(layout, wanted))

    @property
    def keeps(self) -> bool:
        return self._reuse is not None

    def read(self, prompt: Prompt) -> Generator[Reading, None, bool]:
        layout = self._layout(self._tokenizer.render(prompt))
        return (yield from read_once(layout, self._reuse, self._read_ahead))

    @torch.inference_mode()
    def _read_few(self, states: States, count: int) -> None:
        """Read so many tokens after a typical prompt."""
        with self._failing("reading"):
            self._matmul.use_threads()
            slots = range(TYPICAL, TYPICAL + count)
            deque(self._model.forward([0] * count, states, slots, rows=count), maxlen=0)

    def _measured_costs(self, file: Path) -> Costs:
        """Return what reading several tokens at once costs, as many as have the same bits as one by one."""
        made_of = {
            "torch": torch.__version__,
            "threads": self._matmul.threads,
            "library": self._matmul.kernels.variant,
        }
        most = min(self._matmul.alike, FEW)
        return costs_here(
            file, made_of, partial(self._read_few, States(self._model, TYPICAL + most)), most=most
        )

    @torch.inference_mode()
    def _read_ahead(self, layout: Layout, reuse: Reuse) -> Iterator[Reading]:
        with self._failing("reading"):
            self._matmul.use_threads()
            yield from reuse.read_all(layout)

    def _layout(self, prompt: Rendered) -> Layout:
        if self._reuse is None:
            return plain(prompt)
        return kept_apart(prompt, self._tokenizer, splices=self._splices)

    @contextmanager
    def _failing(self, doing: str) -> Iterator[None]:
        try:
            yield
        except RuntimeError as exc:  # torch's, out of memory among them
            raise EngineError(f"{self.model} failed while {doing}: {exc}; ask again") from exc

    @torch.inference_mode()
    def _answer(self, prompt: Rendered, options: Generation) -> Iterator[str | Reading | Usage]:
        layout = self._layout(prompt)
        kept = self._kept.take(layout, room=len(layout.tokens) + options.max_tokens)
        read, (logits, state) = yield from self._read(layout, kept)
        answerable = self.probe.log_odds(state.numpy()) if self.probe else None
        writing = Writing(self._tokenizer, options, answerable)
        written = Written(self._model, kept, self._costs)
        yield from writing.pieces(layout.tokens, logits[-1].numpy(), written)
        yield Usage(
            prompt_tokens=len(layout.tokens),
            answer_tokens=writing.count,
            cached_tokens=len(layout.tokens) - read,
            finish=writing.finish,
            answerable=answerable,
        )

    @torch.inference_mode()
    def look(self, prompt: Prompt) -> Generator[Reading, None, Looked]:
        """Read a prompt, and return the state of its last token after the layer that a probe looks at."""
        layout = self._layout(self._tokenizer.render(prompt))
        _, (_, state) = yield from self._read(layout, self._kept.take(layout, room=len(layout.tokens)))
        return Looked(layer=self._probed, state=state.numpy())

    def _read(
        self, layout: Layout, kept: Kept
    ) -> Generator[Reading, None, tuple[int, tuple[torch.Tensor, torch.Tensor]]]:
        """Read what is not held of a prompt, a chunk at a time.

        Return how much that was, the logits, and the last token's state after the probed layer.
        """
        self._matmul.use_threads()
        past, read, total = len(kept.held.tokens), 0, len(layout.tokens)
        if self._reuse and past < layout.apart:
            read = yield from self._reuse.bring(layout, kept.states, past)
            past = layout.apart
            kept.held.note(layout, past)
        for start in range(past, total, CHUNK):
            slots = range(start, min(start + CHUNK, total))
            seen: list[torch.Tensor] = []
            steps = self._seen(self._forward(layout, slots, kept.states, start), seen)
            logits = yield from self._told(steps, slots, total)
            kept.held.note(layout, slots.stop)
        return read + total - past, (logits, seen[0])

    def _read_row(self, layout: Layout, wanted: range, states: States, slot: int) -> Iterator[Reading]:
        """Read some of a layout's tokens into the states from a slot on."""
        for start in range(wanted.start, wanted.stop, CHUNK):
            chunk = range(start, min(start + CHUNK, wanted.stop))
            steps = self._forward(layout, chunk, states, slot + start - wanted.start)
            yield from self._told(steps, chunk, len(layout.tokens))

    def _forward(self, layout: Layout, chunk: range, states: States, slot: int) -> Iterator[torch.Tensor]:
        tokens, places = (each[chunk.start : chunk.stop] for each in (layout.tokens, layout.places))
        return self._model.forward(tokens, states, range(slot, slot + len(chunk)), places)

    @torch.inference_mode()
    def _score(self, layout: Layout, wanted: list[int]) -> Generator[Reading, None, float]:
        """Return the mean log-probability of `wanted` after a prompt, in one reading of both."""
        self._matmul.use_threads()
        tokens = [*layout.tokens, *wanted[:-1]]
        kept = self._kept.take(layout, room=len(tokens))
        whole = Layout(tokens=tokens, places=range(len(tokens)))
        chances: list[torch.Tensor] = []
        for start in range(len(kept.held.tokens), len(tokens), CHUNK):
            slots = range(start, min(start + CHUNK, len(tokens)))
            ahead = start - len(layout.tokens) + 1  # the first wanted token stands after the prompt's last
            followed = wanted[max(ahead, 0) : max(ahead + len(slots), 0)]
            if followed:
                chunk = tokens[start : slots.stop]
                steps = self._model.score(chunk, kept.states, slots, followed)
                chances.append((yield from self._told(steps, slots, len(tokens))))
            else:
                yield from self._told(self._forward(whole, slots, kept.states, start), slots, len(tokens))
            kept.held.note(whole, slots.stop)
        return float(torch.cat(chances).mean())

    def _seen(self, steps: Iterator[torch.Tensor], seen: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        for layer, step in enumerate(steps):
            if layer == self._probed:
                seen.append(step[-1].clone())
            yield step

    def _told(
        self, steps: Iterator[torch.Tensor], chunk: range, total: int
    ) -> Generator[Reading, None, torch.Tensor]:
        """Yield how far the reading of a chunk is, and return what comes of it."""
        for number, step in enumerate(steps, start=1):
            last = step
            done = chunk.start + len(chunk) * number // (len(self._model.layers) + 1)
            yield Reading(done=done, total=total)
        return last


def _may_unpack(size: int, unpacked: Unpacked) -> bool:
    return unpacked == "on" or (unpacked == "auto" and free_memory() >= SPARE * size + RESERVE)


class Written:
    """What follows a prompt in its states."""

    def __init__(self, model: Decoder, kept: Kept, costs: Costs) -> None:
        self.costs = costs
        self._model = model
        self._kept = kept

    def extend(self, tokens: Sequence[int]) -> Logits:
        held, count = self._kept.held, len(tokens)
        slot, place = len(held.tokens), held.places[-1] + 1
        slots, places = range(slot, slot + count), range(place, place + count)
        steps = self._model.forward(tokens, self._kept.states, slots, places, rows=count)
        rows: Logits = deque(steps, maxlen=1).pop().numpy()
        held.add(tokens)
        return rows

    def take_back(self, count: int) -> None:
        self._kept.held.take_back(count)
