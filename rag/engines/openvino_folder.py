"""A model as a folder that OpenVINO GenAI reads: converted to int4 by NNCF, or made elsewhere and ready.

A conversion lies beside the others of its model and has a manifest like theirs. Every matrix of a layer is
rounded to symmetric int4 in groups of 128 columns that share a scale; embeddings and the head, where four
bits cost the most, to int8. Weights that were rounded before, as those of a GGUF file, are rounded a second
time, so such a file is converted only where GenAI cannot read it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.datatypes import Progress, ProgressCallback
from rag.engines.low_bit.conversion import (
    CONFIG_KEYS,
    FORMAT,
    MANIFEST,
    Manifest,
    is_converted,
    read_manifest,
)
from rag.errors import DiskError, LockedError, MissingExtraError, ModelError
from rag.models import not_here
from rag.models.files import require_free
from rag.models.places import find, understand
from rag.weights.gguf_file import GgufFile
from rag.weights.origin import describe, stamp
from rag.weights.sources import TOKENIZER, open_source, reading, tokenizer_files

if TYPE_CHECKING:
    from rag.config import Config

GRAPH: Final = "openvino_model.xml"
WEIGHTS: Final = "openvino_model.bin"
KIND: Final = "openvino_int4"  # names the folder, and what the weights are, in its manifest
GROUP: Final = 128  # columns that share a scale
SMALLER: Final = (64, 32)  # groups for a model whose matrices are not that wide
STAGE: Final = "Converting for OpenVINO"
STEPS: Final = ("reading", "rounding", "writing")
INSTALL: Final = ".venv/bin/pip install -c .constraints.txt -e '.[openvino-convert]'"
READABLE: Final = frozenset({1, 2, 3, 8, 12, 14})  # matrices of ggml's F16, Q4_0, Q4_1, Q8_0, Q4_K, Q6_K


def located(name: str, config: Config) -> Path:
    """Return what to load of the LLM `name`: the user's own folder, its conversion, or its GGUF file.

    Raises:
        ModelError: when none of them is here, or the only GGUF file is of a kind that GenAI does not read.
    """
    own = ready_folder(name, config)
    if own is not None:
        return own
    wanted = understand(name, "llm", config)
    source, target = find(wanted), wanted.folder / KIND
    if (target / MANIFEST).is_file() and is_converted(target, source, KIND):
        return target
    if source is None:
        raise not_here(name)
    if must_convert(source):
        raise ModelError(f"{source} is not converted for OpenVINO yet; run `rag models pull {name}`")
    return source


def ready_folder(name: str, config: Config) -> Path | None:
    """Return the user's own folder if `name` means one that holds a graph for OpenVINO."""
    path = understand(name, "llm", config).path
    return path if path and (path / GRAPH).is_file() else None


def must_convert(source: Path) -> bool:
    """Tell whether GenAI cannot read a model as it is: safetensors, or some kinds of GGUF."""
    if source.is_dir():
        return True
    tensors = GgufFile(source).tensors.values()
    return any(each.kind not in READABLE for each in tensors if len(each.shape) > 1)


def make_ready(name: str, source: Path, config: Config, progress: ProgressCallback) -> None:
    """Convert a model unless GenAI reads it as it is; raises what `convert` raises."""
    target = understand(name, "llm", config).folder / KIND
    if must_convert(source) and not is_converted(target, source, KIND):
        convert(source, target, progress)


def is_ready(name: str, config: Config) -> bool:
    """Tell whether the engine can be opened."""
    try:
        located(name, config)
    except ModelError:
        return False
    return True


def context_of(folder: Path) -> int:
    """Return the tokens that a model has room for, as its config.json or its manifest tells; 0: untold.

    Raises:
        ModelError: when the folder is a conversion that is damaged or not whole.
    """
    if (folder / MANIFEST).is_file():
        return int(read_manifest(folder).config["max_position_embeddings"])
    try:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return int(told["max_position_embeddings"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def convert(source: Path, target: Path, progress: ProgressCallback) -> None:
    """Convert a GGUF file or a safetensors folder to `target`, which appears when it is whole.

    Raises:
        MissingExtraError: when NNCF is not installed.
        ModelError: when `source` cannot be read, or is no Qwen2 model.
        LockedError: when another process converts to `target`.
        DiskError: when the disk is full or read-only.
    """
    from filelock import FileLock, Timeout

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock"), timeout=0):
            if not is_converted(target, source, KIND):
                _convert_beside(source, target, progress)
    except Timeout as exc:
        raise LockedError(
            f"another process is converting {source.name} to {target}; wait until it is done"
        ) from exc
    except OSError as exc:
        raise DiskError(f"{target} cannot be written: {exc.strerror or exc}; free space or mend it") from exc


def _convert_beside(source: Path, target: Path, progress: ProgressCallback) -> None:
    partial, old = (target.with_name(f"{target.name}.{end}") for end in ("partial", "old"))
    for folder in (partial, old):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        partial.mkdir()
        require_free(partial, stamp(source)["bytes"])
        _convert(source, partial, progress)
        if target.exists():
            target.rename(old)
        partial.rename(target)
    finally:
        for folder in (partial, old):
            shutil.rmtree(folder, ignore_errors=True)


def _convert(source: Path, folder: Path, progress: ProgressCallback) -> None:
    def tell(done: int) -> None:
        item = STEPS[done] if done < len(STEPS) else ""
        progress(Progress(stage=STAGE, done=done, total=len(STEPS), unit="rounds", item=item))

    compress = _compressor()
    tell(0)
    with reading(source):
        from rag.engines.openvino_graph import build

        weights = open_source(source)
        model, spoken = build(weights), tokenizer_files(weights)
    tell(1)
    model = compress(model, _group(weights.config))
    tell(2)
    _save(model, folder)
    for name, content in spoken.items():
        (folder / name).write_bytes(content)
    _sign(folder, source, {key: weights.config[key] for key in CONFIG_KEYS if key in weights.config})
    tell(3)


def _compressor() -> Any:
    """Return what rounds a graph's weights in groups of so many columns.

    NNCF reports its use to its makers unless their package for that is absent, so it is here.
    """
    try:
        with _without("openvino_telemetry"):
            import nncf
    except ModuleNotFoundError as exc:
        raise MissingExtraError(
            f"converting for OpenVINO needs the package {exc.name!r}: {INSTALL}; without it a GGUF file of "
            "a kind that OpenVINO reads (Q4_K_M, Q8_0), or a folder that is converted already, can be used"
        ) from exc
    nncf.set_log_level(logging.ERROR)

    def compress(model: Any, group: int) -> Any:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT4_SYM, group_size=group)

    return compress


@contextlib.contextmanager
def _without(package: str) -> Iterator[None]:
    """Let a package be absent while another is imported."""
    known = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]  # Python's own way to say so
    try:
        yield
    finally:
        if known is None:
            del sys.modules[package]
        else:
            sys.modules[package] = known


def _group(config: Mapping[str, Any]) -> int:
    """Return the largest group that fits every matrix of a layer whole times."""
    widths = (config["hidden_size"], config["intermediate_size"])
    return next(
        (size for size in (GROUP, *SMALLER) if all(width % size == 0 for width in widths)), SMALLER[-1]
    )


def _save(model: Any, folder: Path) -> None:
    import openvino

    try:
        openvino.save_model(model, folder / GRAPH)
    except RuntimeError as exc:  # it does not say which of the two it is
        raise DiskError(f"{folder / WEIGHTS} cannot be written: {exc}; free space or mend it") from exc


def _sign(folder: Path, source: Path, config: Mapping[str, Any]) -> None:
    """Write the manifest, last of all, when the files are on the disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    manifest = Manifest(
        format=FORMAT,
        source=describe(source),
        low_bit=KIND,
        versions={package: version(package) for package in ("openvino", "nncf")},
        config=config,
        files={path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    )
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")


def check(folder: Path) -> None:
    """Check that the folder has what the engine needs.

    Raises:
        ModelError: naming what is missing.
    """
    for name in (GRAPH, WEIGHTS, TOKENIZER):
        if not (folder / name).is_file():
            raise ModelError(f"{folder / name} is missing; copy all of the model's folder there")
