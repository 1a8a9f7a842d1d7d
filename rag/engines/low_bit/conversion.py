"""Low-bit conversions of a model on disk: packed once, layer by layer, and mapped into memory afterwards.

A conversion is a folder: a safetensors file for each layer, one for what is not in a layer, tokenizer.json,
chat.json, and manifest.json, which says how it was made and is checked when read. Projections that read the
same vector are stacked (q, k and v; gate and up), so that a layer takes four products instead of seven.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.datatypes import Progress, ProgressCallback
from rag.engines.low_bit.packing import head_tensors, layer_tensors
from rag.errors import DiskError, LockedError, ModelError
from rag.low_bits import require_runnable
from rag.weights.adapter import Adapter
from rag.weights.configs import NEEDED_KEYS
from rag.weights.origin import TOUCHED, describe, is_same, stamp
from rag.weights.sources import Source, open_source, reading, tokenizer_files

if TYPE_CHECKING:
    import torch

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
HEAD: Final = "head"  # the file of what is not in a layer
LAYERS: Final = "layer-*.safetensors"
TORN: Final = ".torn"  # ends the name of a file that is being written
RESERVE: Final = 200_000_000  # bytes that are left free on the disk
CONFIG_KEYS: Final = (
    *NEEDED_KEYS,
    *("tie_word_embeddings", "intermediate_size", "head_dim", "model_type"),
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
        lacking = [key for key in NEEDED_KEYS if key not in manifest.config]
    except FileNotFoundError as exc:
        raise ModelError(f"{exc.filename} is missing; run `rag models pull` to convert the model") from exc
    except (OSError, ValueError, TypeError, AttributeError) as exc:
        raise ModelError(f"{target} is damaged: {exc}; delete it and run `rag models pull`") from exc
    if wrong or lacking or manifest.format != FORMAT:
        reason = f"{wrong[0]} is truncated" if wrong else "it was made by another version"
        reason = f"its manifest lacks {lacking[0]}" if lacking else reason
        raise ModelError(f"{target} cannot be used: {reason}; delete it and run `rag models pull`")
    return manifest


def is_converted(target: Path, source: Path | None, low_bit: str, adapter: Path | None = None) -> bool:
    """Tell whether `target` holds a whole conversion to `low_bit`.

    Unless `source` is None, it has to be of that, with `adapter` merged into it.
    """
    try:
        manifest = read_manifest(target)
    except ModelError:
        return False
    if manifest.low_bit != low_bit:
        return False
    return source is None or is_same(manifest.source, source, adapter, note=target / TOUCHED)


def convert(
    source: Path, target: Path, low_bit: str, progress: ProgressCallback, adapter: Path | None = None
) -> None:
    """Convert a GGUF file or a safetensors folder to `target`, which appears when it is whole.

    The LoRA adapter in the folder `adapter` is merged into the weights. A run cut short goes on after the
    layers that it wrote. An older conversion stays until the new one is whole.

    Raises:
        ModelError: when `source` cannot be read or merged with `adapter`, or `low_bit` does not run here.
        LockedError: when another process converts to `target`.
        DiskError: when the disk is full or read-only.
    """
    from filelock import FileLock, Timeout

    require_runnable(low_bit)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock"), timeout=0):
            if not is_converted(target, source, low_bit, adapter):
                _convert_beside(source, target, low_bit, progress, adapter)
    except Timeout as exc:
        raise LockedError(
            f"another process is converting {source.name} to {target}; wait until it is done"
        ) from exc
    except OSError as exc:
        raise DiskError(f"{target} cannot be written: {exc.strerror or exc}; free space or mend it") from exc


def _convert_beside(
    source: Path, target: Path, low_bit: str, progress: ProgressCallback, adapter: Path | None
) -> None:
    partial = target.with_name(target.name + ".partial")
    try:
        _convert(source, partial, low_bit, progress, adapter)
    except ModelError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    except (OSError, DiskError):
        if not list(partial.glob(LAYERS)):  # otherwise they are taken up when there is space again
            shutil.rmtree(partial, ignore_errors=True)
        raise
    _swap(partial, target)


def _swap(partial: Path, target: Path) -> None:
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _convert(
    source: Path, folder: Path, low_bit: str, progress: ProgressCallback, adapter: Path | None
) -> None:
    weights = open_source(source, Adapter(adapter) if adapter else None)
    plan = _resume(source, adapter, weights, folder, low_bit)
    _check_space(source, folder)
    names = [*(f"layer-{number:03}" for number in range(plan.config["num_hidden_layers"])), HEAD]
    stage = f"Converting to {low_bit}"
    for done, name in enumerate(names):
        progress(Progress(stage=stage, done=done, total=len(names), unit="layers", item=name))
        path = folder / f"{name}.safetensors"
        if not path.exists():
            with reading(source):
                tensors = _tensors(weights, name, low_bit)
            _write(path, _serialised(tensors))
    with reading(source):
        spoken = tokenizer_files(weights)
    for name, content in spoken.items():
        _write(folder / name, content)
    files = [*(f"{name}.safetensors" for name in names), *spoken]
    whole = replace(plan, files={name: (folder / name).stat().st_size for name in sorted(files)})
    _write(folder / MANIFEST, _as_json(whole))
    progress(Progress(stage=stage, done=len(names), total=len(names), unit="layers"))


def _resume(source: Path, adapter: Path | None, weights: Source, folder: Path, low_bit: str) -> Manifest:
    """Empty `folder` unless a like conversion was cut short there; return the manifest, without the files.

    The same manifest lies in the folder from the beginning, as the note of what its layers are made from.
    """
    config = {key: weights.config[key] for key in CONFIG_KEYS if key in weights.config}
    plan = Manifest(format=FORMAT, source={}, low_bit=low_bit, versions=_versions(), config=config, files={})
    with suppress(ModelError):
        note = replace(read_manifest(folder), files={})
        if replace(note, source={}) == plan and is_same(note.source, source, adapter):
            for torn in folder.glob(f"*{TORN}"):
                torn.unlink()
            return note
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    note = replace(plan, source=describe(source, adapter))
    _write(folder / MANIFEST, _as_json(note))
    return note


def _versions() -> dict[str, str]:
    from rag.engines.low_bit.kernels import library_folder

    library_folder()  # without ipex-llm this says how to install it
    return {package: version(package) for package in ("ipex-llm", "torch")}


def _as_json(manifest: Manifest) -> bytes:
    return json.dumps(asdict(manifest), indent=1).encode()


def _tensors(weights: Source, name: str, low_bit: str) -> dict[str, torch.Tensor]:
    if name == HEAD:
        return head_tensors(weights)
    return layer_tensors(weights, int(name.removeprefix("layer-")), low_bit)


def _serialised(tensors: dict[str, torch.Tensor]) -> bytes:
    from safetensors.torch import save  # save_file would hide a full disk in an error of its own

    return save(tensors)


def _write(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, whatever happens meanwhile."""
    torn = path.with_name(path.name + TORN)
    try:
        with torn.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        torn.unlink(missing_ok=True)
        raise
    torn.replace(path)


def _check_space(source: Path, folder: Path) -> None:
    written = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    need = max(0, stamp(source)["bytes"] - written) + RESERVE
    free = shutil.disk_usage(folder).free
    if free < need:
        raise DiskError(
            f"{folder.parent} has {free / 1e9:.1f} GB free, but converting needs {need / 1e9:.1f} GB; "
            "free some space and run it again"
        )
