"""What `rag benchmark` times, each in a process of its own: our engines, and their rivals as they come."""

from __future__ import annotations

import importlib.util
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, TypeAlias

import psutil

from rag.config import Config
from rag.datatypes import Generation, Message, Prompt, Reading, Usage
from rag.engines import EXTRAS, keeps, open_engine
from rag.errors import EngineError, MissingExtraError, ModelError
from rag.models import find_model, lowbit_folder
from rag.weights.sources import TOKENIZER

# Yields once for each token, as it comes, or anything at all and last a Usage, which counts them.
Speak: TypeAlias = Callable[[Prompt, int], Iterator[object]]
KEEPS_NOTHING: Final = "it keeps nothing of what it reads"
BETWEEN: Final = Prompt(messages=(Message(role="user", parts=("Count from one to three.",)),))
CONTEXT: Final = 4608  # tokens of a rival: the longest prompt and its answer
STATUS: Final = Path("/proc/self/status")  # of Linux
PEAK: Final = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One answer: seconds to its first token, tokens per second after it, seconds in all."""

    first_token: float
    decode_tps: float
    total: float
    answer_tokens: int
    rss_mb: float  # most memory the process has held so far
    cached_tokens: int = 0  # of the prompt, not read again
    kept: bool = False  # its passages had been read before
    judges: bool = False  # the engine tells whether passages hold the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A prompt to answer; an engine that keeps what it reads has read the passages `alone` before."""

    prompt: Prompt
    answer_tokens: int
    alone: tuple[Prompt, ...] = ()
    keepers_only: bool = False  # any other engine need not answer


def serve(engine: str, settings: dict[str, Any], pipe: Connection) -> None:
    """Open `engine` and answer the prompts that come through `pipe`; the first message is "" or an error.

    Each prompt is answered by a Timing, or by the reason why there is none.
    """
    try:
        speak = open_runner(engine, Config(**settings))
    except Exception as exc:  # noqa: BLE001 - whatever a vendor raises becomes the reason in the table
        pipe.send(_reason(exc))
        return
    pipe.send("")
    with suppress(EOFError):  # nobody asks any more
        while True:
            pipe.send(_timing(speak, pipe.recv()))


def open_runner(engine: str, config: Config) -> Speak:
    """Open a rival, or one of our engines, by name; raises whatever it does."""
    if engine in RUNNERS:
        return RUNNERS[engine](config)
    return Ours(config.model_copy(update={"engine": engine}))


def _timing(speak: Speak, task: Task) -> Timing | str:
    try:
        kept = isinstance(speak, Ours) and speak.read(task.alone)
        if task.keepers_only and not kept:
            return KEEPS_NOTHING
        return _time(speak(task.prompt, task.answer_tokens), kept=kept)
    except Exception as exc:  # noqa: BLE001 - as above
        return _reason(exc)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _time(events: Iterator[object], *, kept: bool) -> Timing:
    start = time.perf_counter()
    moments, usage, ended = [], None, start
    for event in events:
        if isinstance(event, Usage):
            usage, ended = event, time.perf_counter()
        else:
            moments.append(time.perf_counter())
    if not moments:
        raise EngineError("it answered nothing")
    has_end = usage is not None and usage.finish == "stop"  # a token without text, which counts
    first, last = moments[0] - start, (ended if has_end else moments[-1]) - start
    count = usage.answer_tokens if usage else len(moments)
    return Timing(
        first_token=first,
        decode_tps=(count - 1) / (last - first) if last > first else 0.0,
        total=last,
        answer_tokens=count,
        rss_mb=peak_mb(),
        cached_tokens=usage.cached_tokens if usage else 0,
        kept=kept,
        judges=usage is not None and usage.answerable is not None,
    )


def peak_mb() -> float:
    """Return the most memory of this process, or where no file tells, what it has now.

    getrusage would count what its parent held when it forked.
    """
    try:
        found = PEAK.search(STATUS.read_text(encoding="ascii"))
    except OSError:
        found = None
    return int(found[1]) / 1000 if found else psutil.Process().memory_info().rss / 1e6


class Ours:
    """One of our engines, whichever the settings name."""

    def __init__(self, config: Config) -> None:
        self._engine = open_engine(config)

    def __call__(self, prompt: Prompt, tokens: int) -> Iterator[object]:
        events = self._engine.stream(prompt, Generation(max_tokens=tokens))
        return (event for event in events if not isinstance(event, Reading))

    def read(self, alone: Sequence[Prompt]) -> bool:
        """Read passages each by itself, where the engine keeps them, and tell whether it does.

        The last comes first, and something else is asked at the end, so that what is kept of the passages is
        all that helps with the question.

        Raises:
            EngineError: when there is no room for them.
        """
        if not alone or not keeps(self._engine):
            return False
        if not all([_returned(self._engine.read(prompt)) for prompt in reversed(alone)]):  # noqa: C419 - all
            raise EngineError("there is no room to keep what it reads; raise reuse_gb or free some disk")
        deque(self(BETWEEN, 1), maxlen=0)
        return True


def _returned(steps: Iterator[Reading]) -> bool:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return bool(end.value)


def _stock(config: Config) -> Speak:
    """Run transformers' model over ipex-llm's own layers: its kernel, its threshold, all logits."""
    import torch

    from rag.benchmark.stock import stock_model
    from rag.tokenizer.chat import ChatTokenizer

    torch.set_num_threads(threads_of(config))
    folder = lowbit_folder(config.model, config)
    tokenizer, model = ChatTokenizer(folder / TOKENIZER), stock_model(folder)

    def speak(prompt: Prompt, tokens: int) -> Iterator[object]:
        ids, past = torch.tensor([tokenizer.render(prompt).tokens]), None
        for _ in range(tokens):
            with torch.inference_mode():
                output = model(input_ids=ids, past_key_values=past, use_cache=True)
            ids, past = output.logits[:, -1:].argmax(-1), output.past_key_values
            yield int(ids)

    return speak


def threads_of(config: Config) -> int:
    from rag.engines.cores import usable_cores

    return config.threads or usable_cores()


def _llamacpp(config: Config) -> Speak:
    if importlib.util.find_spec("llama_cpp") is None:
        raise MissingExtraError(f"llama.cpp is not installed: {EXTRAS['llamacpp']}")
    import llama_cpp

    path = find_model(config.model, config)
    if path is None or path.is_dir():
        raise ModelError(f"{config.model} is not here as a GGUF file, which llama.cpp reads")
    count = threads_of(config)
    llama = llama_cpp.Llama(str(path), n_ctx=CONTEXT, n_threads=count, n_threads_batch=count, verbose=False)

    def speak(prompt: Prompt, tokens: int) -> Iterator[object]:
        messages = [{"role": message.role, "content": message.text} for message in prompt.messages]
        chunks = llama.create_chat_completion(messages, stream=True, max_tokens=tokens, temperature=0.0)
        return (chunk for chunk in chunks if "content" in chunk["choices"][0]["delta"])

    return speak


def _openvino(config: Config) -> Speak:
    """Run GenAI's LLMPipeline as its own README does, with no settings but where the answer ends."""
    if importlib.util.find_spec("openvino_genai") is None:
        raise MissingExtraError(f"OpenVINO GenAI is not installed: {EXTRAS['openvino']}")
    import openvino_genai

    from rag.engines.openvino import as_tensor, load_tokenizer, spoken
    from rag.engines.openvino_folder import located

    path = located(config.model, config)
    tokenizer, _ = load_tokenizer(path)
    pipeline = openvino_genai.LLMPipeline(str(path), "CPU")

    def speak(prompt: Prompt, tokens: int) -> Iterator[object]:
        settings = openvino_genai.GenerationConfig()
        settings.max_new_tokens = tokens
        settings.eos_token_id, settings.stop_token_ids = min(tokenizer.ends), set(tokenizer.ends)
        ids = as_tensor(tokenizer.render(prompt).tokens)
        return spoken(lambda streamer: pipeline.generate(ids, settings, streamer))

    return speak


# The rivals. What is not among them is one of our engines.
RUNNERS: Final[dict[str, Callable[[Config], Speak]]] = {
    "ipex-stock": _stock,
    "llamacpp-plain": _llamacpp,
    "openvino-plain": _openvino,
}
