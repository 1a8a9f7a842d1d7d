"""What `rag benchmark` times, each in a process of its own: our engine, ipex-llm as shipped, llama.cpp."""

from __future__ import annotations

import importlib.util
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rag.config import Config
from rag.datatypes import Generation, Prompt
from rag.engines.lowbit import STACKS, TOKENIZER, WIDE, read_manifest
from rag.errors import MissingExtraError, ModelError
from rag.models import find_model, lowbit_folder

if TYPE_CHECKING:
    import torch

Speak: TypeAlias = Callable[[Prompt, int], Iterator[object]]  # yields once for each token, as it comes
KILOBYTES: Final = 1000  # of a megabyte; ru_maxrss is in kilobytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One answer: seconds to its first token, tokens per second after it, seconds in all."""

    first_token: float
    decode_tps: float
    total: float
    answer_tokens: int
    rss_mb: float  # most memory the process has held so far


def serve(engine: str, settings: dict[str, Any], pipe: Connection) -> None:
    """Open `engine` and answer the prompts that come through `pipe`; the first message is "" or an error."""
    try:
        speak = RUNNERS[engine](Config(**settings))
    except Exception as exc:  # noqa: BLE001 - whatever a vendor raises becomes the reason in the table
        pipe.send(f"{exc}")
        return
    pipe.send("")
    while task := pipe.recv():
        prompt, tokens = task
        pipe.send(_time(speak(prompt, tokens)))


def _time(tokens: Iterator[object]) -> Timing:
    start = time.perf_counter()
    moments = [time.perf_counter() for _ in tokens]
    first, last = moments[0] - start, moments[-1] - start
    return Timing(
        first_token=first,
        decode_tps=(len(moments) - 1) / (last - first) if len(moments) > 1 else 0.0,
        total=last,
        answer_tokens=len(moments),
        rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES,
    )


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

    from rag.engines.chatml import ChatTokenizer

    torch.set_num_threads(threads_of(config))
    folder = lowbit_folder(config.model, config)
    tokenizer, model = ChatTokenizer(folder / TOKENIZER), _stock_model(folder)

    def speak(prompt: Prompt, tokens: int) -> Iterator[object]:
        ids, past = torch.tensor([tokenizer.render(prompt)]), None
        for _ in range(tokens):
            with torch.inference_mode():
                output = model(input_ids=ids, past_key_values=past, use_cache=True)
            ids, past = output.logits[:, -1:].argmax(-1), output.past_key_values
            yield int(ids)

    return speak


def _stock_model(folder: Path) -> Any:
    import torch
    from ipex_llm.transformers.low_bit_linear import FP4Params, LowBitLinear
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from rag.engines.kernels import BASELINE, QTYPES, Kernels
    from rag.engines.qwen2 import load_tensors

    manifest = read_manifest(folder)
    config: Any = Qwen2Config(**{**manifest.config, "tie_word_embeddings": False})  # type: ignore[no-untyped-call]  # untyped there
    with torch.device("meta"):
        model: Any = Qwen2ForCausalLM(config)  # type: ignore[no-untyped-call]  # untyped there
    kernels = Kernels(BASELINE)

    def replace(name: str, data: torch.Tensor, low_bit: str, bias: torch.Tensor | None) -> None:
        shape = (data.shape[0], kernels.columns(data.shape[1], low_bit))
        with torch.device("meta"):
            linear = LowBitLinear(shape[1], shape[0], QTYPES[low_bit], bias=bias is not None)
        linear.weight = FP4Params(
            data.flatten(), requires_grad=False, quantized=True, _shape=shape, qtype=QTYPES[low_bit]
        )
        if bias is not None:
            linear.bias = torch.nn.Parameter(bias, requires_grad=False)
        model.set_submodule(name, linear)

    for number in range(config.num_hidden_layers):
        tensors = load_tensors(folder / f"layer-{number:03}.safetensors")
        layer = model.model.layers[number]
        for stack, names in STACKS.items():
            sizes = [layer.get_submodule(name).out_features for name in names]
            biases = torch.split(tensors["qkv_bias"], sizes) if stack == "qkv" else [None] * len(names)
            parts = zip(names, torch.split(tensors[stack], sizes), biases, strict=True)
            for name, data, bias in parts:
                replace(f"model.layers.{number}.{name}", data.clone(), manifest.low_bit, bias)
        layer.input_layernorm.weight = torch.nn.Parameter(tensors["input_norm"])
        layer.post_attention_layernorm.weight = torch.nn.Parameter(tensors["post_norm"])
    head = load_tensors(folder / "head.safetensors")
    replace("lm_head", head.get("lm_head", head["embed"]), WIDE, None)
    dense = torch.empty(config.vocab_size, config.hidden_size)
    model.model.embed_tokens.weight = torch.nn.Parameter(kernels.dequantise(head["embed"], WIDE, dense))
    model.model.norm.weight = torch.nn.Parameter(head["norm"])
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its frequencies were on meta too
    return model.eval()


def threads_of(config: Config) -> int:
    from rag.engines.tuning import physical_cores

    return config.threads or physical_cores()


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


RUNNERS: Final[dict[str, Callable[[Config], Speak]]] = {
    "ipex": _ours,
    "ipex-stock": _stock,
    "llamacpp-plain": _llamacpp,
}
