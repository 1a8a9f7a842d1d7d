"""Which files of a hub's repository are needed, and which are refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rag.errors import ModelError
from rag.models.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PICKLED_WEIGHTS
from rag.models.catalogue import Kind
from rag.models.files import ModelFile, is_pickled

WEIGHTS: Final = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
GGUF_CHOICE: Final = ("q4_k_m", "q4_0", "q5_k_m", "q8_0", "f16")  # the first that a repository has
PLAIN: Final = frozenset({".json", ".txt", ".model", ".jinja"})
OTHER_RUNTIMES: Final = ("onnx", "openvino", "original", "coreml", "flax")


def choose_files(files: Sequence[ModelFile], kind: Kind, *, trusted: bool) -> list[ModelFile]:
    """Pick what is needed of a repository: safetensors, or else one GGUF, with configs and tokenizer.

    Raises:
        ModelError: when the weights are pickled, missing, or of no known form.
    """
    files = [file for file in files if ".." not in Path(file.path).parts and not file.path.startswith("/")]
    if kind == "adapter":
        return _choose_adapter(files)
    plain = [file for file in files if _is_plain(file.path, kind, trusted=trusted)]
    weights = [file for file in files if WEIGHTS.fullmatch(file.path)]
    if weights:
        nested = [file for file in files if _is_nested_weights(file.path, kind)]
        return [*plain, *weights, *nested]
    ggufs = [file for file in files if file.path.lower().endswith(".gguf") and "-of-" not in file.path]
    if ggufs and kind == "llm":
        return [_choose_gguf(ggufs)]
    if kind == "llm" and any(file.path == ADAPTER_CONFIG for file in files):
        raise ModelError("it is a LoRA adapter, not a whole model; set it as `adapter`, its base as `model`")
    pickled = [file.path for file in files if is_pickled(file.path) and "/" not in file.path]
    if pickled:
        raise ModelError(
            f"it has only pickled weights ({', '.join(pickled[:3])}), which can run any code when loaded"
        )
    raise ModelError("it has no safetensors" + (" and no GGUF file" if kind == "llm" else ""))


def _choose_adapter(files: Sequence[ModelFile]) -> list[ModelFile]:
    names = {file.path for file in files}
    if {ADAPTER_CONFIG, ADAPTER_WEIGHTS} <= names:
        return [file for file in files if file.path in {ADAPTER_CONFIG, ADAPTER_WEIGHTS, "LICENSE"}]
    if PICKLED_WEIGHTS in names:
        raise ModelError(
            f"it has only pickled weights ({PICKLED_WEIGHTS}), which can run any code when loaded"
        )
    raise ModelError(f"it has no {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}: it is no LoRA adapter")


def _is_plain(path: str, kind: Kind, *, trusted: bool) -> bool:
    top, _, below = path.partition("/")
    if below and (kind == "llm" or top in OTHER_RUNTIMES or "/" in below):
        return False
    suffix = Path(path).suffix
    return suffix in PLAIN or path == "LICENSE" or (suffix == ".py" and trusted)


def _is_nested_weights(path: str, kind: Kind) -> bool:
    top, _, below = path.partition("/")
    return kind == "embedder" and top not in OTHER_RUNTIMES and WEIGHTS.fullmatch(below) is not None


def _choose_gguf(ggufs: Sequence[ModelFile]) -> ModelFile:
    if len(ggufs) == 1:
        return ggufs[0]
    for wanted in GGUF_CHOICE:
        for file in ggufs:
            if file.path.lower().endswith(f"{wanted}.gguf"):
                return file
    raise ModelError(
        f"it has {len(ggufs)} GGUF files and none of {', '.join(GGUF_CHOICE)}; download one and name its path"
    )
