"""Float weights of a Qwen2 model, read a few rows at a time from a GGUF file or a safetensors folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from rag.engines.chatml import build_tokenizer, mark_added_tokens
from rag.engines.gguf_file import GgufFile
from rag.errors import ModelError

if TYPE_CHECKING:
    import torch

ARCHITECTURE: Final = "Qwen2ForCausalLM"
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
}
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


class Source(Protocol):
    """Weights under their Hugging Face names."""

    @property
    def config(self) -> Mapping[str, Any]:
        """As in Hugging Face's config.json."""
        ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        """Return rows `start` to `stop` of a tensor in float32; of a vector, those elements."""
        ...

    def write_tokenizer(self, path: Path) -> None:
        """Write Hugging Face's tokenizer.json."""
        ...


def open_source(path: Path) -> Source:
    """Open a .gguf file or a folder of safetensors.

    Raises:
        ModelError: when it is neither, damaged, or not a Qwen2 model.
    """
    from safetensors import SafetensorError

    try:
        return GgufSource(path) if path.is_file() else SafetensorsSource(path)
    except (OSError, ValueError, KeyError, SafetensorError) as exc:
        raise ModelError(f"{path} cannot be read as a Qwen2 model: {exc}; fetch it again") from exc


def gguf_name(name: str) -> str:
    """Return the GGUF name of a Hugging Face tensor, as in llama.cpp's tensor mapping."""
    stem, _, kind = name.rpartition(".")
    if stem.startswith("model.layers."):
        number, _, rest = stem.removeprefix("model.layers.").partition(".")
        return f"blk.{number}.{GGUF_NAMES[rest]}.{kind}"
    return f"{GGUF_NAMES[stem]}.{kind}"


class GgufSource:
    """Dequantises a GGUF file."""

    def __init__(self, path: Path) -> None:
        self._file = GgufFile(path)
        self._metadata = self._file.metadata
        architecture = self._metadata["general.architecture"]
        if architecture != "qwen2":
            raise ModelError(f"{path} holds a model of type {architecture!r}; only Qwen2 models run here")
        self.config: Mapping[str, Any] = self._config()

    def _config(self) -> dict[str, Any]:
        config = {name: self._metadata[f"qwen2.{key}"] for name, key in GGUF_KEYS.items()}
        return config | {
            "architectures": [ARCHITECTURE],
            "vocab_size": self.shape("model.embed_tokens.weight")[0],
            "tie_word_embeddings": "output.weight" not in self._file.tensors,
        }

    def shape(self, name: str) -> tuple[int, ...]:
        return self._file.tensors[gguf_name(name)].shape

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        import torch

        return torch.from_numpy(self._file.rows(gguf_name(name), start, stop))

    def write_tokenizer(self, path: Path) -> None:
        kind = self._metadata["tokenizer.ggml.pre"]
        if kind != "qwen2":
            raise ModelError(f"the GGUF's tokenizer is of type {kind!r}; only 'qwen2' is known")
        tokens, types, merges = (
            self._metadata[f"tokenizer.ggml.{part}"] for part in ("tokens", "token_type", "merges")
        )
        path.write_text(build_tokenizer(tokens, types, merges), encoding="utf-8")


class SafetensorsSource:
    """Reads a Hugging Face folder: config.json, tokenizer.json and *.safetensors."""

    def __init__(self, folder: Path) -> None:
        from safetensors import safe_open

        self._folder = folder
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if ARCHITECTURE not in config.get("architectures", ()):
            raise ModelError(f"{folder} holds {config.get('architectures')}; only {ARCHITECTURE} runs here")
        if config.get("rope_scaling") or config.get("use_sliding_window"):
            raise ModelError(f"{folder} asks for rope_scaling or a sliding window, which are not known here")
        self.config: Mapping[str, Any] = config
        self._files: dict[str, Any] = {}
        for path in sorted(folder.glob("*.safetensors")):
            file: Any = safe_open(path, framework="pt")
            self._files |= dict.fromkeys(file.keys(), file)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._files[name].get_slice(name).get_shape())

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        tensor: torch.Tensor = self._files[name].get_slice(name)[start:stop]
        return tensor.float().contiguous()

    def write_tokenizer(self, path: Path) -> None:
        text = (self._folder / "tokenizer.json").read_text(encoding="utf-8")
        path.write_text(mark_added_tokens(text), encoding="utf-8")
