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
BASE: Final = "the model that it was made for"


def own_adapter(path: Path) -> Path:
    """Return the folder of an adapter.

    Raises:
        ModelError: when it holds no usable one.
    """
    if all((path / name).is_file() for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)):
        return path
    if (path / PICKLED_WEIGHTS).is_file():
        raise ModelError(
            f"the adapter {path} has pickled weights, which can run any code when loaded; have PEFT save it"
            " as safetensors"
        )
    if path.is_file() or (path / "config.json").is_file():
        raise ModelError(f"{path} is a whole model, not a LoRA adapter; set it as `model`")
    raise ModelError(
        f"{path} lacks adapter_config.json or adapter_model.safetensors; copy all of the adapter there"
    )


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
    raise ModelError(
        f"{path} is a LoRA adapter, not a whole model; set it as `adapter`, and as `model` {base or BASE}"
    )
