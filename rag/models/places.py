"""What a model's name means and where its files lie."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rag.errors import ModelError
from rag.models.adapters import ADAPTER_CONFIG, own_adapter, refuse_adapter
from rag.models.catalogue import Entry, Kind, lookup, suggest
from rag.models.files import is_pickled, read_manifest, whole_model

if TYPE_CHECKING:
    from rag.config import Config

HUB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
SETTINGS: Final[dict[Kind, str]] = {
    "llm": "model",
    "embedder": "embedder",
    "reranker": "reranker",
    "adapter": "adapter",
}
CALLED: Final[dict[Kind, str]] = {
    "llm": "an LLM",
    "embedder": "an embedder",
    "reranker": "a reranker",
    "adapter": "a LoRA adapter",
}
CONFIGS: Final = ("config.json", ADAPTER_CONFIG)  # a folder with one of them is meant as a model
WEIGHTS: Final = "weights"  # below a model's folder; beside it lie the conversions, named by their type


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A name understood: a catalogue entry, a path, or an id on the hubs."""

    name: str
    kind: Kind
    folder: Path  # below models_dir
    entry: Entry | None = None
    path: Path | None = None  # a folder or GGUF file of the user's own
    huggingface: str = ""
    modelscope: str = ""

    @property
    def weights(self) -> Path:
        """Where fetched files lie when they are whole."""
        return self.folder / WEIGHTS


def understand(name: str, kind: Kind, config: Config) -> Wanted:
    """Say what `name` means: the user's own path first, then the catalogue, then an id on the hubs.

    Raises:
        ModelError: when it is none of them, or names a model of the other kind.
    """
    try:
        path = _own_path(name, config)
    except (OSError, RuntimeError) as exc:  # a name too long for a path; an unknown ~user
        raise ModelError(f"{name[:80]!r} is no model: {exc}") from exc
    if path is not None:
        digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
        folder = config.models_dir / f"{_safe(path.stem)}-{digest}"
        return Wanted(name=name, kind=kind, folder=folder, path=path)
    entry = lookup(name)
    if entry is None:
        return _from_hub(name, kind, config)
    if entry.kind != kind:
        setting = SETTINGS[kind]
        raise ModelError(f"{setting}={name!r}: {entry.id} is {CALLED[entry.kind]}; choose another {setting}")
    return Wanted(
        name=entry.id,
        kind=kind,
        folder=config.models_dir / entry.id,
        entry=entry,
        huggingface=entry.huggingface,
        modelscope=entry.modelscope,
    )


def _own_path(name: str, config: Config) -> Path | None:
    """Return the path that `name` is, or that it names in models_dir, if it holds a model."""
    if not name.strip() or "\0" in name:
        return None
    given = Path(name).expanduser()
    if _is_gguf(given) and given.is_file():
        return given
    if given.is_dir() and (_looks_meant(name) or _has_config(given) or any(map(_is_gguf, given.iterdir()))):
        return given
    if HUB_ID.fullmatch(name) or HUB_ID.fullmatch(f"own/{name}"):
        kept = config.models_dir / name
        for path in (kept, kept.with_name(f"{kept.name}.gguf")):
            if path.is_file() if path.suffix == ".gguf" else _has_config(path):
                return path
    return None


def _is_gguf(path: Path) -> bool:
    return path.suffix.lower() == ".gguf"


def _has_config(folder: Path) -> bool:
    return any((folder / name).is_file() for name in CONFIGS)


def _looks_meant(name: str) -> bool:
    return name.startswith((".", "/", "~")) or "\\" in name


def _from_hub(name: str, kind: Kind, config: Config) -> Wanted:
    if _looks_meant(name) or name.lower().endswith(".gguf"):
        raise ModelError(f"{name!r} is neither a model folder nor a GGUF file; check the path")
    if not HUB_ID.fullmatch(name) or ".." in name:
        raise ModelError(
            f"{name!r} is no model: not in the catalogue, no path, and no hub id of the form org/name;"
            f" {suggest(name)}"
        )
    folder = config.models_dir / name.replace("/", "--")
    return Wanted(name=name, kind=kind, folder=folder, huggingface=name, modelscope=name)


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name).strip(".") or "model"


def find(wanted: Wanted) -> Path | None:
    """Return the model's path on this machine when it is whole, else None; no network.

    Raises:
        ModelError: when the user's own path holds no usable weights.
    """
    if wanted.path is not None:
        return own_adapter(wanted.path) if wanted.kind == "adapter" else _own_model(wanted.path, wanted.kind)
    manifest = read_manifest(wanted.weights)
    if manifest is None:
        return None
    ggufs = [file.path for file in manifest.files if file.path.endswith(".gguf")]
    return wanted.weights / ggufs[0] if ggufs and wanted.kind == "llm" else wanted.weights


def _own_model(path: Path, kind: Kind) -> Path:
    if path.is_file():
        if kind != "llm":
            raise ModelError(
                f"{path} is a GGUF file; {CALLED[kind]} has to be a sentence-transformers folder"
            )
        return path
    if whole_model(path):
        return path
    if kind == "llm":
        refuse_adapter(path)
    ggufs = sorted(path.glob("*.gguf"))
    if len(ggufs) == 1 and kind == "llm":
        return ggufs[0]
    if any(is_pickled(file.name) for file in path.iterdir()):
        raise ModelError(
            f"{path} holds pickled weights, which can run any code when loaded; put safetensors or GGUF there"
        )
    raise ModelError(f"{path} lacks config.json, a tokenizer or model.safetensors; copy all of it there")
