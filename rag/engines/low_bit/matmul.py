"""Products with packed weights: ipex-llm's kernel for few tokens, dequantising and a GEMM for many.

The kernel's time grows with the tokens; dequantising is paid once for all of them, and then a GEMM is faster.
Where memory allows, it is paid once for good: what was dequantised is kept. Where one overtakes the other,
and whether float32 or bfloat16 is faster, depends on the processor: tuning.py measures it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from sys import maxsize
from threading import Barrier
from typing import Final, Literal, TypeAlias

import torch

from rag.engines.low_bit.kernels import Kernels
from rag.engines.low_bit.packed import Packed

Method: TypeAlias = Literal["kernel", "float32", "bfloat16", "kept float32", "kept bfloat16"]
Plan: TypeAlias = Sequence[tuple[int, Method]]  # (from so many tokens, use this), ascending
KERNEL_ALONE: Final[Plan] = ((1, "kernel"),)
SCRATCH: Final = 131_072  # float32 numbers dequantised at a time: half a megabyte stays in the cache
TILE: Final = 512  # tokens multiplied at a time: a GEMM of more is slower per token
DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}
KEPT: Final = "kept "  # begins the methods that dequantise a matrix once for good


class Matmul:
    """Multiplies by the fastest of its methods; used by one thread at a time."""

    def __init__(
        self, kernels: Kernels, threads: int, plan: Plan = KERNEL_ALONE, kept_plan: Plan = KERNEL_ALONE
    ) -> None:
        """`kept_plan` is for where there is memory for what is dequantised."""
        self.kernels = kernels
        self.plan = plan
        self.kept_plan = kept_plan
        self.threads = threads
        self._pool = _single_threaded_pool(threads)
        self._buffers: dict[Method, torch.Tensor] = {}
        self._kept: dict[tuple[int, Method], torch.Tensor] = {}  # by the address of the packed data

    @property
    def alike(self) -> int:
        """How many tokens at most have the same bits as each by itself: those that the kernel multiplies."""
        return next((least - 1 for least, method in self.plan if method != "kernel"), maxsize)

    def bytes_to_keep(self, weights: int) -> int:
        """Return what it takes to keep so many weights dequantised."""
        kept = [DTYPES[method.removeprefix(KEPT)] for _, method in self.kept_plan if method.startswith(KEPT)]
        return weights * max((dtype.itemsize for dtype in kept), default=0)

    def use_threads(self) -> None:
        """Set how many threads torch and the kernel use when called from this thread."""
        torch.set_num_threads(self.threads)

    def __call__(self, x: torch.Tensor, weight: Packed) -> torch.Tensor:
        """Return `x @ weight.T` in float32; `x` is float32 (tokens, columns)."""
        fitting = [method for least, method in self.plan if x.shape[0] >= least]
        return self.multiply(x, weight, fitting[-1])

    def multiply(self, x: torch.Tensor, weight: Packed, method: Method) -> torch.Tensor:
        if method == "kernel":
            return self.kernels.multiply(x, weight.data, weight.low_bit)
        dense = self._for_good(weight, method) if method.startswith(KEPT) else self._buffered(weight, method)
        result = torch.empty(x.shape[0], weight.rows)
        for start in range(0, x.shape[0], TILE):
            tile = x[start : start + TILE].to(dense.dtype)
            result[start : start + TILE] = torch.mm(tile, dense.T)
        return result

    def rows(self, weight: Packed, numbers: Sequence[int]) -> torch.Tensor:
        """Return some rows of a matrix in float32."""
        out = torch.empty(len(numbers), weight.columns)
        return self.kernels.dequantise(weight.data[list(numbers)], weight.low_bit, out)

    def _buffered(self, weight: Packed, method: Method) -> torch.Tensor:
        """Return the whole matrix, valid until the next call."""
        size = weight.rows * weight.columns
        if method not in self._buffers or self._buffers[method].numel() < size:
            self._buffers[method] = torch.empty(size, dtype=DTYPES[method])
        return self._dequantised(weight, self._buffers[method][:size].view(weight.rows, weight.columns))

    def _for_good(self, weight: Packed, method: Method) -> torch.Tensor:
        key = weight.data.data_ptr(), method
        if key not in self._kept:
            dense = torch.empty(weight.rows, weight.columns, dtype=DTYPES[method.removeprefix(KEPT)])
            self._kept[key] = self._dequantised(weight, dense)
        return self._kept[key]

    def _dequantised(self, weight: Packed, out: torch.Tensor) -> torch.Tensor:
        """Fill `out` (rows, columns), and return it."""
        list(self._pool.map(lambda rows: self._dequantise_rows(weight, out, rows), self._shares(weight)))
        return out

    def _shares(self, weight: Packed) -> Iterator[range]:
        """Yield equal shares of the rows, one for each thread, cut into steps that fit the cache."""
        share = -(-weight.rows // self.threads)
        step = max(1, SCRATCH // weight.columns)
        for start in range(0, weight.rows, share):
            yield range(start, min(start + share, weight.rows), step)

    @torch.inference_mode()  # a property of each thread
    def _dequantise_rows(self, weight: Packed, out: torch.Tensor, rows: range) -> None:
        scratch = torch.empty(rows.step, weight.columns)
        for start in rows:
            stop = min(start + rows.step, rows.stop)
            direct = out.dtype == torch.float32
            target = out[start:stop] if direct else scratch[: stop - start]
            self.kernels.dequantise(weight.data[start:stop], weight.low_bit, target)
            if not direct:
                out[start:stop] = target


def _single_threaded_pool(threads: int) -> ThreadPoolExecutor:
    """Return a pool in whose threads torch does not spread its work further."""
    ready = Barrier(threads + 1)

    def prepare() -> None:
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(threads, "dequantise")
    started = [pool.submit(prepare) for _ in range(threads)]
    ready.wait()
    for future in started:
        future.result()
    torch.set_num_threads(threads)  # the pool's setting became that of threads yet to come
    return pool
