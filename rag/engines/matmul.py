"""Products with packed weights: ipex-llm's kernel for a few tokens, dequantising and a GEMM for many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import torch

from rag.engines.packed import Packed

KERNEL_TOKENS: Final = 24


class Matmul:
    """Chooses how to multiply by how many tokens there are."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "dequantise")
        self._buffer = torch.empty(0)

    def __call__(self, x: torch.Tensor, weight: Packed) -> torch.Tensor:
        if x.shape[0] <= KERNEL_TOKENS:
            return weight.kernel(x)
        return torch.mm(x, self._dequantised(weight).T)

    def _dequantised(self, weight: Packed) -> torch.Tensor:
        size = weight.rows * weight.columns
        if self._buffer.numel() < size:
            self._buffer = torch.empty(size)
        out = self._buffer[:size].view(weight.rows, weight.columns)
        step = -(-weight.rows // self._threads)
        list(self._pool.map(lambda s: weight.dequantise(out[s : s + step], s), range(0, weight.rows, step)))
        return out
