"""Low-bit conversions of a model on disk: packed once, layer by layer, and mapped into memory afterwards.

A conversion is a folder: a safetensors file for each layer, one for what is not in a layer, tokenizer.json,
and manifest.json, which says how it was made and is checked when read. Projections that read the same vector
are stacked (q, k and v; gate and up), so that a layer takes four products instead of seven.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.datatypes import Progress, ProgressCallback
from rag.engines.sources import Source, open_source
from rag.errors import DiskError, ModelError, RagError

if TYPE_CHECKING:
    import torch

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
TOKENIZER: Final = "tokenizer.json"
WIDE: Final = "sym_int8"  # of embeddings and lm_head, where four bits cost the most quality for their size
ROWS: Final = 4096  # converted at a time, to keep memory small
HASHED: Final = 1 << 22  # bytes at a time
RESERVE: Final = 200_000_000  # bytes that are left free on the disk
STACKS: Final = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "o": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
NORMS: Final = {"input_norm": "input_layernorm", "post_norm": "post_attention_layernorm"}
CONFIG_KEYS: Final = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "vocab_size",
    "tie_word_embeddings",
    "intermediate_size",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """How a conversion was made."""

    format: int
    source: Mapping[str, Any]  # name, bytes, mtime_ns, sha256
    low_bit: str
    versions: Mapping[str, str]  # of the packages that made it
    config: Mapping[str, Any]  # of the model, under Hugging Face's names
    files: Mapping[str, int]  # name -> bytes


def read_manifest(target: Path) -> Manifest:
    """Return the manifest of a conversion whose files are all there.

    Raises:
        ModelError: when there is none, or a file is missing or truncated.
    """
    try:
        manifest = Manifest(**json.loads((target / MANIFEST).read_text(encoding="utf-8")))
        wrong = [n for n, size in manifest.files.items() if (target / n).stat().st_size != size]
    except FileNotFoundError as exc:
        raise ModelError(f"{exc.filename} is missing; run `rag models pull` to convert the model") from exc
    except (OSError, ValueError, TypeError) as exc:
        raise ModelError(f"{target} is damaged: {exc}; delete it and run `rag models pull`") from exc
    if wrong or manifest.format != FORMAT:
        reason = f"{wrong[0]} is truncated" if wrong else "it was made by another version"
        raise ModelError(f"{target} cannot be used: {reason}; delete it and run `rag models pull`")
    return manifest


def is_converted(target: Path, source: Path | None, low_bit: str) -> bool:
    """Tell whether `target` holds a whole conversion to `low_bit`, of `source` unless that is None."""
    try:
        manifest = read_manifest(target)
    except ModelError:
        return False
    if manifest.low_bit != low_bit:
        return False
    return source is None or _is_same(manifest.source, source)


def convert(source: Path, target: Path, low_bit: str, progress: ProgressCallback) -> None:
    """Convert a GGUF file or a safetensors folder to `target`, which appears when it is whole.

    Raises:
        ModelError: when `source` cannot be read.
        DiskError: when the disk is full or read-only.
    """
    from filelock import FileLock

    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock")):
            if is_converted(target, source, low_bit):
                return
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(target, ignore_errors=True)
            partial.mkdir()
            _convert(source, partial, low_bit, progress)
            partial.rename(target)
    except RagError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    except KeyError as exc:
        shutil.rmtree(partial, ignore_errors=True)
        raise ModelError(f"{source} lacks {exc}: not a whole Qwen2 model; fetch it again") from exc
    except OSError as exc:
        shutil.rmtree(partial, ignore_errors=True)
        raise DiskError(f"{target} cannot be written: {exc.strerror or exc}; free space or mend it") from exc


def _convert(source: Path, folder: Path, low_bit: str, progress: ProgressCallback) -> None:
    weights = open_source(source)
    config = {key: weights.config[key] for key in CONFIG_KEYS if key in weights.config}
    _check_space(source, folder)
    total = config["num_hidden_layers"] + 1
    for done, (name, tensors) in enumerate(_parts(weights, low_bit)):
        progress(Progress(stage=f"Converting to {low_bit}", done=done, total=total, unit="layers", item=name))
        _write(folder / f"{name}.safetensors", tensors)
    weights.write_tokenizer(folder / TOKENIZER)
    manifest = Manifest(
        format=FORMAT,
        source=_describe(source),
        low_bit=low_bit,
        versions={package: version(package) for package in ("ipex-llm", "torch")},
        config=config,
        files={path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    )
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    progress(Progress(stage=f"Converting to {low_bit}", done=total, total=total, unit="layers"))


def _parts(weights: Source, low_bit: str) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Yield (file, tensors): the layers, then all that is not in a layer."""
    for number in range(weights.config["num_hidden_layers"]):
        yield f"layer-{number:03}", _layer(weights, f"model.layers.{number}", low_bit)
    head = {"embed": _pack(weights, ["model.embed_tokens.weight"], WIDE)}
    if not weights.config.get("tie_word_embeddings"):
        head["lm_head"] = _pack(weights, ["lm_head.weight"], WIDE)
    yield "head", head | {"norm": _whole(weights, "model.norm.weight")}


def _layer(weights: Source, prefix: str, low_bit: str) -> dict[str, torch.Tensor]:
    import torch

    tensors = {
        stack: _pack(weights, [f"{prefix}.{name}.weight" for name in names], low_bit)
        for stack, names in STACKS.items()
    }
    biases = [_whole(weights, f"{prefix}.{name}.bias") for name in STACKS["qkv"]]
    norms = {norm: _whole(weights, f"{prefix}.{name}.weight") for norm, name in NORMS.items()}
    return tensors | norms | {"qkv_bias": torch.cat(biases)}


def _whole(weights: Source, name: str) -> torch.Tensor:
    return weights.rows(name, 0, weights.shape(name)[0])


def _pack(weights: Source, names: list[str], low_bit: str) -> torch.Tensor:
    import torch

    from rag.engines.kernels import BASELINE, Kernels

    kernels = Kernels(BASELINE)
    # Scales fitted by least squares lower the error of the weights by a tenth, but the 0.5B model's words get
    # worse (KL divergence 0.146 to 0.164 on English, 0.147 to 0.183 on Chinese text): ipex-llm's own stay.
    blocks = [
        kernels.quantise(weights.rows(name, start, min(start + ROWS, weights.shape(name)[0])), low_bit)
        for name in names
        for start in range(0, weights.shape(name)[0], ROWS)
    ]
    return torch.cat(blocks)


def _write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    from safetensors.torch import save

    path.write_bytes(
        save(tensors)
    )  # a full disk raises OSError here; save_file would hide it in its own error


def _check_space(source: Path, folder: Path) -> None:
    need = sum(path.stat().st_size for path in _files(source)) + RESERVE
    free = shutil.disk_usage(folder).free
    if free < need:
        raise DiskError(
            f"{folder.parent} has {free / 1e9:.1f} GB free, but converting needs {need / 1e9:.1f} GB"
        )


def _files(source: Path) -> list[Path]:
    return [source] if source.is_file() else sorted(source.glob("*.safetensors"))


def _describe(source: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    for path in _files(source):
        with path.open("rb") as file:
            while block := file.read(HASHED):
                digest.update(block)
    return {"name": source.name, **_stamp(source), "sha256": digest.hexdigest()}


def _stamp(source: Path) -> dict[str, int]:
    stats = [path.stat() for path in _files(source)]
    return {
        "bytes": sum(s.st_size for s in stats),
        "mtime_ns": max((s.st_mtime_ns for s in stats), default=0),
    }


def _is_same(described: Mapping[str, Any], source: Path) -> bool:
    stamp = _stamp(source)
    if described["bytes"] != stamp["bytes"]:
        return False
    if described["mtime_ns"] == stamp["mtime_ns"]:
        return True
    return bool(described["sha256"] == _describe(source)["sha256"])
