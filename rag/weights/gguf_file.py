"""The header of a GGUF file and where its tensors lie.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The package `gguf` reads it too, but takes
many seconds over a vocabulary of 150,000 words; it is used for dequantising only.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelError

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
SMALLEST: Final = 24  # bytes: magic, version and two counts
ALIGNMENT: Final = 32  # bytes, unless the header says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor's place: `shape` has rows first, `offset` counts from the start of the data."""

    shape: tuple[int, ...]
    kind: int  # ggml's number of the quantisation
    offset: int  # bytes


class GgufFile:
    """A mapped GGUF file: `metadata` and `tensors` by name."""

    def __init__(self, path: Path) -> None:
        """Read the header of `path`.

        Raises:
            ModelError: when it is not a GGUF file of a known version, or cut short.
        """
        self._path = path
        if path.stat().st_size < SMALLEST:
            raise ModelError(f"{path} is not a GGUF file; fetch it again")
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._at = len(MAGIC)
        if self._bytes[: self._at] != MAGIC:
            raise ModelError(f"{path} is not a GGUF file; fetch it again")
        try:
            self._read_header(path)
        except (struct.error, ArithmeticError, IndexError, KeyError, TypeError, ValueError) as exc:
            raise ModelError(f"{path} is damaged or cut short: {exc}; fetch it again") from exc

    def _read_header(self, path: Path) -> None:
        version = self._scalar("I")
        if version not in VERSIONS:
            raise ModelError(f"{path} is GGUF version {version}; known here are {VERSIONS}")
        tensors, keys = self._scalar("Q"), self._scalar("Q")
        self.metadata = {self._string(): self._value(self._scalar("I")) for _ in range(keys)}
        self.tensors = dict(self._tensor() for _ in range(tensors))
        alignment = self.metadata.get("general.alignment", ALIGNMENT)
        self._data = -(-self._at // alignment) * alignment

    def _scalar(self, kind: str) -> Any:
        (value,) = struct.unpack_from("<" + kind, self._bytes, self._at)
        self._at += struct.calcsize("<" + kind)
        return value

    def _string(self) -> str:
        size = self._scalar("Q")
        self._at += size
        return self._bytes[self._at - size : self._at].decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._string()
        if kind != ARRAY:
            return self._scalar(SCALARS[kind])
        kind, count = self._scalar("I"), self._scalar("Q")
        return [self._value(kind) for _ in range(count)]

    def _tensor(self) -> tuple[str, Tensor]:
        name = self._string()
        shape = tuple(self._scalar("Q") for _ in range(self._scalar("I")))[::-1]
        return name, Tensor(shape=shape, kind=self._scalar("I"), offset=self._scalar("Q"))

    def rows(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """Return rows `start` to `stop` of a tensor in float32; of a vector, those elements."""
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
        from gguf.quants import dequantize

        tensor = self.tensors[name]
        try:
            kind = GGMLQuantizationType(tensor.kind)
            block, size = GGML_QUANT_SIZES[kind]
        except (ValueError, KeyError) as exc:
            raise ModelError(_unknown(self._path, name, tensor.kind)) from exc
        width = (tensor.shape[-1] if len(tensor.shape) > 1 else 1) * size // block
        place = self._data + tensor.offset + start * width
        if place + (stop - start) * width > len(self._bytes):
            raise ModelError(
                f"{self._path}: tensor {name} lies beyond the end: the file was cut short; fetch it again"
            )
        raw = np.frombuffer(self._bytes, np.uint8, (stop - start) * width, place)
        try:
            values: NDArray[np.float32] = dequantize(raw.reshape(stop - start, width), kind)
        except NotImplementedError as exc:
            raise ModelError(_unknown(self._path, name, kind.name)) from exc
        return values.astype(np.float32).reshape(stop - start, *tensor.shape[1:])


def _unknown(path: Path, name: str, kind: int | str) -> str:
    return (
        f"{path}: tensor {name} is of the unknown quantisation {kind}; fetch the model in another, say Q8_0"
    )
