"""A tiny Qwen2 model as AWQ and GPTQ folders, packed number by number as AutoAWQ and AutoGPTQ publish it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests import tiny_qwen2

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
GROUP = 32
Packed = dict[str, torch.Tensor]
Method = Callable[[torch.Tensor], tuple[Packed, torch.Tensor]]  # weight -> tensors, what they stand for


def words(numbers: torch.Tensor, bits: int, order: tuple[int, ...]) -> torch.Tensor:
    """Pack each row's numbers into 32-bit words; the lowest bits hold `order[0]` of each so many."""
    grouped = numbers.long().reshape(len(numbers), -1, 32 // bits)
    packed = sum(grouped[:, :, column] << bits * place for place, column in enumerate(order))
    assert isinstance(packed, torch.Tensor)
    return torch.where(packed >= 1 << 31, packed - (1 << 32), packed).int().contiguous()


def rounded(
    weight: torch.Tensor, bits: int, groups: list[int], *, symmetric: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the codes (inputs, outputs), zero points and scales (groups, outputs) of a weight."""
    top, by_input = 2**bits - 1, weight.T
    zeros, scales = [], []
    for group in range(max(groups) + 1):
        part = by_input[[number for number, own in enumerate(groups) if own == group]]
        least, most = part.min(0).values.clamp(max=0), part.max(0).values.clamp(min=0)
        if symmetric:
            most = torch.maximum(most, -least)
            least = -most
        scale = ((most - least) / top).half()
        zero = torch.full_like(least, (top + 1) // 2) if symmetric else (-least / scale.float()).round()
        scales.append(scale)
        zeros.append(zero.clamp(0, top).int())
    scale, zero = torch.stack(scales), torch.stack(zeros)
    codes = (by_input / scale[groups].float() + zero[groups]).round().clamp(0, top).int()
    return codes, zero, scale


def worth(codes: torch.Tensor, zeros: torch.Tensor, scales: torch.Tensor, groups: list[int]) -> torch.Tensor:
    """Return the weight (outputs, inputs) that they stand for."""
    rows = [(row - zeros[g]) * scales[g].float() for row, g in zip(codes, groups, strict=True)]
    return torch.stack(rows).T.contiguous()


def awq(weight: torch.Tensor) -> tuple[Packed, torch.Tensor]:
    groups = [number // GROUP for number in range(weight.shape[1])]
    codes, zeros, scales = rounded(weight, 4, groups, symmetric=False)
    packed = {"qweight": words(codes, 4, AWQ_ORDER), "qzeros": words(zeros, 4, AWQ_ORDER), "scales": scales}
    return packed, worth(codes, zeros, scales, groups)


def gptq(*, bits: int = 4, symmetric: bool = True, reordered: bool = False, version: int = 1) -> Method:
    """Return the method that packs so; `reordered`: inputs are grouped in another order, as by desc_act."""

    def quantise(weight: torch.Tensor) -> tuple[Packed, torch.Tensor]:
        groups = [number // GROUP for number in range(weight.shape[1])]
        if reordered:
            order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(1)).tolist()
            groups = [groups[place] for place in order]
        codes, zeros, scales = rounded(weight, bits, groups, symmetric=symmetric)
        straight = tuple(range(32 // bits))
        packed_zeros = words(zeros, bits, straight)
        if version == 1:  # less one in each place, as GPTQModel writes it: with a borrow where it is 0
            packed_zeros = packed_zeros - sum(1 << bits * place for place in straight)
        packed = {
            "qweight": words(codes.T, bits, straight).T.contiguous(),
            "qzeros": packed_zeros,
            "scales": scales,
            "g_idx": torch.tensor(groups, dtype=torch.int32),
        }
        return packed, worth(codes, zeros, scales, groups)

    return quantise


def write_folder(folder: Path, quantise: Method, **settings: Any) -> dict[str, torch.Tensor]:
    """Write a folder whose layers' projections are quantised; return all weights as they read."""
    from safetensors.torch import load_file, save_file

    tiny_qwen2.write_folder(folder)
    state = load_file(folder / "model.safetensors")
    stored: dict[str, torch.Tensor] = {}
    read: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if name.endswith("_proj.weight"):
            tensor[::5] = tensor[::5].abs()  # so that some zero points are 0
            packed, read[name] = quantise(tensor)
            stored |= {f"{name.removesuffix('weight')}{part}": value for part, value in packed.items()}
        else:
            stored[name] = read[name] = tensor
    save_file(stored, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"group_size": GROUP, **settings}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return read
