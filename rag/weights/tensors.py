"""The tensors of a safetensors folder as float rows, whether they are stored as floats, AWQ or GPTQ."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from rag.errors import ModelError
from rag.weights import awq, gptq

if TYPE_CHECKING:
    import torch

METHODS: Final[dict[str, Callable[[SafetensorsFiles, Mapping[str, Any]], Layout]]] = {
    "awq": awq.Awq,
    "gptq": gptq.Gptq,
}
REFUSALS: Final = {"awq": awq.refusal, "gptq": gptq.refusal}
WORDS: Final = "qweight"
OLD_SETTINGS: Final = "quantize_config.json"  # AutoGPTQ's, from before config.json had a place for them
CURE: Final = (
    "choose it unquantised, as GPTQ of 4 or 8 bits, as AWQ of 4 bits in the layout gemm, or as a GGUF file"
)


class Tensors(Protocol):
    """Weights by the names that they are stored under, less what their quantisation adds."""

    def shape(self, name: str) -> tuple[int, ...]: ...

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        """Return rows `start` to `stop` of a tensor in float32; of a vector, those elements."""
        ...


class Layout(Protocol):
    """How the weight of a module is quantised."""

    def shape(self, module: str) -> tuple[int, ...]: ...

    def rows(self, module: str, start: int, stop: int) -> torch.Tensor: ...


class SafetensorsFiles:
    """Tensors by name in opened safetensors files."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self._files = files  # name of a tensor -> the file that holds it

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def cut(self, name: str) -> Any:
        """Return a tensor to be sliced, of which only the slice is read."""
        return self._files[name].get_slice(name)

    def whole(self, name: str) -> torch.Tensor:
        tensor: torch.Tensor = self._files[name].get_tensor(name)
        return tensor

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.cut(name).get_shape())

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        tensor: torch.Tensor = self.cut(name)[start:stop]
        return tensor.float().contiguous()


class Dequantised:
    """Tensors of which some weights are quantised; the others pass as they are."""

    def __init__(self, files: SafetensorsFiles, layout: Layout) -> None:
        self._files = files
        self._layout = layout

    def shape(self, name: str) -> tuple[int, ...]:
        module = self._module(name)
        return self._layout.shape(module) if module else self._files.shape(name)

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        module = self._module(name)
        return self._layout.rows(module, start, stop) if module else self._files.rows(name, start, stop)

    def _module(self, name: str) -> str:
        module, _, kind = name.rpartition(".")
        return module if kind == "weight" and f"{module}.{WORDS}" in self._files else ""


def open_tensors(folder: Path, config: Mapping[str, Any], opened: Mapping[str, Any]) -> Tensors:
    """Return the tensors of `opened` safetensors files; `config` is their folder's config.json.

    Raises:
        ModelError: when they are quantised in a way that is not read here.
    """
    settings = _settings(folder, config)
    refuse_unreadable(settings, folder)
    files = SafetensorsFiles(opened)
    if settings:
        return Dequantised(files, METHODS[_method(settings)](files, settings))
    words = next((name for name in files if name.endswith(f".{WORDS}")), "")
    if words:
        raise ModelError(f"{folder} holds {words}, but its config.json has no quantization_config; {CURE}")
    return files


def _settings(folder: Path, config: Mapping[str, Any]) -> Any:
    settings = config.get("quantization_config")
    if settings is None and (folder / OLD_SETTINGS).is_file():
        old = json.loads((folder / OLD_SETTINGS).read_text(encoding="utf-8"))
        return {"quant_method": "gptq", **old}
    return {} if settings is None else settings


def _method(settings: Mapping[str, Any]) -> str:
    return str(settings.get("quant_method", "an unnamed method")).lower()


def refuse_unreadable(settings: Any, place: object) -> None:
    """Check that weights whose quantization_config is `settings`, {} where they are floats, are read here.

    Raises:
        ModelError: that says of the model at `place` how it is quantised.
    """
    if not isinstance(settings, Mapping):
        raise ModelError(f"the quantization_config of {place} is not a JSON object; fetch it again")
    if not settings:
        return
    method = _method(settings)
    problem = REFUSALS[method](settings) if method in REFUSALS else method
    if problem:
        raise ModelError(f"{place} is quantised by {problem}, which is not read here; {CURE}")
