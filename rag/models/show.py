"""What is known of the models, for `rag models list` and `rag models show`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import ModelError
from rag.models.catalogue import ENTRIES, Kind, lookup
from rag.models.files import ModelFile, bytes_below, read_manifest
from rag.models.places import WEIGHTS, find, understand

if TYPE_CHECKING:
    from rag.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """A model and what of it lies on this machine."""

    name: str
    kind: Kind
    licence: str  # "" while unknown
    size: int  # bytes to download, about; 0 while unknown
    sources: tuple[tuple[str, str], ...]  # (source, id of the model there), in the order they are tried
    path: Path | None = None  # of the weights, when they are whole
    fetched_from: str = ""
    files: tuple[ModelFile, ...] = ()
    conversions: tuple[Path, ...] = ()  # folders of low-bit weights made from it
    on_disk: int = 0  # bytes, parts of an unfinished download included


def list_models(config: Config) -> list[ModelState]:
    """Return the state of every model of the catalogue, LLMs first."""
    return [show_model(entry.id, entry.kind, config) for entry in ENTRIES]


def show_model(name: str, kind: Kind | None, config: Config) -> ModelState:
    """Return all that is known of a model; `kind` None: the catalogue's, or that of the setting that has it.

    Raises:
        ModelError: when `name` means no model.
    """
    entry = lookup(name)
    usual: Kind = next(
        (kind for kind in ("embedder", "reranker", "adapter") if name == getattr(config, kind)), "llm"
    )
    wanted = understand(name, kind or (entry.kind if entry else usual), config)
    try:
        path = find(wanted)
    except ModelError:
        path = None
    manifest = read_manifest(wanted.weights)
    carrier = entry.carrier if entry else None
    sources = [("local", str(wanted.path or wanted.weights))]
    if wanted.huggingface:
        sources += [("Hugging Face", wanted.huggingface), ("ModelScope", wanted.modelscope)]
    if carrier:
        first, last = carrier.packages[0], carrier.packages[-1]
        sources += [("package carriers", first if first == last else f"{first} to {last}")]
    return ModelState(
        name=wanted.name,
        kind=wanted.kind,
        licence=entry.licence if entry else "",
        size=entry.size if entry else 0,
        sources=tuple(sources),
        path=path,
        fetched_from=manifest.source if manifest else "",
        files=manifest.files if manifest else (),
        conversions=_conversions(wanted.folder),
        on_disk=bytes_below(wanted.folder),
    )


def _conversions(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        return ()
    return tuple(
        sorted(
            path
            for path in folder.iterdir()
            if path.is_dir() and path.name != WEIGHTS and "." not in path.name  # .partial, .old
        )
    )
