"""GPTQ weights in AutoGPTQ's and GPTQModel's layout: 4 or 8 bits, packed along the inputs.

qweight is int32 (inputs * bits / 32, outputs), qzeros int32 (groups, outputs * bits / 32), scales float16
(groups, outputs), and g_idx, which says the group of each input, int32 (inputs,).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from rag.weights.words import WORD, unpack_columns, unpack_rows

if TYPE_CHECKING:
    import torch

    from rag.weights.tensors import SafetensorsFiles

BITS: Final = (4, 8)
FIRST, SECOND = "gptq", "gptq_v2"  # checkpoint formats
# The first format stores each zero point less one. It was taken off whole words, where a zero point of 0
# borrows from its neighbour, so it is added to whole words.
ONES: Final = {4: 0x11111111, 8: 0x01010101}


def refusal(settings: Mapping[str, Any]) -> str:
    """Return what of a quantization_config cannot be read here, or ""."""
    layout = settings.get("checkpoint_format") or FIRST
    layout = "marlin" if settings.get("is_marlin_format") else str(layout).lower()
    if settings.get("bits") not in BITS:
        return f"GPTQ of {settings.get('bits')} bits"
    if layout not in {FIRST, SECOND}:
        return f"GPTQ in the layout {layout!r}"
    if str(settings.get("pack_dtype") or "int32").removeprefix("torch.") != "int32":
        return f"GPTQ packed into {settings['pack_dtype']}"
    rules = settings.get("dynamic") or {}
    mixed = isinstance(rules, Mapping) and any("bits" in rule for rule in rules.values())
    return "GPTQ of bits that differ from layer to layer" if mixed else ""


class Gptq:
    """Dequantises such weights; `settings` are config.json's quantization_config."""

    def __init__(self, files: SafetensorsFiles, settings: Mapping[str, Any]) -> None:
        self._files = files
        self._bits: int = settings["bits"]
        self._per_word = WORD // self._bits
        first = str(settings.get("checkpoint_format") or FIRST).lower() == FIRST
        self._ones = ONES[self._bits] if first else 0

    def shape(self, module: str) -> tuple[int, ...]:
        words, outputs = self._files.shape(f"{module}.qweight")
        return outputs, words * self._per_word

    def rows(self, module: str, start: int, stop: int) -> torch.Tensor:
        """Return the weights of outputs `start` to `stop` (outputs, inputs)."""
        codes = unpack_rows(self._files.cut(f"{module}.qweight")[:, start:stop], self._bits)
        scales = self._files.cut(f"{module}.scales")[:, start:stop].float()
        groups = self._groups(module, len(codes), len(scales))
        zeros = self._zeros(module, start, stop)
        return codes.sub_(zeros[groups]).mul_(scales[groups]).T.contiguous()

    def _zeros(self, module: str, start: int, stop: int) -> torch.Tensor:
        first, last = start // self._per_word, -(-stop // self._per_word)
        packed = self._files.cut(f"{module}.qzeros")[:, first:last] + self._ones
        zeros = unpack_columns(packed, self._bits, range(self._per_word))
        return zeros[:, start - first * self._per_word : stop - first * self._per_word]

    def _groups(self, module: str, inputs: int, count: int) -> torch.Tensor:
        """Return the group of each input; where no g_idx is stored they follow one another."""
        import torch

        name = f"{module}.g_idx"
        groups = self._files.whole(name).long() if name in self._files else None
        if groups is None:
            return torch.arange(inputs) // -(-inputs // count)
        if groups.shape != (inputs,) or int(groups.min()) < 0 or int(groups.max()) >= count:
            raise ValueError(f"{name} does not name {count} groups of {inputs} inputs")
        return groups
