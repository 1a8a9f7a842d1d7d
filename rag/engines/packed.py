"""Matrices in ipex-llm's low-bit formats: quantising, dequantising and its own kernel."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import ipex_llm.ggml.model.llama.llama_cpp as ggml
import torch
from ipex_llm.ggml.quantize import ggml_tensor_qtype
from ipex_llm.transformers.low_bit_linear import ggml_convert_qtype, ggml_matmul_src1_x_src0_t


def quantise(weight: torch.Tensor, low_bit: str) -> torch.Tensor:
    """Return a float32 matrix (rows, columns) as packed bytes of shape (rows, bytes of a row)."""
    packed: torch.Tensor = ggml_convert_qtype(weight.contiguous(), ggml_tensor_qtype[low_bit], device="cpu")
    return packed.view(weight.shape[0], -1)


@dataclass(frozen=True, slots=True)
class Packed:
    """A matrix of low-bit weights; each row is a run of blocks of 32 columns."""

    data: torch.Tensor  # uint8 (rows, bytes of a row)
    low_bit: str

    @property
    def rows(self) -> int:
        return self.data.shape[0]

    @property
    def columns(self) -> int:
        qtype = ggml_tensor_qtype[self.low_bit]
        block: int = ggml.ggml_qk_size(qtype)
        size: int = ggml.ggml_type_size(qtype)
        return self.data.shape[1] // size * block

    def kernel(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x @ self.T` for float32 `x` (n, columns), computed by ipex-llm's own kernel."""
        shape = (self.rows, self.columns)
        result: torch.Tensor = ggml_matmul_src1_x_src0_t(self.data, x, shape, ggml_tensor_qtype[self.low_bit])
        return result

    def dequantise(self, out: torch.Tensor, start: int = 0) -> torch.Tensor:
        """Fill float32 `out` (n, columns) with rows `start` to `start + n`; return it."""
        source = self.data.data_ptr() + start * self.data.stride(0)
        ggml.ggml_dequantize(
            ctypes.c_void_p(source),
            ctypes.c_void_p(out.data_ptr()),
            out.numel(),
            ggml_tensor_qtype[self.low_bit],
        )
        return out
