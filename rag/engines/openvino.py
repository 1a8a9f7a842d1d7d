"""OpenVINO GenAI: a GGUF file as it is, or a folder in int4, with the keys and values of recent prompts kept.

GenAI keeps keys and values in blocks of 32 tokens and finds those of any beginning that was read before, so
another question about the same passages costs its own words alone. It cannot be stopped inside a prompt, so
the prompt goes to it in pieces: each is read, found again by the next, and between two there is a moment to
stop. The answer is written on a thread of its own; `step()`, which would need none, holds Python's lock
for a second at a time.

Prompt lookup guesses the next few words from where the last ones stand in the prompt, and keeps those that
the model would have written too. On passages copied out it is several times faster, and greedy text is the
same.

Keys and values are int8, the default of OpenVINO on a CPU. Through GenAI, the state of one passage cannot be
read once and put behind another: the blocks are its own, without a way in or out, and a passage is found
again only where all before it is the same too. A plain `InferRequest` over a converted folder does let its
state be read and set (`query_state()`, float32 at that door), but has neither blocks nor prompt lookup.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rag.datatypes import Finish, Generation, Prompt, Reading, Usage
from rag.engines.cores import usable_cores
from rag.engines.openvino_folder import check, context_of, located
from rag.engines.stopwords import StopWords
from rag.errors import EngineError, ModelError
from rag.tokenizer.chat import ChatTokenizer
from rag.weights.sources import TOKENIZER, GgufSource, tokenizer_files

if TYPE_CHECKING:
    from rag.config import Config

CONTEXT: Final = 8192  # tokens
CHUNK: Final = 64  # tokens read at a time: about a second of a 1.5B model on two cores
BLOCK: Final = 32  # tokens of a block of keys and values on a CPU
KEPT: Final = 4 * CONTEXT  # tokens whose keys and values there is room for: half a GB of a 1.5B model
SEEDS: Final = 2**32
# Tokens per second with and without guessing, the 1.5B model in int4 on two busy cores, medians of 3: a
# passage copied 7.2 | 2.9, a question answered by quoting it 8.3 | 2.6, a poem on something else 2.3 | 2.9.
GUESSED: Final = 5  # words at a time
ALIKE: Final = 3  # words, at most, that are looked up in the prompt to guess the next


class OpenvinoEngine:
    """Greedy or sampled continuation of prompts; GenAI keeps what it read of recent ones."""

    name = "openvino"
    judges = False

    def __init__(self, path: Path, *, model: str, threads: int = 0, lookup: bool = True) -> None:
        """Load a GGUF file or a folder; `threads` 0 means one per usable core.

        Raises:
            ModelError: when it is missing, damaged, no chat model, or of a kind that GenAI does not read.
        """
        self.model = model
        self._tokenizer, room = load_tokenizer(path)
        self.context = min(CONTEXT, room or CONTEXT)
        self._runtime = _Runtime(
            path, ends=self._tokenizer.ends, threads=threads or usable_cores(), lookup=lookup
        )
        self._recent: list[list[int]] = []

    @classmethod
    def open(cls, config: Config) -> OpenvinoEngine:
        """Open the conversion of `config.model`, else its GGUF file; raises ModelError without either."""
        return cls(located(config.model, config), model=config.model, threads=config.threads)

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self._tokenizer.render(prompt).tokens)

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        tokens = self._tokenizer.render(prompt).tokens
        if len(tokens) + options.max_tokens > self.context:
            raise EngineError(
                f"the prompt takes {len(tokens)} tokens and the answer up to {options.max_tokens}, but "
                f"{self.model} has room for {self.context}; give fewer passages or lower max_tokens"
            )
        with self._failing():
            yield from self._answer(tokens, options)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, MemoryError) as exc:  # GenAI's own, and out of memory
            raise EngineError(f"{self.model} failed while answering: {exc}; ask again") from exc

    def _answer(self, tokens: list[int], options: Generation) -> Iterator[str | Reading | Usage]:
        cached = self._known(tokens)
        for done in range(cached + CHUNK, len(tokens), CHUNK):
            self._runtime.read(tokens[:done])
            self._remember(tokens[:done])
            yield Reading(done=done, total=len(tokens))
        count, finish = yield from self._written(tokens, options)
        yield Usage(prompt_tokens=len(tokens), answer_tokens=count, cached_tokens=cached, finish=finish)

    def _written(
        self, tokens: list[int], options: Generation
    ) -> Generator[str | Reading, None, tuple[int, Finish]]:
        """Read the rest of the prompt and yield the answer; return its tokens and why it ended."""
        text, stop = self._tokenizer.decoder(), StopWords(options.stop)
        answer: list[int] = []
        finish: Finish = "length"
        with closing(self._runtime.write(tokens, options)) as written:
            for token in written:
                if not answer:
                    self._remember(tokens)
                    yield Reading(done=len(tokens), total=len(tokens))
                answer.append(token)
                if token in self._tokenizer.ends:
                    finish = "stop"
                    break
                if piece := stop.feed(text.feed(token)):
                    yield piece
                if stop.found:
                    finish = "stop"
                    break
        self._remember([*tokens, *answer[:-1]])  # of its last token nothing was computed yet
        if rest := stop.rest():
            yield rest
        return len(answer), finish

    def _known(self, tokens: Sequence[int]) -> int:
        """Return how many tokens GenAI finds again, in whole blocks: it does not tell, so this is counted."""
        shared = max((_shared(recent, tokens) for recent in self._recent), default=0)
        return min(shared, len(tokens) - 1) // BLOCK * BLOCK

    def _remember(self, tokens: list[int]) -> None:
        """Note what was read; half of GenAI's room is counted on, so that all of it is surely there."""
        self._recent = [each for each in self._recent if _shared(each, tokens) < len(each)]
        self._recent.append(tokens)
        while (
            len(self._recent) > 1 and sum(-(-len(each) // BLOCK) * BLOCK for each in self._recent) > KEPT // 2
        ):
            del self._recent[0]


class _Runtime:
    """GenAI's pipeline, given tokens and giving tokens."""

    def __init__(self, path: Path, *, ends: frozenset[int], threads: int, lookup: bool) -> None:
        import openvino_genai

        self._ends = ends
        self._genai = openvino_genai
        self._lookup = lookup
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = True
        scheduler.num_kv_blocks = KEPT // BLOCK
        settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads}
        if lookup:
            settings["prompt_lookup"] = True
        try:
            self._pipeline = openvino_genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", settings)
            self.read([0])  # the first time, weights are brought into the order that they are used in
        except (RuntimeError, MemoryError) as exc:
            raise ModelError(
                f"{path} cannot be loaded by OpenVINO: {exc}; fetch or convert it again, or free some memory"
            ) from exc

    def read(self, tokens: Sequence[int]) -> None:
        """Read so many tokens, so that they are found again."""
        self._pipeline.generate([as_tensor(tokens)], [self._greedy(1)])

    def write(self, tokens: Sequence[int], options: Generation) -> Generator[int, None, None]:
        """Yield the tokens that follow, as they come; closed, it stops before the next one."""
        settings = self._greedy(options.max_tokens)
        if options.temperature > 0:
            self._draw_by(settings, options)
        return spoken(lambda streamer: self._pipeline.generate([as_tensor(tokens)], [settings], streamer))

    def _draw_by(self, settings: Any, options: Generation) -> None:
        """Let words be drawn; GenAI starts anew with a seed only where the last one was another."""
        settings.do_sample, settings.temperature = True, options.temperature
        settings.rng_seed = options.seed % SEEDS
        other = self._greedy(1)
        other.rng_seed = (options.seed + 1) % SEEDS
        self._pipeline.generate([as_tensor([0])], [other])

    def _greedy(self, count: int) -> Any:
        settings = self._genai.GenerationConfig()
        settings.max_new_tokens = count
        settings.do_sample = False
        settings.eos_token_id, settings.stop_token_ids = min(self._ends), set(self._ends)
        if self._lookup:
            settings.num_assistant_tokens, settings.max_ngram_size = GUESSED, ALIKE
        return settings


def spoken(generate: Callable[[Any], object]) -> Generator[int, None, None]:
    """Yield the tokens that `generate` gives its streamer, on a thread that ends with the iterator.

    Raises:
        RuntimeError: GenAI's own, when it fails.
    """
    said: SimpleQueue[int | BaseException | None] = SimpleQueue()
    stopped = Event()
    streamer = _streamer(said.put, stopped)

    def run() -> None:
        try:
            generate(streamer)
        except BaseException as exc:  # noqa: BLE001 - it is raised where the tokens are waited for
            said.put(exc)
        said.put(None)

    thread = Thread(target=run, name="openvino", daemon=True)
    thread.start()
    try:
        while (token := said.get()) is not None:
            if isinstance(token, BaseException):
                raise token
            yield token
    finally:
        stopped.set()
        thread.join()


def _streamer(put: Callable[[int], None], stopped: Event) -> Any:
    import openvino_genai

    class Streamer(openvino_genai.StreamerBase):  # type: ignore[misc]  # untyped
        def write(self, token: int | list[int]) -> Any:
            for each in token if isinstance(token, list) else [token]:
                put(each)
            status = openvino_genai.StreamingStatus
            return status.CANCEL if stopped.is_set() else status.RUNNING

        def end(self) -> None:
            pass

    return Streamer()


def load_tokenizer(path: Path) -> tuple[ChatTokenizer, int]:
    """Return the tokenizer of a GGUF file or a folder, and the tokens its model has room for; 0: untold.

    Raises:
        ModelError: when it is missing, damaged or not of a chat model.
    """
    if path.is_dir():
        check(path)
        return ChatTokenizer(path / TOKENIZER), context_of(path)
    source = GgufSource(path)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in tokenizer_files(source).items():
            (Path(folder) / name).write_bytes(content)
        return ChatTokenizer(Path(folder) / TOKENIZER), int(source.config["max_position_embeddings"])


def as_tensor(tokens: Sequence[int]) -> Any:
    import openvino

    return openvino.Tensor(np.array([tokens], np.int64))


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))
