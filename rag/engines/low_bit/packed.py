"""A matrix in one of ipex-llm's low-bit formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Rows of blocks of 64 columns, each block with its own scale."""

    data: torch.Tensor  # uint8 (rows, bytes of a row)
    low_bit: str
    columns: int

    @property
    def rows(self) -> int:
        return self.data.shape[0]
