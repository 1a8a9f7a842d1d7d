"""What a checkpoint says of its model, from config.json or a GGUF's metadata, under the same names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from rag.engines.architectures import (
    BAICHUAN,
    CHATGLM,
    GLM,
    GLM4,
    LLAMA,
    PLAIN_HEAD,
    QWEN2,
    THETA,
    Architecture,
    find_architecture,
    known_names,
)
from rag.engines.gguf_file import GgufFile
from rag.errors import ModelError

UNSCALED: Final = "only models without it run here, so choose another"
SCALINGS: Final = frozenset({"none", "default", "linear", "llama3"})
SILU: Final = "silu"
TALL: Final = 40  # layers of Baichuan's 13B models
ALIBI: Final = (
    "is a Baichuan model of 13B, whose attention is biased by distance (ALiBi) where the decoder turns by "
    "place; choose the one of 7B"
)
GGUF_KEYS: Final = {
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "max_position_embeddings": "context_length",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "rope_theta": "rope.freq_base",
}
# Of those that llama.cpp names otherwise. Its converter unpacks Baichuan's matrices into Llama's.
GGUF_ARCHITECTURES: Final = {"qwen2": QWEN2, "llama": LLAMA, "baichuan": LLAMA, "chatglm": GLM, "glm4": GLM4}
REGROUPED: Final = frozenset({"llama", "baichuan"})  # rows of queries and keys, by llama.cpp's converter
FACTORS: Final = "rope_freqs.weight"
NEEDED_KEYS: Final = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "vocab_size",
)


def read_config(path: Path) -> dict[str, Any]:
    """Return config.json under our names, whatever the family and however new.

    Raises:
        ModelError: when it is none, or asks for what the decoder does not do.
        KeyError: when it lacks something.
    """
    config = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ModelError(f"{path} is not a JSON object; fetch it again")
    found = find_architecture(config.get("architectures") or ())
    if found is None:
        raise ModelError(f"{path} names {config.get('architectures')}; only {known_names()} run here")
    _refuse(path, config, found)
    config = _renamed(_with_rope(path, config), found)
    for key in NEEDED_KEYS:
        if not isinstance(config[key], int | float):
            raise ModelError(f"{path} has {config[key]!r} as {key}, which is no number; fetch it again")
    return config


def _refuse(path: Path, config: Mapping[str, Any], architecture: Architecture) -> None:
    if config.get("use_sliding_window"):
        raise ModelError(f"{path} asks for a sliding window; {UNSCALED}")
    if config.get("hidden_act", SILU) != SILU:
        raise ModelError(f"{path} asks for the activation {config['hidden_act']!r}; only {SILU} runs here")
    if architecture is BAICHUAN and config["num_hidden_layers"] >= TALL:
        raise ModelError(f"{path} {ALIBI}")
    for key, value in architecture.needs.items():
        if config.get(key, value) != value:
            raise ModelError(
                f"{path} has {config[key]!r} as {key}, but only {value!r} runs here; choose another model"
            )


def _with_rope(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return it with `rope_theta` and `rope_scaling` among its keys, wherever they are written there."""
    scaling: dict[str, Any] = {}
    for name in ("rope_scaling", "rope_parameters"):  # the older and the newer way to say the same
        rope = config.get(name) or {}
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind not in SCALINGS:
            raise ModelError(f"{path} asks for {name} of type {kind!r}; {UNSCALED}")
        scaling |= rope
    found: dict[str, Any] = {
        key: scaling[key] for key in ("rope_theta", "partial_rotary_factor") if key in scaling
    }
    return {**found, **config, "rope_scaling": scaling}


def _renamed(config: Mapping[str, Any], architecture: Architecture) -> dict[str, Any]:
    ours = {key: config[theirs] for key, theirs in architecture.keys.items()}
    if architecture is CHATGLM:
        ours["rope_theta"] = THETA * config.get("rope_ratio", 1)
    if architecture is BAICHUAN:
        ours["normalised_head"] = config["vocab_size"] != PLAIN_HEAD
    whole = {**architecture.defaults, **config, **ours, "model_type": architecture.kind}
    if architecture is not QWEN2:
        whole.setdefault("num_key_value_heads", whole["num_attention_heads"])
    return whole


def gguf_config(path: Path, file: GgufFile) -> dict[str, Any]:
    """Return a GGUF's metadata as config.json would say it.

    Raises:
        ModelError: when it is of an architecture or asks for something that the decoder does not do.
        KeyError: when it lacks something.
    """
    metadata = file.metadata
    named = metadata["general.architecture"]
    architecture = GGUF_ARCHITECTURES.get(named)
    if architecture is None:
        raise ModelError(
            f"{path} holds a model of type {named!r}; only {', '.join(GGUF_ARCHITECTURES)} run here"
        )

    def get(key: str, default: Any = None) -> Any:
        return metadata.get(f"{named}.{key}", default)

    if get("expert_count"):
        raise ModelError(f"{path} is a mixture of experts; {UNSCALED}")
    if named == "baichuan" and get("block_count", 0) >= TALL:
        raise ModelError(f"{path} {ALIBI}")
    if "blk.0.attn_qkv.weight" in file.tensors:
        architecture = CHATGLM
    needed = {name: key for name, key in GGUF_KEYS.items() if named == "qwen2" or key != "rope.freq_base"}
    config = {"rope_theta": get("rope.freq_base", THETA)} | {
        name: metadata[f"{named}.{key}"] for name, key in needed.items()
    }
    vocabulary = file.tensors["token_embd.weight"].shape[0]
    return config | {
        "architectures": [architecture.names[0]],
        "model_type": architecture.kind,
        "vocab_size": vocabulary,
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "attention_bias": named == "qwen2"
        or bool({"blk.0.attn_q.bias", "blk.0.attn_qkv.bias"} & {*file.tensors}),
        "normalised_head": named == "baichuan" and vocabulary != PLAIN_HEAD,
        **_gguf_heads(get, config["hidden_size"] // config["num_attention_heads"]),
        "rope_scaling": _gguf_scaling(path, file, get),
    }


def _gguf_heads(get: Callable[..., Any], usual: int) -> dict[str, Any]:
    """Return the size of a head where it is unusual, and how much of one is turned."""
    size = get("attention.key_length", usual)
    share = get("rope.dimension_count", size) / size
    return ({"head_dim": size} if size != usual else {}) | (
        {"partial_rotary_factor": share} if share != 1 else {}
    )


def _gguf_scaling(path: Path, file: GgufFile, get: Callable[..., Any]) -> dict[str, Any]:
    kind = get("rope.scaling.type", "none")
    if kind not in SCALINGS:
        raise ModelError(f"{path} asks for rope scaling of type {kind!r}; {UNSCALED}")
    if FACTORS in file.tensors:
        factors = file.rows(FACTORS, 0, file.tensors[FACTORS].shape[0])
        return {"rope_type": "factors", "factors": factors.tolist()}
    return {"rope_type": "linear", "factor": get("rope.scaling.factor")} if kind == "linear" else {}
