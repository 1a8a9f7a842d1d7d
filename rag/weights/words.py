"""Numbers of a few bits, packed into 32-bit words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

WORD: Final = 32  # bits


def unpack_columns(packed: torch.Tensor, bits: int, order: Sequence[int]) -> torch.Tensor:
    """Return words that lie along a row (rows, words) as float32 (rows, numbers).

    `order` says which of a word's columns the lowest bits hold, and so on upwards.
    """
    import torch

    numbers = torch.empty(packed.shape[0], packed.shape[1] * len(order))
    for place, column in enumerate(order):
        numbers[:, column :: len(order)] = (packed >> bits * place) & (1 << bits) - 1
    return numbers


def unpack_rows(packed: torch.Tensor, bits: int) -> torch.Tensor:
    """Return words that lie along a column (words, columns), lowest bits first, as float32."""
    import torch

    count = WORD // bits
    numbers = torch.empty(packed.shape[0] * count, packed.shape[1])
    for place in range(count):
        numbers[place::count] = (packed >> bits * place) & (1 << bits) - 1
    return numbers
