"""What `rag benchmark` times, each in a process of its own: our engine and its rivals."""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, TypeAlias

from rag.config import Config
from rag.datatypes import Generation, Prompt
from rag.engines.lowbit import TOKENIZER
from rag.errors import EngineError, MissingExtraError, ModelError
from rag.models import find_model, lowbit_folder

Speak: TypeAlias = Callable[[Prompt, int], Iterator[object]]  # yields once for each token, as it comes
PEAK: Final = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One answer: seconds to its first token, tokens per second after it, seconds in all."""

    first_token: float
    decode_tps: float
    total: float
    answer_tokens: int
    rss_mb: float  # most memory the process has held so far


def serve(engine: str, settings: dict[str, Any], pipe: Connection) -> None:
    """Open `engine` and answer the prompts that come through `pipe`; the first message is "" or an error.

    Each prompt is answered by a Timing, or by the reason why there is none.
    """
    try:
        speak = RUNNERS[engine](Config(**settings))
    except Exception as exc:  # noqa: BLE001 - whatever a vendor raises becomes the reason in the table
        pipe.send(_reason(exc))
        return
    pipe.send("")
    with suppress(EOFError):  # nobody asks any more
        while True:
            pipe.send(_timing(speak, *pipe.recv()))


def _timing(speak: Speak, prompt: Prompt, tokens: int) -> Timing | str:
    try:
        return _time(speak(prompt, tokens))
    except Exception as exc:  # noqa: BLE001 - as above
        return _reason(exc)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _time(tokens: Iterator[object]) -> Timing:
    start = time.perf_counter()
    moments = [time.perf_counter() for _ in tokens]
    if not moments:
        raise EngineError("it answered nothing")
    first, last = moments[0] - start, moments[-1] - start
    return Timing(
        first_token=first,
        decode_tps=(len(moments) - 1) / (last - first) if len(moments) > 1 else 0.0,
        total=last,
        answer_tokens=len(moments),
        rss_mb=_peak_mb(),
    )


def _peak_mb() -> float:
    """Return the most memory of this process; getrusage would count what its parent held when it forked."""
    found = PEAK.search(Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1000 if found else 0.0


def _ours(config: Config) -> Speak:
    from rag.engines.ipex import IpexEngine

    engine = IpexEngine.open(config)

    def speak(prompt: Prompt, tokens: int) -> Iterator[object]:
        events = engine.stream(prompt, Generation(max_tokens=tokens))
        return (event for event in events if isinstance(event, str))

    return speak


def _stock(config: Config) -> Speak:
    """Run transformers' model over ipex-llm's own layers: its kernel, its threshold, all logits."""
    import torch

    from rag.benchmark.stock import stock_model
    from rag.engines.chatml import ChatTokenizer

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
        raise MissingExtraError("llama.cpp is not installed: pip install -e '.[llamacpp]'")
    import llama_cpp

    path = find_model(config.model, config)
    if path is None or path.is_dir():
        raise ModelError(f"{config.model} is not here as a GGUF file, which llama.cpp reads")
    count = threads_of(config)
    llama = llama_cpp.Llama(str(path), n_ctx=4096, n_threads=count, n_threads_batch=count, verbose=False)

    def speak(prompt: Prompt, tokens: int) -> Iterator[object]:
        messages = [{"role": message.role, "content": message.text} for message in prompt.messages]
        chunks = llama.create_chat_completion(messages, stream=True, max_tokens=tokens, temperature=0.0)
        return (chunk for chunk in chunks if "content" in chunk["choices"][0]["delta"])

    return speak


def _openvino(config: Config) -> Speak:
    """Run GenAI's LLMPipeline as its own README does, with no settings but where the answer ends."""
    if importlib.util.find_spec("openvino_genai") is None:
        raise MissingExtraError("OpenVINO GenAI is not installed: .venv/bin/pip install -e '.[openvino]'")
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


RUNNERS: Final[dict[str, Callable[[Config], Speak]]] = {
    "ipex": _ours,
    "ipex-stock": _stock,
    "llamacpp-plain": _llamacpp,
    "openvino-plain": _openvino,
}
