"""ipex-llm: a Qwen2 model in low-bit weights on the CPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import torch

from rag.datatypes import Generation, Prompt, Reading, Usage
from rag.engines.chatml import ChatTokenizer
from rag.engines.cores import usable_cores
from rag.engines.kept import KeptStates
from rag.engines.lowbit import TOKENIZER, read_manifest
from rag.engines.qwen2 import Qwen2, States
from rag.engines.stopwords import StopWords
from rag.engines.tuning import tuned_matmul
from rag.errors import EngineError

if TYPE_CHECKING:
    from rag.config import Config

CONTEXT: Final = 8192  # tokens: states of a 1.5B model take 57 kB each
SPEEDS: Final = "speeds.json"  # what was measured on this machine
CHUNK: Final = 1024  # tokens read at a time, to bound the memory of a layer


class IpexEngine:
    """Greedy or sampled continuation of ChatML prompts; keeps the states of recent prompts."""

    name = "ipex"

    def __init__(self, folder: Path, *, model: str, threads: int = 0) -> None:
        """Map the conversion in `folder`; `threads` 0 means one per usable core.

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
        self._model = Qwen2(folder, manifest, self._matmul)
        self._kept = KeptStates(self._model, self.context)

    @classmethod
    def open(cls, config: Config) -> IpexEngine:
        """Open the conversion of `config.model`; raises ModelError when there is none."""
        from rag.models import lowbit_folder

        return cls(lowbit_folder(config.model, config), model=config.model, threads=config.threads)

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self._tokenizer.render(prompt))

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        tokens = self._tokenizer.render(prompt)
        total = len(tokens) + options.max_tokens
        if total > self.context:
            raise EngineError(
                f"the prompt takes {len(tokens)} tokens and the answer up to {options.max_tokens}, but "
                f"{self.model} has room for {self.context}; give fewer passages or lower max_tokens"
            )
        try:
            yield from self._answer(tokens, options)
        except RuntimeError as exc:  # torch's, out of memory among them
            raise EngineError(f"{self.model} failed while answering: {exc}; ask again") from exc

    @torch.inference_mode()
    def _answer(self, tokens: list[int], options: Generation) -> Iterator[str | Reading | Usage]:
        self._matmul.use_threads()
        states, past = self._kept.take(tokens, room=len(tokens) + options.max_tokens)
        logits = yield from self._read(tokens, states, past)
        text, stop = self._tokenizer.decoder(), StopWords(options.stop)
        generator = torch.Generator().manual_seed(options.seed)
        answer: list[int] = []
        finish: Literal["stop", "length"] = "length"
        while len(answer) < options.max_tokens:
            token = _choose(logits, options.temperature, generator)
            answer.append(token)
            if token in self._tokenizer.ends:
                finish = "stop"
                break
            if piece := stop.feed(text.feed(token)):
                yield piece
            if stop.found:
                finish = "stop"
                break
            logits = self._step(token, states, len(tokens) + len(answer) - 1)
            self._kept.keep([*tokens, *answer], states)
        if rest := stop.rest():
            yield rest
        yield Usage(prompt_tokens=len(tokens), answer_tokens=len(answer), cached_tokens=past, finish=finish)

    def _read(self, tokens: list[int], states: States, past: int) -> Generator[Reading, None, torch.Tensor]:
        """Read the prompt after `past` tokens, a chunk at a time; return the logits."""
        for start in range(past, len(tokens), CHUNK):
            chunk = tokens[start : start + CHUNK]
            for number, step in enumerate(self._model.forward(chunk, states, start), start=1):
                logits = step
                done = len(chunk) * number // (len(self._model.layers) + 1)
                yield Reading(done=start + done, total=len(tokens))
            self._kept.keep(tokens[: start + len(chunk)], states)
        return logits

    def _step(self, token: int, states: States, past: int) -> torch.Tensor:
        return deque(self._model.forward([token], states, past), maxlen=1).pop()


def _choose(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    chances = torch.softmax(logits / temperature, dim=-1)
    return int(torch.multinomial(chances, 1, generator=generator))
