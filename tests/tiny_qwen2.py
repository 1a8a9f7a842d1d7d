"""A tiny random Qwen2 model with a byte tokenizer, as a safetensors folder and as a GGUF file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from rag.tokenizer.formats import ENDS, START
from rag.tokenizer.vocabularies import CONTROL, build_tokenizer, byte_characters
from rag.weights.gguf_config import GGUF_KEYS, gguf_name

SPECIAL = ["<|endoftext|>", START, "<|im_end|>", "<tool_call>"]
TOKENS = [*byte_characters(), *SPECIAL, "Āā"]  # the last joins the bytes 0 and 1
TYPES = [1] * 256 + [CONTROL] * len(SPECIAL) + [1]
MERGES = ["Ā ā"]
CONFIG: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "vocab_size": len(TOKENS),
    "tie_word_embeddings": False,
}

assert ENDS == ("<|im_end|>", "<|endoftext|>")


def hugging_face_model(**changes: Any) -> Any:
    """Return transformers' own model, with random weights of a size that makes its choices distinct."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config: Any = Qwen2Config
    model: Any = Qwen2ForCausalLM
    model = model(config(**{**CONFIG, **changes})).eval()
    for name, parameter in model.named_parameters():
        spread = 0.05 if "norm" in name else 0.15
        parameter.data = torch.randn_like(parameter) * spread + (1.0 if "norm" in name else 0.0)
    return model


def write_folder(folder: Path, **changes: Any) -> Path:
    """Write a Hugging Face folder; return it."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = hugging_face_model(**changes).state_dict()
    if changes.get("tie_word_embeddings"):
        del state["lm_head.weight"]
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}), encoding="utf-8")
    (folder / "tokenizer.json").write_text(build_tokenizer(TOKENS, TYPES, MERGES), encoding="utf-8")
    return folder


def write_gguf(path: Path, *, architecture: str = "qwen2", scaling: str = "", **changes: Any) -> Path:
    """Write the same model as a GGUF file of float32 tensors; return it."""
    import gguf

    config = {**CONFIG, **changes}
    writer = gguf.GGUFWriter(path, architecture)
    for name, key in GGUF_KEYS.items():
        add = writer.add_float32 if isinstance(config[name], float) else writer.add_uint32
        add(f"{architecture}.{key}", config[name])
    if scaling:
        writer.add_string(f"{architecture}.rope.scaling.type", scaling)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_eos_token_id(TOKENS.index("<|im_end|>"))
    writer.add_token_list(TOKENS)
    writer.add_token_types(TYPES)
    writer.add_token_merges(MERGES)
    for name, tensor in hugging_face_model(**changes).state_dict().items():
        if not (config["tie_word_embeddings"] and name == "lm_head.weight"):
            writer.add_tensor(gguf_name(name), tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
