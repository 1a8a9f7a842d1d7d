"""What a checkpoint's config.json says of its model, under the same names for every family."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rag.errors import ModelError
from rag.weights.architectures import (
    BAICHUAN,
    CHATGLM,
    PLAIN_HEAD,
    QWEN2,
    THETA,
    Architecture,
    find_architecture,
    known_names,
)

UNSCALED: Final = "only models without it run here, so choose another"
SCALINGS: Final = frozenset({"none", "default", "linear", "llama3"})
SILU: Final = "silu"
TALL: Final = 40  # layers of Baichuan's 13B models
ALIBI: Final = (
    "is a Baichuan model of 13B, whose attention is biased by distance (ALiBi) where the decoder turns by "
    "place; choose the one of 7B"
)
COUNTS: Final = frozenset(
    {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"}
    | {"head_dim", "max_position_embeddings", "vocab_size"}
)
MOST: Final = 2**31
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
    for key in COUNTS & config.keys():
        if config[key] is not None and (type(config[key]) is not int or not 0 < config[key] < MOST):
            raise ModelError(f"{path} has {config[key]!r} as {key}, which is no count; fetch it again")
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
