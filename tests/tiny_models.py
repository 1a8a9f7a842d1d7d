"""Tiny random models of each family, in the form of its own checkpoints, beside transformers' own model.

Baichuan and ChatGLM3 have no class in transformers: theirs are those of Llama and GLM, whose arithmetic is
the same, filled with the same weights in another arrangement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch.nn.functional import normalize

from rag.engines.low_bit.kernels import BASELINE, Kernels
from rag.tokenizer.vocabularies import build_tokenizer
from rag.weights.gguf_config import gguf_name
from tests.tiny_qwen2 import MERGES, TOKENS, TYPES

Weights: TypeAlias = Mapping[str, torch.Tensor]
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "vocab_size": len(TOKENS),
    "tie_word_embeddings": False,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
GLM: dict[str, Any] = {
    **LLAMA,
    "architectures": ["GlmForCausalLM"],
    "partial_rotary_factor": 0.5,
    "head_dim": 32,
    "attention_bias": True,
    "pad_token_id": 0,
}
GLM4: dict[str, Any] = {**GLM, "architectures": ["Glm4ForCausalLM"], "attention_bias": False}
CHATGLM: dict[str, Any] = {
    "architectures": ["ChatGLMModel"],
    "auto_map": {"AutoModel": "modeling_chatglm.ChatGLMForConditionalGeneration"},
    "hidden_size": 128,
    "ffn_hidden_size": 192,
    "num_layers": 2,
    "num_attention_heads": 4,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "kv_channels": 32,
    "seq_length": 4096,
    "layernorm_epsilon": 1e-6,
    "padded_vocab_size": len(TOKENS),
    "add_qkv_bias": True,
    "add_bias_linear": False,
    "rmsnorm": True,
    "post_layer_norm": True,
    "apply_residual_connection_post_layernorm": False,
}
BAICHUAN: dict[str, Any] = {
    **{key: value for key, value in LLAMA.items() if key not in {"rope_theta", "num_key_value_heads"}},
    "architectures": ["BaichuanForCausalLM"],
    "auto_map": {"AutoModelForCausalLM": "modeling_baichuan.BaichuanForCausalLM"},
}


def random_model(**config: Any) -> Any:
    """Return transformers' model of `config`, with weights of a size that makes its choices distinct."""
    import transformers

    torch.manual_seed(0)
    (name,) = config["architectures"]
    settings: Any = getattr(transformers, name.replace("ForCausalLM", "Config"))
    model = getattr(transformers, name)(settings(**config)).eval()
    for name, parameter in model.named_parameters():
        spread = 0.05 if "norm" in name else 0.15
        parameter.data = torch.randn_like(parameter) * spread + (1.0 if "norm" in name else 0.0)
    return model


def in_eight_bits(model: Any, *, has_normalised_head: bool = False) -> Any:
    """Return the model with the weights that sym_int8 makes of its own."""
    kernels = Kernels(BASELINE)
    if has_normalised_head:
        model.lm_head.weight.data = normalize(model.lm_head.weight.data)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            packed = kernels.quantise(parameter.data, "sym_int8")
            parameter.data = kernels.dequantise(packed, "sym_int8", torch.empty_like(parameter.data))
    return model


def write_folder(folder: Path, config: Mapping[str, Any], weights: Weights) -> Path:
    """Write a Hugging Face folder with the byte tokenizer; return it."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tokenizer.json").write_text(build_tokenizer(TOKENS, TYPES, MERGES), encoding="utf-8")
    return folder


def own_weights(model: Any) -> dict[str, torch.Tensor]:
    """Return the weights as transformers saves them."""
    weights = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        del weights["lm_head.weight"]
    return weights


def chatglm_weights(model: Any) -> dict[str, torch.Tensor]:
    """Return a GlmForCausalLM's weights as ChatGLM3 has them."""
    renamed = {}
    theirs = own_weights(model)
    for name, tensor in theirs.items():
        if "q_proj" in name:
            parts = [theirs[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            name, tensor = (
                name.replace("self_attn.q_proj", "self_attention.query_key_value"),
                torch.cat(parts),
            )
        elif "k_proj" in name or "v_proj" in name:
            continue
        for ours, other in (
            ("model.layers", "transformer.encoder.layers"),
            ("model.embed_tokens", "transformer.embedding.word_embeddings"),
            ("model.norm", "transformer.encoder.final_layernorm"),
            ("lm_head", "transformer.output_layer"),
            ("self_attn.o_proj", "self_attention.dense"),
            ("mlp.gate_up_proj", "mlp.dense_h_to_4h"),
            ("mlp.down_proj", "mlp.dense_4h_to_h"),
        ):
            name = name.replace(ours, other)
        renamed[name] = tensor
    return {**renamed, "transformer.rotary_pos_emb.inv_freq": torch.zeros(8)}


def baichuan_weights(model: Any) -> dict[str, torch.Tensor]:
    """Return a LlamaForCausalLM's weights as Baichuan has them."""
    theirs, packed = own_weights(model), {}
    for name, tensor in theirs.items():
        if "q_proj" in name:
            parts = [theirs[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            packed[name.replace("q_proj", "W_pack")] = torch.cat(parts)
        elif "k_proj" not in name and "v_proj" not in name:
            packed[name] = tensor
    return packed


def regrouped(weights: Weights, heads: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """Return Llama's weights with the rows of queries and keys as llama.cpp's converter orders them."""
    changed = dict(weights)
    for name, tensor in weights.items():
        for part, count in heads.items():
            if f".{part}." in name:
                halves = tensor.reshape(count, 2, tensor.shape[0] // count // 2, *tensor.shape[1:])
                changed[name] = halves.swapaxes(1, 2).reshape(tensor.shape)
    return changed


def write_gguf(
    path: Path,
    architecture: str,
    weights: Weights,
    *,
    config: Mapping[str, Any] = LLAMA,
    more: Callable[[Any], None] = lambda _writer: None,
) -> Path:
    """Write a GGUF file of float32 tensors as llama.cpp's converter does; return it."""
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config.get("num_key_value_heads", config["num_attention_heads"]))
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    size = config["hidden_size"] // config["num_attention_heads"]
    writer.add_rope_dimension_count(int(size * config.get("partial_rotary_factor", 1)))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(TOKENS)
    writer.add_token_types(TYPES)
    writer.add_token_merges(MERGES)
    more(writer)
    for name, tensor in weights.items():
        if "inv_freq" not in name:
            known = name if name == "rope_freqs.weight" else gguf_name(name)
            writer.add_tensor(known, tensor.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
