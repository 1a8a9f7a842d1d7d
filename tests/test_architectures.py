"""Each family against transformers' own model of it, from each form of its checkpoints."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from rag.engines.decoder import Decoder, States
from rag.engines.kernels import Kernels, usable_variants
from rag.engines.lowbit import convert, read_manifest
from rag.engines.matmul import Matmul
from tests import tiny_models as tiny

TOKENS = list(range(40, 240))  # far enough that slow rotations matter
HEADS = {"q_proj": 4, "k_proj": 2}
LINEAR = {"type": "linear", "factor": 4.0}
WIDE_HEADS = {"head_dim": 64}
Write = Callable[[Path, Any], Path]


def folder_of(config: Mapping[str, Any], arrange: Callable[[Any], tiny.Weights] = tiny.own_weights) -> Write:
    return lambda path, model: tiny.write_folder(path / "source", config, arrange(model))


def gguf_of(
    architecture: str,
    arrange: Callable[[Any], tiny.Weights] = tiny.own_weights,
    more: Callable[[Any], None] = lambda _writer: None,
    config: Mapping[str, Any] = tiny.LLAMA,
) -> Write:
    return lambda path, model: tiny.write_gguf(
        path / "tiny.gguf", architecture, arrange(model), config=config, more=more
    )


def as_llama_cpp(model: Any) -> tiny.Weights:
    heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
    return tiny.regrouped(tiny.own_weights(model), heads)


def with_factors(model: Any) -> tiny.Weights:
    """Return Llama 3.1's weights as llama.cpp's converter writes them: its scaling is a tensor of factors."""
    usual = 10000.0 ** (-torch.arange(0, 32, 2) / 32)
    return {**as_llama_cpp(model), "rope_freqs.weight": usual / model.model.rotary_emb.inv_freq}


def stretched(writer: Any) -> None:
    import gguf

    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(4.0)


MHA = {**tiny.LLAMA, "num_key_value_heads": 4}
LLAMA3 = {**tiny.LLAMA, "rope_scaling": tiny.LLAMA3_ROPE}
TIED = {**tiny.LLAMA, "tie_word_embeddings": True, "rope_scaling": LINEAR}
WIDE = {**tiny.LLAMA, **WIDE_HEADS}
OLD = {key: value for key, value in MHA.items() if key not in {"rope_theta", "num_key_value_heads"}}
UNBIASED = {**tiny.GLM, "attention_bias": False}
CASES: dict[str, tuple[dict[str, Any], bool, Write]] = {
    # name: transformers' model, whether its head is normalised, our source
    "llama": (tiny.LLAMA, False, folder_of(tiny.LLAMA)),
    "llama, old config": (MHA, False, folder_of(OLD)),
    "llama 3.1": (LLAMA3, False, folder_of(LLAMA3)),
    "llama, tied and stretched": (TIED, False, folder_of(TIED)),
    "llama, wide heads": (WIDE, False, folder_of(WIDE)),
    "llama gguf": (tiny.LLAMA, False, gguf_of("llama", as_llama_cpp)),
    "llama 3.1 gguf": (LLAMA3, False, gguf_of("llama", with_factors)),
    "llama, tied and stretched gguf": (TIED, False, gguf_of("llama", as_llama_cpp, stretched)),
    "glm": (tiny.GLM, False, folder_of(tiny.GLM)),
    "glm gguf": (tiny.GLM, False, gguf_of("chatglm", config=tiny.GLM)),
    "glm without biases": (UNBIASED, False, folder_of(UNBIASED)),
    "glm4": (tiny.GLM4, False, folder_of(tiny.GLM4)),
    "glm4 gguf": (tiny.GLM4, False, gguf_of("glm4", config=tiny.GLM4)),
    "chatglm3": (tiny.GLM, False, folder_of(tiny.CHATGLM, tiny.chatglm_weights)),
    "chatglm3 gguf": (tiny.GLM, False, gguf_of("chatglm", tiny.chatglm_weights, config=tiny.GLM)),
    "baichuan2": (MHA, True, folder_of(tiny.BAICHUAN, tiny.baichuan_weights)),
    "baichuan2 gguf": (MHA, True, gguf_of("baichuan", as_llama_cpp, config=MHA)),
}


def converted(source: Path, target: Path) -> Decoder:
    convert(source, target, "sym_int8", lambda _: None)
    return Decoder(target, read_manifest(target), Matmul(Kernels(usable_variants()[0]), 2, ((1, "float32"),)))


def logits(model: Decoder, tokens: list[int], states: States, past: int = 0) -> torch.Tensor:
    with torch.inference_mode():
        return deque(model.forward(tokens, states, range(past, past + len(tokens))), maxlen=1).pop()


@pytest.mark.parametrize("case", CASES)
def test_logits_equal_those_of_transformers(case: str, tmp_path: Path) -> None:
    config, has_normalised_head, write = CASES[case]
    ours = converted(write(tmp_path, tiny.random_model(**config)), tmp_path / "out")
    theirs = tiny.in_eight_bits(tiny.random_model(**config), has_normalised_head=has_normalised_head)
    with torch.inference_mode():
        want = theirs(torch.tensor([TOKENS])).logits[0, -1]
    states = States(ours, 256)
    logits(ours, TOKENS[:150], states)
    torch.testing.assert_close(logits(ours, TOKENS[150:], states, 150), want, rtol=1e-4, atol=1e-3)
