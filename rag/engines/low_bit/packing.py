"""A source's weights as the tensors of a conversion: stacked, in the decoder's order of rows, and packed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from rag.weights.architectures import architecture_of, head_size
from rag.weights.sources import Source

if TYPE_CHECKING:
    import torch

WIDE: Final = "sym_int8"  # of embeddings and lm_head, where four bits cost the most quality for their size
ROWS: Final = 4096  # converted at a time, to keep memory small


def head_tensors(weights: Source) -> dict[str, torch.Tensor]:
    """Return all that is not in a layer."""
    from torch.nn.functional import normalize

    architecture, config = architecture_of(weights.config), weights.config
    head = {"embed": _pack(_blocks(weights, [f"{architecture.embed}.weight"]), WIDE)}
    if not config.get("tie_word_embeddings"):
        blocks = _blocks(weights, [f"{architecture.lm_head}.weight"])
        head["lm_head"] = _pack(map(normalize, blocks) if config.get("normalised_head") else blocks, WIDE)
    return head | {"norm": _whole(weights, f"{architecture.norm}.weight")} | _frequencies(weights)


def layer_tensors(weights: Source, number: int, low_bit: str) -> dict[str, torch.Tensor]:
    """Return those of a layer."""
    import torch

    architecture = architecture_of(weights.config)
    prefix = f"{architecture.layers}.{number}"
    named = {stack: [f"{prefix}.{name}" for name in names] for stack, names in architecture.stacks.items()}
    order = _order(weights)
    tensors = {}
    for stack, names in named.items():
        blocks = _blocks(weights, [f"{name}.weight" for name in names])
        if stack == "qkv" and order is not None:
            blocks = iter([torch.cat([*blocks])[order]])
        tensors[stack] = _pack(blocks, low_bit)
    for norm, name in architecture.norms.items():
        tensors[norm] = _whole(weights, f"{prefix}.{name}.weight")
    if weights.config.get("attention_bias"):
        bias = torch.cat([_whole(weights, f"{name}.bias") for name in named["qkv"]])
        tensors["qkv_bias"] = bias if order is None else bias[order]
    return tensors


def _frequencies(weights: Source) -> dict[str, torch.Tensor]:
    """Return those of the rotation, where the decoder cannot tell them from `rope_theta` alone."""
    from rag.weights.rotary import frequencies, plain_frequencies

    size = head_size(weights.config)
    found = frequencies(weights.config, size)
    plain = plain_frequencies(weights.config["rope_theta"], size)
    return {} if found.equal(plain) else {"frequencies": found}


def _order(weights: Source) -> torch.Tensor | None:
    """Return the rows of the stack of queries, keys and values in the decoder's order; None as they are."""
    import torch

    from rag.weights.rotary import row_order, turned

    config, size = weights.config, head_size(weights.config)
    share = turned(config, size)
    in_pairs = architecture_of(config).in_pairs
    if share == size and not in_pairs:
        return None
    head = row_order(size, share, in_pairs=in_pairs)
    turning = config["num_attention_heads"] + config["num_key_value_heads"]
    rows = [head + number * size for number in range(turning)]
    values = torch.arange(config["num_key_value_heads"] * size) + turning * size
    return torch.cat([*rows, values])


def _whole(weights: Source, name: str) -> torch.Tensor:
    return weights.rows(name, 0, weights.shape(name)[0])


def _blocks(weights: Source, names: Iterable[str]) -> Iterator[torch.Tensor]:
    """Yield the rows of some matrices, a few at a time."""
    for name in names:
        rows = weights.shape(name)[0]
        for start in range(0, rows, ROWS):
            yield weights.rows(name, start, min(start + ROWS, rows))


def _pack(blocks: Iterable[torch.Tensor], low_bit: str) -> torch.Tensor:
    import torch

    from rag.engines.low_bit.kernels import BASELINE, Kernels

    kernels = Kernels(BASELINE)
    # Scales fitted by least squares lower the error of the weights by a tenth, but the 0.5B model's words get
    # worse (KL divergence 0.146 to 0.164 on English, 0.147 to 0.183 on Chinese text): ipex-llm's own stay.
    return torch.cat([kernels.quantise(block, low_bit) for block in blocks])
