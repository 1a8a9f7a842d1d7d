"""The states of a passage for the disk: keys turned back to no place, keys and values in eight bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import torch

from rag.engines.low_bit.decoder import rotate

if TYPE_CHECKING:
    from rag.engines.low_bit.decoder import Decoder, States

STEPS: Final = 255
KEYS, VALUES = "keys", "values"
SCALE, LEAST = "_scale", "_least"  # end the names of a step's size, and of what 0 stands for


def quantised(states: States, slots: range, model: Decoder) -> dict[str, torch.Tensor]:
    """Return the states of slots that stand at the places of their numbers.

    They are (layers, kv heads, tokens, head size) in eight bits. Some channels of keys are large throughout
    and vary little, so keys share a step by channel, values by token (Liu et al. 2024, KIVI,
    arXiv:2402.02750), each from its least to its greatest: steps from 0 on err by up to .20 of how much a
    layer's keys of Qwen2.5-Coder-1.5B vary, these by .007.
    """
    row = slice(slots.start, slots.stop)
    cosines, sines = model.angles(slots)
    keys = _in_eight_bits(KEYS, rotate(states.keys[:, :, row], cosines, -sines), dim=2)
    return keys | _in_eight_bits(VALUES, states.values[:, :, row], dim=3)


def restore(
    stored: Mapping[str, torch.Tensor], states: States, slots: range, places: Sequence[int], model: Decoder
) -> None:
    """Put stored states into slots, at such places."""
    row = slice(slots.start, slots.stop)
    states.keys[:, :, row] = rotate(_in_full(KEYS, stored), *model.angles(places))
    states.values[:, :, row] = _in_full(VALUES, stored)


def _in_eight_bits(name: str, x: torch.Tensor, *, dim: int) -> dict[str, torch.Tensor]:
    least = x.amin(dim, keepdim=True)
    scale = ((x.amax(dim, keepdim=True) - least) / STEPS).clamp_min(torch.finfo(x.dtype).tiny)
    return {name: ((x - least) / scale).round().to(torch.uint8), name + SCALE: scale, name + LEAST: least}


def _in_full(name: str, stored: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return stored[name] * stored[name + SCALE] + stored[name + LEAST]
