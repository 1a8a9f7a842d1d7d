"""ipex-llm's native library: quantising, dequantising and multiplying in its low-bit formats.

The library comes in variants for several instruction sets, all of one format. On AMD processors ipex-llm
takes the plain AVX one, whose products of one token take two to four times as long as with AVX2 or AVX-512.
So a variant is loaded by its name here, and tuning.py measures which is fastest. Loading it needs no `import
ipex_llm`, which would import all of transformers (five seconds).
"""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import sys
from pathlib import Path
from typing import Final

import torch

from rag.errors import MissingExtraError, ModelError

# ipex_llm.ggml.quantize.ggml_tensor_qtype; rag.low_bits says why the others are missing.
QTYPES: Final = {"sym_int4": 2, "asym_int4": 3, "sym_int5": 6, "asym_int5": 7, "sym_int8": 8}
# The flags of /proc/cpuinfo without which a variant would crash; the best first.
VARIANTS: Final = {
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "f16c", "fma"},
    "avxvnni": {"avx_vnni", "avx2", "f16c", "fma"},
    "avx2": {"avx2", "f16c", "fma"},
    "avx": {"avx"},
}
# The library has no dequantisation of these: (float16 numbers, bytes of fifth bits) of a block.
UNPACKED_HERE: Final = {"asym_int4": (2, 0), "sym_int5": (1, 8), "asym_int5": (2, 8)}
LOW_NIBBLES: Final = 0x0F0F0F0F0F0F0F0F
BASELINE: Final = "avx"
HISTOGRAM: Final = ctypes.c_int64 * 16


class Kernels:
    """One variant of the library; all matrices are contiguous and all floats are float32."""

    def __init__(self, variant: str) -> None:
        """Load the library.

        Raises:
            MissingExtraError: when ipex-llm is not installed.
            ModelError: when its library cannot be loaded, or not on this kind of machine.
        """
        self.variant = variant
        path = library_folder() / f"libllama_{variant}.so"
        try:
            library = ctypes.CDLL(str(path))
        except OSError as exc:
            raise ModelError(f"{path} cannot be loaded: {exc}; reinstall ipex-llm") from exc
        library.llama_init_backend()  # fills the table of half-precision numbers
        self._block, self._size = library.ggml_qk_size, library.ggml_type_size
        self._size.restype = ctypes.c_size_t
        self._quantise = library.ggml_quantize_tensor
        self._quantise.restype = ctypes.c_size_t
        self._dequantise = library.ggml_dequantize
        self._dequantise.restype = None
        self._multiply = library.ggml_compute_forward_mul_mat_q_fp32
        self._multiply.restype = None
        self._fifth_bits = _fifth_bits()

    def columns(self, row_bytes: int, low_bit: str) -> int:
        qtype = QTYPES[low_bit]
        columns: int = row_bytes // self._size(qtype) * self._block(qtype)
        return columns

    def quantise(self, weight: torch.Tensor, low_bit: str) -> torch.Tensor:
        """Return a matrix (rows, columns) as packed bytes of shape (rows, bytes of a row)."""
        qtype, (rows, columns) = QTYPES[low_bit], weight.shape
        if columns % self._block(qtype):
            raise ModelError(
                f"{columns} columns do not fill blocks of {self._block(qtype)}; choose a model whose width "
                "is a multiple of it"
            )
        packed = torch.empty(rows, columns // self._block(qtype) * self._size(qtype), dtype=torch.uint8)
        source, count = weight.contiguous(), ctypes.c_size_t(weight.numel())
        search = ctypes.c_bool(False)  # noqa: FBT003 - for better scales; ipex-llm's default is without
        self._quantise(_address(source), _address(packed), qtype, count, columns, HISTOGRAM(), search)
        return packed

    def dequantise(self, packed: torch.Tensor, low_bit: str, out: torch.Tensor) -> torch.Tensor:
        """Fill `out` (rows, columns) from `packed`; return it. Other threads run meanwhile."""
        if low_bit in UNPACKED_HERE:
            return _unpack(packed, low_bit, out, self._fifth_bits)
        self._dequantise(_address(packed), _address(out), ctypes.c_size_t(out.numel()), QTYPES[low_bit])
        return out

    def multiply(self, x: torch.Tensor, packed: torch.Tensor, low_bit: str) -> torch.Tensor:
        """Return `x @ packed.T`, with `x` (n, columns) quantised to 8 bits on the way, as ggml does."""
        x = x.contiguous()
        result = torch.empty(x.shape[0], packed.shape[0])
        shape = (ctypes.c_int64 * 2)(x.shape[1], packed.shape[0])
        x_shape = (ctypes.c_int64 * 2)(x.shape[1], x.shape[0])
        self._multiply(shape, _address(packed), QTYPES[low_bit], x_shape, _address(x), _address(result))
        return result


def usable_variants() -> list[str]:
    """Return the variants that this processor can run, likely the fastest first."""
    flags = _cpu_flags()
    return [name for name, needed in VARIANTS.items() if needed <= flags] or [BASELINE]


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return set(next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "").split())


def library_folder() -> Path:
    """Return where ipex-llm's libraries lie.

    Raises:
        MissingExtraError: when ipex-llm is not installed.
        ModelError: when they cannot run on this machine.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise ModelError(
            "the ipex engine needs Linux on x86-64; RAG_ENGINE=echo tries the rest without a model"
        )
    spec = importlib.util.find_spec("ipex_llm")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("the package ipex-llm is not installed; run `make install`")
    return Path(spec.submodule_search_locations[0]) / "libs"


def _address(tensor: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _unpack(packed: torch.Tensor, low_bit: str, out: torch.Tensor, fifth_bits: torch.Tensor) -> torch.Tensor:
    """Blocks of 64 columns: scale and least value as float16, fifth bits, then 32 bytes of two columns each.

    Symmetric types have no least value: their codes count from -16. Eight codes are unpacked at a time.
    """
    heads, high_bytes = UNPACKED_HERE[low_bit]
    blocks = packed.view(packed.shape[0], -1, 2 * heads + high_bytes + 32)
    head = blocks[..., : 2 * heads].contiguous().view(torch.float16).float()
    scale, least = head[..., :1], head[..., 1:] if heads > 1 else head * -16
    nibbles = blocks[..., -32:].contiguous().view(torch.int64)
    codes = torch.cat((nibbles & LOW_NIBBLES, nibbles >> 4 & LOW_NIBBLES), dim=-1)
    if high_bytes:
        high = blocks[..., 2 * heads : -32].reshape(-1).int()
        codes |= fifth_bits.index_select(0, high).view_as(codes)
    numbers = out.view(*codes.shape[:-1], -1).copy_(codes.view(torch.uint8))
    numbers.mul_(scale).add_(least)
    return out


def _fifth_bits() -> torch.Tensor:
    """Return for each byte its bits as the fifth bits of eight codes, which are a byte each of an int64."""
    bits = (torch.arange(256)[:, None] >> torch.arange(8) & 1) << 4
    return bits.to(torch.uint8).view(torch.int64)[:, 0]
