"""The states of a passage for the disk: keys turned back to no place, keys and values in eight bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import torch

from rag.engines.low_bit.decoder import rotate

if TYPE_CHECKING:
    from rag.engines.low_bit.decoder import Decoder, States

MOST: Final = 127
KEYS, KEY_SCALES, VALUES, VALUE_SCALES = "keys", "key_scales", "values", "value_scales"


def quantised(states: States, slots: range, model: Decoder) -> dict[str, torch.Tensor]:
    """Return the states of slots that stand at the places of their numbers.

    They are (layers, kv heads, tokens, head size) in int8. Some channels of keys are large throughout, so
    keys share a scale by channel, values by token (Liu et al. 2024, KIVI, arXiv:2402.02750).
    """
    row = slice(slots.start, slots.stop)
    cosines, sines = model.angles(slots)
    keys, key_scales = _in_eight_bits(rotate(states.keys[:, :, row], cosines, -sines), dim=2)
    values, value_scales = _in_eight_bits(states.values[:, :, row], dim=3)
    return {KEYS: keys, KEY_SCALES: key_scales, VALUES: values, VALUE_SCALES: value_scales}


def restore(
    stored: Mapping[str, torch.Tensor], states: States, slots: range, places: Sequence[int], model: Decoder
) -> None:
    """Put stored states into slots, at such places."""
    row = slice(slots.start, slots.stop)
    states.keys[:, :, row] = rotate(stored[KEYS] * stored[KEY_SCALES], *model.angles(places))
    states.values[:, :, row] = stored[VALUES] * stored[VALUE_SCALES]


def _in_eight_bits(x: torch.Tensor, *, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    scales = (x.abs().amax(dim, keepdim=True) / MOST).clamp_min(torch.finfo(x.dtype).tiny)
    return (x / scales).round().to(torch.int8), scales
