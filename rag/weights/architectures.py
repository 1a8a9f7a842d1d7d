"""The families of models that the decoder runs, and how their checkpoints name and lay out what it needs.

All of them compute the same: RMS norm, attention with rotary places, a gated SiLU. What differs is here, as
data; none of it needs a model's own Python code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

STACKS: Final = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "o": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
NORMS: Final = {"input_norm": "input_layernorm", "post_norm": "post_attention_layernorm"}
PLAIN_HEAD: Final = 64_000  # words of Baichuan 1; Baichuan 2 has more, and a head whose rows have length 1
THETA: Final = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """How the checkpoints of a family name and lay out their weights and settings."""

    names: tuple[str, ...]  # in config.json's `architectures`
    kind: str  # of our conversions
    embed: str = "model.embed_tokens"
    norm: str = "model.norm"
    lm_head: str = "lm_head"
    layers: str = "model.layers"
    stacks: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: STACKS)
    norms: Mapping[str, str] = field(default_factory=lambda: NORMS)
    keys: Mapping[str, str] = field(default_factory=dict)  # of config.json, ours -> theirs where they differ
    defaults: Mapping[str, Any] = field(default_factory=dict)  # of what config.json may leave out
    needs: Mapping[str, Any] = field(default_factory=dict)  # what config.json has to say, if it says it
    added: tuple[str, ...] = ()  # tokens that its own code puts behind SentencePiece's
    is_told_by_code: bool = False  # its checkpoints bring Python code, which says what is said here
    in_pairs: bool = False  # rotates neighbouring numbers of a head; otherwise its two halves


LLAMA: Final = Architecture(
    names=("LlamaForCausalLM",),
    kind="llama",
    defaults={"rope_theta": THETA, "max_position_embeddings": 2048},
    needs={"attention_bias": False, "mlp_bias": False},
)
QWEN2: Final = Architecture(names=("Qwen2ForCausalLM",), kind="qwen2", defaults={"attention_bias": True})
GLM: Final = Architecture(
    names=("GlmForCausalLM",),
    kind="glm",
    stacks={**STACKS, "gate_up": ("mlp.gate_up_proj",)},
    defaults={"rope_theta": THETA, "partial_rotary_factor": 0.5},
    in_pairs=True,
)
GLM4: Final = replace(
    GLM,
    names=("Glm4ForCausalLM",),
    kind="glm4",
    norms={**NORMS, "after_attention": "post_self_attn_layernorm", "after_mlp": "post_mlp_layernorm"},
)
CHATGLM: Final = Architecture(
    names=("ChatGLMModel", "ChatGLMForConditionalGeneration"),
    kind="chatglm",
    embed="transformer.embedding.word_embeddings",
    norm="transformer.encoder.final_layernorm",
    lm_head="transformer.output_layer",
    layers="transformer.encoder.layers",
    stacks={
        "qkv": ("self_attention.query_key_value",),
        "o": ("self_attention.dense",),
        "gate_up": ("mlp.dense_h_to_4h",),
        "down": ("mlp.dense_4h_to_h",),
    },
    keys={
        "num_hidden_layers": "num_layers",
        "vocab_size": "padded_vocab_size",
        "intermediate_size": "ffn_hidden_size",
        "head_dim": "kv_channels",
        "max_position_embeddings": "seq_length",
        "rms_norm_eps": "layernorm_epsilon",
        "num_key_value_heads": "multi_query_group_num",
        "attention_bias": "add_qkv_bias",
    },
    defaults={"partial_rotary_factor": 0.5},
    needs={
        "multi_query_attention": True,
        "rmsnorm": True,
        "post_layer_norm": True,
        "apply_residual_connection_post_layernorm": False,
        "add_bias_linear": False,
    },
    added=(
        *("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"),
        *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
    ),
    is_told_by_code=True,
    in_pairs=True,
)
BAICHUAN: Final = Architecture(
    names=("BaichuanForCausalLM", "BaiChuanForCausalLM"),
    kind="baichuan",
    stacks={**STACKS, "qkv": ("self_attn.W_pack",)},
    is_told_by_code=True,
    defaults={"rope_theta": THETA},
)
ARCHITECTURES: Final = (QWEN2, LLAMA, GLM, GLM4, CHATGLM, BAICHUAN)


def known_names() -> str:
    return ", ".join(each.names[0] for each in ARCHITECTURES)


def find_architecture(names: Iterable[Any]) -> Architecture | None:
    """Return the first known one of those that a config.json names."""
    return next((each for name in names for each in ARCHITECTURES if name in each.names), None)


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """Return that of a source, which has been checked."""
    found = find_architecture(config["architectures"])
    if found is None:
        raise KeyError(f"architectures {config['architectures']}")
    return found


def head_size(config: Mapping[str, Any]) -> int:
    """Return how many numbers a head of attention has."""
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])
