"""Whether a prompt holds the answer, read off the model's own state before it writes a word.

A model's hidden states tell an unanswerable question from an answerable one better than what it says
(Slobodkin et al., 2023, arXiv:2310.11877). A probe is a logistic regression on the state of the prompt's last
token after one layer: it costs nothing, and belongs to the weights that it was calibrated on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from rag.errors import ModelError

FILE: Final = "answerable.safetensors"
SHIPPED: Final = Path(__file__).with_name("probes")  # by the first digits of the weights' sha256
DIGITS: Final = 16
BIAS: Final = "bias"
DEPTH: Final = 0.64  # of the layer that knows most, as a share of all


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Weights (hidden size,) for the state after a layer, counted from 0, and a bias: together log-odds."""

    layer: int
    weights: NDArray[np.float64]
    bias: float

    def log_odds(self, state: NDArray[np.float32]) -> float:
        """Return the log-odds that the prompt holds the answer; `state` is (hidden size,)."""
        return float(self.weights @ state) + self.bias


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a probe sees of a prompt."""

    layer: int
    state: NDArray[np.float32]  # (hidden size,)


def probed_layer(layers: int) -> int:
    """Return the layer to look at, of a model with so many."""
    return round(DEPTH * layers) if layers > 1 else 0


def read_probe(folder: Path, source: Mapping[str, Any]) -> Probe | None:
    """Return the probe beside a conversion, else the one that is shipped for its weights, else None.

    Raises:
        ModelError: when it is damaged.
    """
    shipped = SHIPPED / f"{str(source.get('sha256'))[:DIGITS]}.safetensors"
    file = next((each for each in (folder / FILE, shipped) if each.is_file()), None)
    return _read(file) if file else None


def write_probe(file: Path, probe: Probe) -> None:
    weights, bias = probe.weights.astype(np.float32), np.array([probe.bias], dtype=np.float32)
    file.parent.mkdir(parents=True, exist_ok=True)
    torn = file.with_name(f"{file.name}.torn")
    save_file({str(probe.layer): weights, BIAS: bias}, torn)
    torn.replace(file)  # at once: a damaged probe would keep its engine from opening


def _read(file: Path) -> Probe:
    try:
        tensors = load_file(file)
        bias = float(tensors.pop(BIAS)[0])
        ((layer, weights),) = tensors.items()
        return Probe(layer=int(layer), weights=weights.astype(float), bias=bias)
    except (OSError, SafetensorError, KeyError, ValueError, IndexError) as exc:
        raise ModelError(f"{file} is damaged: {exc}; delete it and run `rag calibrate`") from exc
