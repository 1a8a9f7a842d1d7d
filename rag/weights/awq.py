"""AWQ weights in AutoAWQ's GEMM layout: 4 bits, asymmetric, packed along the outputs.

qweight is int32 (inputs, outputs / 8), qzeros int32 (groups, outputs / 8), scales float16 (groups, outputs).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from rag.weights.words import unpack_columns

if TYPE_CHECKING:
    import torch

    from rag.weights.tensors import SafetensorsFiles

BITS: Final = 4
ORDER: Final = (0, 2, 4, 6, 1, 3, 5, 7)  # the output that each four bits of a word belong to, lowest first


def refusal(settings: Mapping[str, Any]) -> str:
    """Return what of a quantization_config cannot be read here, or ""."""
    version = str(settings.get("version", "gemm")).lower()
    backend = str(settings.get("backend", "autoawq")).lower()
    if settings.get("bits", settings.get("w_bit")) != BITS:
        return f"AWQ of {settings.get('bits', settings.get('w_bit'))} bits"
    if version != "gemm" or backend != "autoawq":
        return f"AWQ in the layout {version!r} of {backend!r}"
    return "" if settings.get("zero_point", True) else "AWQ without zero points"


class Awq:
    """Dequantises such weights; `settings` are config.json's quantization_config."""

    def __init__(self, files: SafetensorsFiles, settings: Mapping[str, Any]) -> None:
        self._files = files
        self._group: int = settings.get("group_size", settings.get("q_group_size", -1))

    def shape(self, module: str) -> tuple[int, ...]:
        inputs, words = self._files.shape(f"{module}.qweight")
        return words * len(ORDER), inputs

    def rows(self, module: str, start: int, stop: int) -> torch.Tensor:
        """Return the weights of outputs `start` to `stop` (outputs, inputs)."""
        per_word = len(ORDER)
        first, last = start // per_word, -(-stop // per_word)
        codes = self._unpacked(f"{module}.qweight", first, last)
        zeros = self._unpacked(f"{module}.qzeros", first, last)
        scales = self._files.cut(f"{module}.scales")[:, first * per_word : last * per_word].float()
        groups, inputs = scales.shape[0], codes.shape[0]
        if self._group not in {-1, inputs // groups} or inputs % groups:
            raise ValueError(f"{module} has {groups} groups of {inputs} inputs, not groups of {self._group}")
        weight = codes.view(groups, -1, codes.shape[1]).sub_(zeros[:, None]).mul_(scales[:, None])
        return weight.view(inputs, -1)[:, start - first * per_word : stop - first * per_word].T.contiguous()

    def _unpacked(self, name: str, first: int, last: int) -> torch.Tensor:
        return unpack_columns(self._files.cut(name)[:, first:last], BITS, ORDER)
