"""What a GGUF file's metadata says of its model, as config.json would, and the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rag.errors import ModelError
from rag.weights.architectures import CHATGLM, GLM, GLM4, LLAMA, PLAIN_HEAD, QWEN2, THETA
from rag.weights.configs import ALIBI, SCALINGS, TALL, UNSCALED
from rag.weights.gguf_file import GgufFile

GGUF_NAMES: Final = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    # GLM-4
    "mlp.gate_up_proj": "ffn_up",
    "post_self_attn_layernorm": "post_attention_norm",
    "post_mlp_layernorm": "post_ffw_norm",
    # ChatGLM
    "transformer.embedding.word_embeddings": "token_embd",
    "transformer.encoder.final_layernorm": "output_norm",
    "transformer.output_layer": "output",
    "self_attention.query_key_value": "attn_qkv",
    "self_attention.dense": "attn_output",
    "mlp.dense_h_to_4h": "ffn_up",
    "mlp.dense_4h_to_h": "ffn_down",
}
LAYER: Final = re.compile(r".*\blayers\.(\d+)\.(.*)")
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
UNUSED: Final = frozenset({"attn_rot_embd"})  # of files that are old


def gguf_name(name: str) -> str:
    """Return the GGUF name of a Hugging Face tensor, as in llama.cpp's tensor mapping."""
    stem, _, kind = name.rpartition(".")
    if layer := LAYER.fullmatch(stem):
        return f"blk.{layer[1]}.{GGUF_NAMES[layer[2]]}.{kind}"
    return f"{GGUF_NAMES[stem]}.{kind}"


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
    if named == "chatglm" and "blk.0.attn_qkv.weight" in file.tensors:
        architecture = CHATGLM
    if unread := [name for name in file.tensors if name.startswith("blk.0.") and not _is_read(name)]:
        raise ModelError(
            f"{path} holds {unread[0]}, which no family that runs here has; choose another model"
        )
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


def _is_read(name: str) -> bool:
    stem, _, kind = name.removeprefix("blk.0.").rpartition(".")
    biased = {"attn_q", "attn_k", "attn_v", "attn_qkv"}
    return stem in UNUSED or (kind == "weight" and stem in GGUF_NAMES.values()) or stem in biased


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
