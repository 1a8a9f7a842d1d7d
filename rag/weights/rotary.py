"""Rotary places (arXiv:2104.09864) of every family as one kind: each head turned whole, its halves in pairs.

A family that turns neighbours, or a share of a head, gives the same products of queries and keys when the
rows of both are put in another order, and what is not turned is turned at the frequency 0. So the decoder
knows one way only, and the order is made when the weights are converted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch


def turned(config: Mapping[str, Any], head_size: int) -> int:
    """Return how many numbers of a head are turned."""
    return int(head_size * config.get("partial_rotary_factor", 1.0))


def plain_frequencies(theta: float, size: int) -> torch.Tensor:
    """Return the radians a place (size / 2,) of heads turned whole."""
    return torch.pow(theta, -torch.arange(0, size, 2) / size)


def frequencies(config: Mapping[str, Any], head_size: int) -> torch.Tensor:
    """Return the radians a place (head size / 2,), scaled as the config says."""
    share = turned(config, head_size)
    still = torch.zeros((head_size - share) // 2)
    return torch.cat((_scaled(plain_frequencies(config["rope_theta"], share), config), still))


def row_order(head_size: int, share: int, *, in_pairs: bool) -> torch.Tensor:
    """Return which row of a head (head size,) comes where, so that halves are turned against each other."""
    turning, still = torch.arange(share), torch.arange(share, head_size)
    left, right = (turning[0::2], turning[1::2]) if in_pairs else turning.chunk(2)
    before, after = still.chunk(2) if len(still) else (still, still)
    return torch.cat((left, before, right, after))


def _scaled(plain: torch.Tensor, config: Mapping[str, Any]) -> torch.Tensor:
    """Follow `rope_scaling`, whose kind has been checked."""
    scaling = config.get("rope_scaling") or {}
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "linear":
        return plain / float(scaling["factor"])
    if kind == "factors":  # as GGUF files have them
        return plain / torch.tensor(scaling["factors"])
    if kind == "llama3":
        return _long(plain, scaling)
    return plain


def _long(plain: torch.Tensor, scaling: Mapping[str, Any]) -> torch.Tensor:
    """Slow down what turns slowly, as Llama 3.1 does; fast turning stays, and between it is mixed."""
    slow, fast = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    turns = plain * (int(scaling["original_max_position_embeddings"]) / (2 * math.pi))
    share = ((turns - slow) / (fast - slow)).clamp(0, 1)
    return plain * (share + (1 - share) / float(scaling["factor"]))
