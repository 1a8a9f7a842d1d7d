"""Transformers' Qwen2 over ipex-llm's layers as they ship, filled from one of our conversions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from ipex_llm.transformers.low_bit_linear import FP4Params, LowBitLinear
from transformers import Qwen2Config, Qwen2ForCausalLM

from rag.engines.low_bit.conversion import read_manifest
from rag.engines.low_bit.decoder import load_tensors
from rag.engines.low_bit.kernels import BASELINE, QTYPES, Kernels
from rag.engines.low_bit.packing import WIDE
from rag.errors import ModelError
from rag.weights.architectures import NORMS, QWEN2, STACKS


def stock_model(folder: Path) -> Any:
    """Return a Qwen2ForCausalLM of ipex-llm's LowBitLinear layers and float embeddings.

    Raises:
        ModelError: when `folder` holds no whole conversion, or one of another family.
    """
    manifest = read_manifest(folder)
    kind = manifest.config.get("model_type", QWEN2.kind)
    if kind != QWEN2.kind:
        raise ModelError(
            f"{folder} holds a model of type {kind!r}; ipex-llm as it ships is timed with qwen2 only"
        )
    make_config: Any = Qwen2Config
    make_model: Any = Qwen2ForCausalLM
    config = make_config(**{**manifest.config, "tie_word_embeddings": False})
    with torch.device("meta"):
        model = make_model(config)
    for number in range(config.num_hidden_layers):
        tensors = load_tensors(folder / f"layer-{number:03}.safetensors")
        _fill(model.model.layers[number], tensors, manifest.low_bit)
    head = load_tensors(folder / "head.safetensors")
    model.lm_head = _linear(head.get("lm_head", head["embed"]), WIDE, None)
    dense = torch.empty(config.vocab_size, config.hidden_size)
    model.model.embed_tokens.weight = _frozen(Kernels(BASELINE).dequantise(head["embed"], WIDE, dense))
    model.model.norm.weight = _frozen(head["norm"])
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its frequencies were on meta too
    return model.eval()


def _fill(layer: Any, tensors: dict[str, torch.Tensor], low_bit: str) -> None:
    for name, data, bias in _unstacked(layer, tensors):
        layer.set_submodule(name, _linear(data, low_bit, bias))
    for ours, theirs in NORMS.items():
        layer.get_submodule(theirs).weight = _frozen(tensors[ours])


def _unstacked(
    layer: Any, tensors: dict[str, torch.Tensor]
) -> Iterator[tuple[str, torch.Tensor, torch.Tensor | None]]:
    """Yield (name, packed weight, bias) of each projection."""
    for stack, names in STACKS.items():
        sizes = [layer.get_submodule(name).out_features for name in names]
        parts = torch.split(tensors[stack], sizes)
        biases = torch.split(tensors["qkv_bias"], sizes) if stack == "qkv" else [None] * len(names)
        yield from zip(names, parts, biases, strict=True)


def _linear(data: torch.Tensor, low_bit: str, bias: torch.Tensor | None) -> torch.nn.Module:
    qtype = QTYPES[low_bit]
    shape = (data.shape[0], Kernels(BASELINE).columns(data.shape[1], low_bit))
    with torch.device("meta"):
        linear = LowBitLinear(shape[1], shape[0], qtype, bias=bias is not None)
    linear.weight = FP4Params(data.flatten(), requires_grad=False, quantized=True, _shape=shape, qtype=qtype)
    if bias is not None:
        linear.bias = _frozen(bias)
    module: torch.nn.Module = linear
    return module


def _frozen(tensor: torch.Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(tensor, requires_grad=False)
