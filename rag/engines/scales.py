"""Better scales for sym_int4 than ipex-llm's own, in its format.

Its quantiser maps the number farthest from zero of each 64 to -8 and leaves the scale at that. Fitting the
scale to all 64 by least squares, also from a start a tenth smaller, takes a tenth off the error at no cost
when the model runs (on two matrices of Qwen2.5-Coder-0.5B, 0.105 to 0.094 and 0.136 to 0.122 of the norm).
"""

from __future__ import annotations

from typing import Final

import torch

BLOCK: Final = 64
BLOCKS: Final = 2048  # fitted at a time: half a megabyte stays in the cache, three times as fast as all
STARTS: Final = (1.0, 0.9)  # more of them gain less than a hundredth
LEAST, MOST = -8, 7


def quantise_symmetric(weight: torch.Tensor) -> torch.Tensor:
    """Return a float32 matrix (rows, columns) as sym_int4 bytes (rows, bytes of a row).

    A block is its scale in float16, then 32 bytes of two columns each, one of each half.
    """
    packed = [_packed(blocks) for blocks in torch.split(weight.reshape(-1, BLOCK), BLOCKS)]
    return torch.cat(packed).view(weight.shape[0], -1)


def _packed(blocks: torch.Tensor) -> torch.Tensor:
    extreme = blocks.gather(1, blocks.abs().argmax(1, keepdim=True)) / LEAST
    scale, error = _fitted(blocks, extreme * STARTS[0])
    for start in STARTS[1:]:
        other, other_error = _fitted(blocks, extreme * start)
        scale = torch.where(other_error < error, other, scale)
        error = torch.minimum(error, other_error)
    codes = (_codes(blocks, scale) - LEAST).to(torch.uint8)
    half = BLOCK // 2
    nibbles = codes[:, :half] | (codes[:, half:] << 4)
    return torch.cat((scale.half().view(torch.uint8), nibbles), dim=1)


def _codes(blocks: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return (blocks / scale).nan_to_num_(0.0, 0.0, 0.0).round_().clamp_(LEAST, MOST)


def _fitted(blocks: torch.Tensor, start: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the best scale for the codes that `start` gives, and the squared error with it."""
    codes = _codes(blocks, start)
    squares = codes.square().sum(1, keepdim=True)
    scale = torch.where(squares > 0, (blocks * codes).sum(1, keepdim=True) / squares, start)
    scale = scale.half().float()
    return scale, (codes * scale - blocks).square_().sum(1, keepdim=True)
