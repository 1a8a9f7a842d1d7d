"""Folders that hold a LoRA adapter instead of a whole model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from rag.errors import ModelError

NO_ADAPTER: Final = "none"  # as a setting
ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
PICKLED_WEIGHTS: Final = "adapter_model.bin"
PICKLED: Final = "pickled weights, which can run any code when loaded; have PEFT save it as safetensors"


def own_adapter(path: Path) -> Path:
    """Return the folder of an adapter.

    Raises:
        ModelError: when it holds no usable one.
    """
    if all((path / name).is_file() for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)):
        return path
    if (path / PICKLED_WEIGHTS).is_file():
        raise ModelError(f"the adapter {path} has {PICKLED}")
    if path.is_file() or (path / "config.json").is_file():
        raise ModelError(f"{path} is a whole model, not a LoRA adapter; set it as `model` and adapter=none")
    raise ModelError(f"{path} lacks {ADAPTER_CONFIG} or {ADAPTER_WEIGHTS}; copy all of the adapter there")


def refuse_adapter(path: Path) -> None:
    """Check that a folder which is meant as a model is no adapter.

    Raises:
        ModelError: with the settings that were meant.
    """
    if not (path / ADAPTER_CONFIG).is_file():
        return
    try:
        base = json.loads((path / ADAPTER_CONFIG).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        base = None
    model = f"model={base}" if base else "the model that it was made for as `model`"
    raise ModelError(f"{path} is a LoRA adapter, not a whole model; set {model} and adapter={path}")
