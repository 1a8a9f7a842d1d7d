"""A Qwen2 model as an OpenVINO graph that keeps its keys and values as state, as OpenVINO GenAI wants it.

The inputs are `input_ids`, `attention_mask`, `position_ids` and `beam_idx`, the output is `logits`.
Attention, rotation and norms are written in the shapes that OpenVINO's own transformations look for, so that
GenAI can replace each attention by one over blocks of cache, which is what prefix caching takes. Weights are
float16 here; NNCF rounds them afterwards (`rag.engines.openvino_folder`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from openvino import Model, Node, PartialShape
from openvino import opset13 as op

from rag.weights.sources import Source

ROWS: Final = 16_384  # of a matrix read at a time, to keep memory small
FAR: Final = -65504.0  # added to what a token must not look at
KINDS: Final = ("key", "value")


def build(weights: Source) -> Model:
    """Return the graph of a Qwen2 model."""
    return _Decoder(weights).graph()


class _Decoder:
    def __init__(self, weights: Source) -> None:
        self._weights = weights
        config = weights.config
        self._heads: int = config["num_attention_heads"]
        self._shared: int = config["num_key_value_heads"]
        self._width: int = config["hidden_size"] // self._heads
        self._eps: float = config["rms_norm_eps"]
        self._sinks: list[Node] = []

    def graph(self) -> Model:
        ids, mask, places = (
            _input(name, np.int64, 2) for name in ("input_ids", "attention_mask", "position_ids")
        )
        self._beam = _input("beam_idx", np.int32, 1)
        self._batch = op.gather(op.shape_of(ids), _axes(0), _axes(0))
        self._rotation = self._angles(places)
        self._far = _far(ids, mask)
        table = self._matrix("model.embed_tokens.weight")
        hidden = op.gather(table, ids, _scalar(0))
        for number in range(self._weights.config["num_hidden_layers"]):
            hidden = self._layer(hidden, f"model.layers.{number}", number)
        hidden = self._norm(hidden, "model.norm")
        tied = self._weights.config.get("tie_word_embeddings")
        head = table if tied else self._matrix("lm_head.weight")
        logits = op.result(op.matmul(hidden, head, transpose_a=False, transpose_b=True))
        logits.output(0).set_names({"logits"})
        return Model([logits], self._sinks, [ids, mask, places, self._beam], "qwen2")

    def _angles(self, places: Node) -> tuple[Node, Node]:
        """Return cosines and sines of every place, (batch, 1, tokens, width)."""
        steps = np.arange(0, self._width, 2, dtype=np.float64) / self._width
        speeds = (self._weights.config["rope_theta"] ** -steps).astype(np.float32)
        shape = op.concat([self._batch, _axes(1), _axes(1)], 0)
        many = op.broadcast(_const(speeds.reshape(1, -1, 1)), shape, broadcast_spec="BIDIRECTIONAL")
        turned = op.matmul(
            many, op.convert(op.unsqueeze(places, _scalar(1)), "f32"), transpose_a=False, transpose_b=False
        )
        half = op.transpose(turned, _axes(0, 2, 1))
        whole = op.concat([half, half], -1)
        return op.unsqueeze(op.cos(whole), _scalar(1)), op.unsqueeze(op.sin(whole), _scalar(1))

    def _layer(self, hidden: Node, name: str, number: int) -> Node:
        hidden = op.add(hidden, self._attention(self._norm(hidden, f"{name}.input_layernorm"), name, number))
        seen = self._norm(hidden, f"{name}.post_attention_layernorm")
        gate = op.swish(self._linear(seen, f"{name}.mlp.gate_proj"))
        inner = op.multiply(gate, self._linear(seen, f"{name}.mlp.up_proj"))
        return op.add(hidden, self._linear(inner, f"{name}.mlp.down_proj"))

    def _attention(self, x: Node, name: str, number: int) -> Node:
        query = self._turned(self._split(x, f"{name}.self_attn.q_proj", self._heads))
        key = self._turned(self._split(x, f"{name}.self_attn.k_proj", self._shared))
        value = self._split(x, f"{name}.self_attn.v_proj", self._shared)
        keys, values = (
            self._repeated(self._remembered(new, f"past_key_values.{number}.{kind}present.{number}.{kind}"))
            for new, kind in zip((key, value), KINDS, strict=True)
        )
        mixed = op.scaled_dot_product_attention(query, keys, values, self._far)
        joined = op.reshape(
            op.transpose(mixed, _axes(0, 2, 1, 3)), _axes(0, 0, self._heads * self._width), special_zero=True
        )
        return self._linear(joined, f"{name}.self_attn.o_proj")

    def _split(self, x: Node, name: str, heads: int) -> Node:
        bias = _const(self._vector(f"{name}.bias").reshape(1, 1, -1))
        split = op.reshape(
            op.add(self._linear(x, name), bias), _axes(0, 0, heads, self._width), special_zero=True
        )
        return op.transpose(split, _axes(0, 2, 1, 3))

    def _turned(self, x: Node) -> Node:
        cosines, sines = self._rotation
        half, end = self._width // 2, np.iinfo(np.int64).max
        right = op.slice(x, _axes(half), _axes(end), _axes(1), _axes(3))
        left = op.slice(x, _axes(0), _axes(half), _axes(1), _axes(3))
        rotated = op.concat([op.multiply(right, _const(np.array(-1, np.float32))), left], -1)
        return op.add(op.multiply(x, cosines), op.multiply(rotated, sines))

    def _remembered(self, new: Node, name: str) -> Node:
        """Return what is remembered under `name` with `new` after it, which is remembered from then on."""
        shape = op.concat([self._batch, _axes(self._shared), _axes(0), _axes(self._width)], 0)
        nothing = op.broadcast(_const(np.array(0, np.float32)), shape)
        kept = PartialShape([-1, self._shared, -1, self._width])
        past = op.gather(op.read_value(nothing, name, np.float32, kept), self._beam, _scalar(0))
        both = op.concat([past, new], 2)
        self._sinks.append(op.assign(both, name))
        return both

    def _repeated(self, x: Node) -> Node:
        """Give every head its own copy of the keys or values that it shares."""
        times = self._heads // self._shared
        if times == 1:
            return x
        shape = op.shape_of(x)
        batch, length = (op.gather(shape, _axes(axis), _scalar(0)) for axis in (0, 2))
        wide = op.concat([batch, _axes(self._shared), _axes(times), length, _axes(self._width)], 0)
        copies = op.broadcast(op.unsqueeze(x, _scalar(2)), wide, broadcast_spec="BIDIRECTIONAL")
        return op.reshape(copies, _axes(0, self._heads, -1, self._width), special_zero=True)

    def _norm(self, x: Node, name: str) -> Node:
        spread = op.reduce_mean(op.power(x, _const(np.array(2, np.float32))), _axes(-1), keep_dims=True)
        root = op.sqrt(op.add(spread, _const(np.full((1, 1, 1), self._eps, np.float32))))
        scaled = op.multiply(x, op.divide(_const(np.array(1, np.float32)), root))
        return op.multiply(scaled, _const(self._vector(f"{name}.weight").reshape(1, 1, -1)))

    def _linear(self, x: Node, name: str) -> Node:
        return op.matmul(x, self._matrix(f"{name}.weight"), transpose_a=False, transpose_b=True)

    def _matrix(self, name: str) -> Node:
        rows, columns = self._weights.shape(name)
        whole = np.empty((rows, columns), np.float16)
        for start in range(0, rows, ROWS):
            stop = min(start + ROWS, rows)
            whole[start:stop] = self._weights.rows(name, start, stop).numpy()
        weight = op.constant(whole, shared_memory=True)
        weight.set_friendly_name(name)
        return op.convert(weight, "f32")

    def _vector(self, name: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._weights.rows(name, 0, self._weights.shape(name)[0]).numpy()
        return vector


def _far(ids: Node, mask: Node) -> Node:
    """Return 0 where a token may look and `FAR` where not: at what follows it, and at padding."""
    new, known = (op.squeeze(op.gather(op.shape_of(x), _axes(1), _axes(0)), _axes(0)) for x in (ids, mask))
    keys = op.range(_scalar(0), known, _scalar(1), "i64")
    queries = op.range(op.subtract(known, new), known, _scalar(1), "i64")
    past = op.less_equal(op.unsqueeze(keys, _axes(0)), op.unsqueeze(queries, _axes(1)))
    real = op.unsqueeze(op.not_equal(mask, _scalar(0)), _axes(1, 2))
    seen = op.logical_and(real, op.unsqueeze(past, _axes(0, 1)))
    return op.select(seen, _const(np.array(0, np.float32)), _const(np.array(FAR, np.float32)))


def _input(name: str, kind: Any, rank: int) -> Node:
    node = op.parameter([-1] * rank, kind)
    node.set_friendly_name(name)  # the runtime looks for this name too
    node.output(0).set_names({name})
    return node


def _const(array: NDArray[Any]) -> Node:
    return op.constant(array)


def _axes(*axes: int) -> Node:
    return op.constant(np.array(axes, np.int64))


def _scalar(value: int) -> Node:
    return op.constant(np.array(value, np.int64))
