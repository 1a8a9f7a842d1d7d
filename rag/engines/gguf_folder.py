"""What an engine that reads a GGUF file itself needs beside it: its tokenizer, its hash, its probe.

Made once, from the file, into a folder beside the model's conversions, and made again when the file changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.engines.answerable import Probe, read_probe
from rag.errors import DiskError, ModelError
from rag.weights.origin import TOUCHED, describe, is_same
from rag.weights.sources import TOKENIZER, Source, open_source, tokenizer_files

if TYPE_CHECKING:
    from rag.config import Config

FOLDER: Final = "gguf"
MANIFEST: Final = "manifest.json"
FORMAT: Final = 2
SAMPLE: Final = 1000  # rows of a head that are looked at
UNIT: Final = 0.01  # how far from 1 a row of length 1 may be, quantised


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufModel:
    """A GGUF file, and what was made from it."""

    gguf: Path
    tokenizer: Path
    sha256: str
    layers: int
    raw_head: bool  # the rows of its head are yet to be brought to length 1, as Baichuan 2 does
    probe: Probe | None


def gguf_model(name: str, config: Config) -> GgufModel:
    """Return the GGUF file of the LLM `name`, and what lies beside it, which is made if need be.

    Raises:
        ModelError: when the model is not on this machine, or not as a GGUF file, or damaged.
        DiskError: when the disk is full or read-only.
    """
    from rag.models import lowbit_folder, model_here

    gguf = model_here(name, config)
    if gguf.is_dir():
        raise ModelError(
            f"{name} is here as safetensors, and this engine reads GGUF files only; "
            "name one in --model, or use --engine ipex"
        )
    conversion = lowbit_folder(name, config)
    folder = conversion.with_name(FOLDER)
    made = _made(folder, gguf) or _make(folder, gguf)
    return GgufModel(
        gguf=gguf,
        tokenizer=folder / TOKENIZER,
        sha256=made["source"]["sha256"],
        layers=made["layers"],
        raw_head=made["raw_head"],
        probe=read_probe(conversion, made["source"]),
    )


def _made(folder: Path, gguf: Path) -> Mapping[str, Any] | None:
    """Return what the manifest tells, if it was made from this file."""
    try:
        made: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in made["files"]}
        whole = made["format"] == FORMAT and sizes == made["files"]
        return (
            made
            if whole and made["layers"] > 0 and is_same(made["source"], gguf, note=folder / TOUCHED)
            else None
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _make(folder: Path, gguf: Path) -> Mapping[str, Any]:
    source = open_source(gguf)
    files = tokenizer_files(source)
    made = {
        "format": FORMAT,
        "source": describe(gguf),
        "layers": source.config["num_hidden_layers"],
        "raw_head": _has_raw_head(source),
        "files": {name: len(content) for name, content in files.items()},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(folder / name, content)
        _write(folder / MANIFEST, json.dumps(made, indent=1).encode())  # last: it stands for "whole"
    except OSError as exc:
        raise DiskError(f"{folder} cannot be written: {exc.strerror or exc}; free space or mend it") from exc
    return made


def _has_raw_head(source: Source) -> bool:
    if not source.config["normalised_head"]:
        return False
    some = min(SAMPLE, source.shape("lm_head.weight")[0])
    lengths = source.rows("lm_head.weight", 0, some).norm(dim=1)
    return bool((lengths - 1).abs().median() > UNIT)


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
