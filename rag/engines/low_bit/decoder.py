"""A decoder over packed weights: one sequence, keys and values kept by the caller.

The same arithmetic as Hugging Face's models of each family (tests compare the logits), without what a single
sequence on a CPU has no use for: batches, masks of the whole prompt, logits of every position.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch.nn.functional import log_softmax, rms_norm, scaled_dot_product_attention, silu

from rag.engines.low_bit.conversion import Manifest
from rag.engines.low_bit.matmul import Matmul
from rag.engines.low_bit.packed import Packed
from rag.engines.low_bit.packing import WIDE
from rag.errors import ModelError
from rag.weights.architectures import STACKS, head_size
from rag.weights.rotary import plain_frequencies

SCORED: Final = 16  # tokens whose chances are computed at a time: 10 MB of logits
FEW: Final = 16  # tokens that look back one by one, so that each comes out as if it were read by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The weights of one decoder layer."""

    qkv: Packed
    o: Packed
    gate_up: Packed
    down: Packed
    input_norm: torch.Tensor
    post_norm: torch.Tensor  # of what goes into the MLP
    qkv_bias: torch.Tensor | None = None
    after_attention: torch.Tensor | None = None  # norms of what comes out, in GLM-4 of 2025
    after_mlp: torch.Tensor | None = None


class States:
    """Keys and values of a sequence, for `capacity` tokens; memory is taken as tokens fill it."""

    def __init__(self, model: Decoder, capacity: int) -> None:
        shape = (len(model.layers), model.kv_heads, capacity, model.head_size)
        self.keys = torch.empty(shape)  # float32 (layers, kv heads, tokens, head size), rotated
        self.values = torch.empty(shape)
        self.capacity = capacity

    def copy_from(self, other: States, length: int) -> None:
        self.keys[:, :, :length] = other.keys[:, :, :length]
        self.values[:, :, :length] = other.values[:, :, :length]


class Decoder:
    """A decoder whose weights are mapped from a conversion's files."""

    def __init__(self, folder: Path, manifest: Manifest, multiply: Matmul) -> None:
        config: Mapping[str, Any] = manifest.config
        self.heads: int = config["num_attention_heads"]
        self.kv_heads: int = config["num_key_value_heads"]
        self.head_size = head_size(config)
        self._epsilon: float = config["rms_norm_eps"]
        self._multiply = multiply
        files = [folder / f"layer-{number:03}.safetensors" for number in range(config["num_hidden_layers"])]
        self.layers = [self._layer(load_tensors(path), manifest.low_bit) for path in files]
        head = load_tensors(folder / "head.safetensors")
        self._embed = self._packed(head["embed"], WIDE)
        self._lm_head = self._packed(head.get("lm_head", head["embed"]), WIDE)
        self._norm = head["norm"]
        plain = plain_frequencies(config["rope_theta"], self.head_size)
        self._frequencies = head.get("frequencies", plain)

    @property
    def weights(self) -> int:
        """How many numbers the matrices of all layers hold."""
        packed = (each for layer in self.layers for each in (layer.qkv, layer.o, layer.gate_up, layer.down))
        return sum(each.rows * each.columns for each in packed)

    def forward(
        self,
        tokens: Sequence[int],
        states: States,
        slots: range,
        places: Sequence[int] | None = None,
        *,
        rows: int = 1,
    ) -> Iterator[torch.Tensor]:
        """Read `tokens` into slots of the states; yield after each layer, and last the logits.

        Those follow the last `rows` tokens, (rows, vocabulary).
        The states hold all slots before those, and a token sees all up to its own. It stands at one of
        `places`, which are the numbers of the slots unless others are given.
        All but the last tensor yielded are of no use: they are moments at which to stop.
        """
        hidden = yield from self._read(tokens, states, slots, slots if places is None else places)
        yield self._multiply(self._normed(hidden[-rows:]), self._lm_head)

    def score(
        self, tokens: Sequence[int], states: States, slots: range, wanted: Sequence[int]
    ) -> Iterator[torch.Tensor]:
        """Read as `forward` does; yield last the log-probabilities (len(wanted),) of some tokens.

        The last of `wanted` follows all of `tokens`, the one before it all but one, and so on.
        """
        hidden = yield from self._read(tokens, states, slots, slots)
        normed, columns = self._normed(hidden[-len(wanted) :]), torch.tensor(wanted)
        starts = range(0, len(wanted), SCORED)
        yield torch.cat([self._chances(normed[i : i + SCORED], columns[i : i + SCORED]) for i in starts])

    def _chances(self, normed: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        # By the kernel: any other way would unpack the whole vocabulary, a gigabyte.
        logits = self._multiply.multiply(normed, self._lm_head, "kernel")
        return log_softmax(logits, dim=-1).gather(1, wanted[:, None])[:, 0]

    def _normed(self, hidden: torch.Tensor) -> torch.Tensor:
        return self._rms(hidden, self._norm)

    def _rms(self, x: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        return x if weight is None else rms_norm(x, x.shape[-1:], weight, self._epsilon)

    def _read(
        self, tokens: Sequence[int], states: States, slots: range, places: Sequence[int]
    ) -> Generator[torch.Tensor, None, torch.Tensor]:
        """Yield after each layer, and return what the last one says of each token."""
        hidden = self._multiply.rows(self._embed, list(tokens))
        angles = self.angles(places)
        row, mask = slice(slots.start, slots.stop), _mask(slots)
        for number, layer in enumerate(self.layers):
            normed = self._rms(hidden, layer.input_norm)
            keys, values = states.keys[number], states.values[number]
            seen = keys[:, : slots.stop], values[:, : slots.stop]
            attended = self._attend(normed, layer, seen, row=row, angles=angles, mask=mask)
            hidden += self._rms(attended, layer.after_attention)
            gate, up = self._multiply(self._rms(hidden, layer.post_norm), layer.gate_up).chunk(2, dim=-1)
            hidden += self._rms(self._multiply(gated(gate).mul_(up), layer.down), layer.after_mlp)
            yield hidden
        return hidden

    def _packed(self, data: torch.Tensor, low_bit: str) -> Packed:
        columns = self._multiply.kernels.columns(data.shape[1], low_bit)
        return Packed(data=data, low_bit=low_bit, columns=columns)

    def _layer(self, tensors: dict[str, torch.Tensor], low_bit: str) -> Layer:
        packed: dict[str, Any] = {name: self._packed(tensors[name], low_bit) for name in STACKS}
        return Layer(**{**tensors, **packed})

    def _attend(
        self,
        x: torch.Tensor,
        layer: Layer,
        seen: tuple[torch.Tensor, torch.Tensor],
        *,
        row: slice,
        angles: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        count, (keys, values) = x.shape[0], seen
        sizes = [self.heads, self.kv_heads, self.kv_heads]
        qkv = self._multiply(x, layer.qkv)
        if layer.qkv_bias is not None:
            qkv.add_(layer.qkv_bias)
        query, key, value = torch.split(qkv.view(count, -1, self.head_size).transpose(0, 1), sizes)
        keys[:, row] = rotate(key, *angles)
        values[:, row] = value
        query = rotate(query, *angles).view(self.kv_heads, -1, count, self.head_size)
        if count <= FEW:
            attended = _one_by_one(query, keys, values)
        else:  # expanded without a copy, where enable_gqa would make one
            shape = (-1, query.shape[1], -1, -1)
            attended = scaled_dot_product_attention(
                query,
                keys[:, None].expand(shape),
                values[:, None].expand(shape),
                attn_mask=mask,
                is_causal=mask is None,
            )
        mixed = attended.reshape(self.heads, count, self.head_size).transpose(0, 1).reshape(count, -1)
        return self._multiply(mixed, layer.o)

    def angles(self, places: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (places, head size) of rotary position embeddings (arXiv:2104.09864)."""
        angles = torch.outer(torch.tensor(places, dtype=torch.float32), self._frequencies).repeat(1, 2)
        return angles.cos(), angles.sin()


def rotate(x: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Return keys or queries (..., tokens, head size) turned by their angles; by -`sines`, turned back."""
    left, right = x.chunk(2, dim=-1)
    return x * cosines + torch.cat((-right, left), dim=-1) * sines


def gated(x: torch.Tensor) -> torch.Tensor:
    """Return the SiLU of rows, few of them one by one: torch splits many numbers among threads at any place.

    There it computes the last few of each part without vectors, which may give other bits.
    """
    return silu(x) if len(x) > FEW else torch.stack([silu(row) for row in x])


def _one_by_one(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return what each of the last tokens sees; both (kv heads, heads of a group, tokens, head size).

    The heads of a group are so many queries of the same keys.
    """
    count, seen = query.shape[2], keys.shape[1]
    rows = [
        scaled_dot_product_attention(row[:, None], keys[:, None, :end], values[:, None, :end])
        for row, end in zip(query.unbind(2), range(seen - count + 1, seen + 1), strict=True)
    ]
    return torch.cat(rows, dim=1).transpose(1, 2)


def _mask(slots: range) -> torch.Tensor | None:
    """Return what the new tokens may see (new, all), or None when plain causality will do."""
    if len(slots) <= FEW or not slots.start:
        return None
    return torch.arange(slots.stop) <= torch.arange(slots.start, slots.stop)[:, None]


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return a file's tensors, mapped: memory is taken as they are used.

    Raises:
        ModelError: when the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as exc:
        raise ModelError(f"{path} is damaged: {exc}; delete its folder and run `rag models pull`") from exc
