"""Float weights of a Qwen2 model, read a few rows at a time from a GGUF file or a safetensors folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from rag.engines.chatml import build_tokenizer, mark_added_tokens
from rag.engines.gguf_file import GgufFile
from rag.engines.tensors import Tensors, open_tensors
from rag.errors import ModelError, RagError

if TYPE_CHECKING:
    import torch

    from rag.engines.adapter import Adapter

ARCHITECTURE: Final = "Qwen2ForCausalLM"
UNSCALED: Final = "only models without it run here, so choose another"
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

    def tokenizer(self) -> str:
        """Return Hugging Face's tokenizer.json."""
        ...


def open_source(path: Path, adapter: Adapter | None = None) -> Source:
    """Open a .gguf file or a folder of safetensors; what `adapter` adds to the weights is in them.

    Raises:
        ModelError: when it is neither, damaged, or not a Qwen2 model, or the adapter does not fit it.
    """
    with reading(path):
        return GgufSource(path, adapter) if path.is_file() else SafetensorsSource(path, adapter)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Make a ModelError that names the file of whatever a damaged or unreadable model raises."""
    from safetensors import SafetensorError

    try:
        yield
    except RagError:
        raise
    except FileNotFoundError as exc:
        raise ModelError(f"{exc.filename or path} is missing; fetch the model again") from exc
    except OSError as exc:
        raise ModelError(
            f"{exc.filename or path} cannot be read: {exc.strerror or exc}; mend it or fetch the model again"
        ) from exc
    except KeyError as exc:
        raise ModelError(f"{path} lacks {exc}: not a whole Qwen2 model; fetch it again") from exc
    except (ValueError, TypeError, AttributeError, IndexError, SafetensorError) as exc:
        raise ModelError(f"{path} cannot be read as a Qwen2 model: {exc}; fetch it again") from exc


def gguf_name(name: str) -> str:
    """Return the GGUF name of a Hugging Face tensor, as in llama.cpp's tensor mapping."""
    stem, _, kind = name.rpartition(".")
    if stem.startswith("model.layers."):
        number, _, rest = stem.removeprefix("model.layers.").partition(".")
        return f"blk.{number}.{GGUF_NAMES[rest]}.{kind}"
    return f"{GGUF_NAMES[stem]}.{kind}"


class GgufTensors:
    """Tensors of a GGUF file under their Hugging Face names."""

    def __init__(self, file: GgufFile) -> None:
        self._file = file

    def shape(self, name: str) -> tuple[int, ...]:
        return self._file.tensors[gguf_name(name)].shape

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        import torch

        return torch.from_numpy(self._file.rows(gguf_name(name), start, stop))


class GgufSource:
    """Dequantises a GGUF file."""

    def __init__(self, path: Path, adapter: Adapter | None = None) -> None:
        self._file = GgufFile(path)
        self._metadata = self._file.metadata
        architecture = self._metadata["general.architecture"]
        if architecture != "qwen2":
            raise ModelError(f"{path} holds a model of type {architecture!r}; only Qwen2 models run here")
        scaling = self._metadata.get("qwen2.rope.scaling.type", "none")
        if scaling != "none":
            raise ModelError(f"{path} asks for rope scaling of type {scaling!r}; {UNSCALED}")
        self._path = path
        self.config: Mapping[str, Any] = self._config()
        stored = GgufTensors(self._file)
        self._tensors: Tensors = adapter.merged(stored, self.config) if adapter else stored

    def _config(self) -> dict[str, Any]:
        config = {name: self._metadata[f"qwen2.{key}"] for name, key in GGUF_KEYS.items()}
        return config | {
            "architectures": [ARCHITECTURE],
            "vocab_size": self._file.tensors["token_embd.weight"].shape[0],
            "tie_word_embeddings": "output.weight" not in self._file.tensors,
        }

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors.shape(name)

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        return self._tensors.rows(name, start, stop)

    def tokenizer(self) -> str:
        kind = self._metadata["tokenizer.ggml.pre"]
        if kind != "qwen2":
            raise ModelError(f"the tokenizer of {self._path} is of type {kind!r}; only 'qwen2' is known")
        tokens, types, merges = (
            self._metadata[f"tokenizer.ggml.{part}"] for part in ("tokens", "token_type", "merges")
        )
        return build_tokenizer(tokens, types, merges)


class SafetensorsSource:
    """Reads a Hugging Face folder: config.json, tokenizer.json and *.safetensors."""

    def __init__(self, folder: Path, adapter: Adapter | None = None) -> None:
        from safetensors import safe_open

        self._folder = folder
        with reading(folder / "config.json"):
            self.config: Mapping[str, Any] = _read_config(folder / "config.json")
        files: dict[str, Any] = {}
        for path in sorted(folder.glob("*.safetensors")):
            with reading(path):
                file: Any = safe_open(path, framework="pt")
                files |= dict.fromkeys(file.keys(), file)
        stored = open_tensors(folder, self.config, files)
        self._tensors = adapter.merged(stored, self.config) if adapter else stored

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors.shape(name)

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        return self._tensors.rows(name, start, stop)

    def tokenizer(self) -> str:
        path = self._folder / "tokenizer.json"
        with reading(path):
            return mark_added_tokens(path.read_text(encoding="utf-8"))


def _read_config(path: Path) -> dict[str, Any]:
    """Return config.json, `rope_theta` among its keys, wherever it is written there."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ModelError(f"{path} is not a JSON object; fetch it again")
    if ARCHITECTURE not in config.get("architectures", ()):
        raise ModelError(f"{path} names {config.get('architectures')}; only {ARCHITECTURE} runs here")
    if config.get("use_sliding_window"):
        raise ModelError(f"{path} asks for a sliding window; {UNSCALED}")
    for name in ("rope_scaling", "rope_parameters"):  # the older and the newer way to say the same
        rope = config.get(name) or {}
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind != "default":
            raise ModelError(f"{path} asks for {name} of type {kind!r}; {UNSCALED}")
        config = {**({"rope_theta": rope["rope_theta"]} if "rope_theta" in rope else {}), **config}
    for key in NEEDED_KEYS:
        if not isinstance(config[key], int | float):
            raise ModelError(f"{path} has {config[key]!r} as {key}, which is no number; fetch it again")
    return config
