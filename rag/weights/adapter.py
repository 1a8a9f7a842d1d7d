"""LoRA adapters in PEFT's folders, merged into the weights as these are read.

A module's weight W becomes W + scale * B @ A (arXiv:2106.09685), a few rows at a time.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.errors import ModelError
from rag.weights.sources import reading
from rag.weights.tensors import SafetensorsFiles, Tensors

if TYPE_CHECKING:
    import torch

SETTINGS: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
PREFIX: Final = "base_model.model."
PART: Final = re.compile(r"(?P<module>.+)\.lora_(?P<part>embedding_A|embedding_B|A|B)(\.default)?(\.weight)?")
SHARED: Final = ("embed_tokens", "word_embeddings", "lm_head", "output_layer")  # where embeddings are tied
# What changes an adapter in ways that W + scale * B @ A does not tell.
REFUSED: Final = {
    "use_dora": "DoRA, which also scales each weight's rows by their length",
    "use_qalora": "QALoRA, which averages groups of inputs",
    "lora_bias": "a bias of its own",
    "layer_replication": "layers that are used several times",
    "trainable_token_indices": "embeddings of single tokens",
    "target_parameters": "parameters that are no module's weight",
    "alora_invocation_tokens": "aLoRA, which works only after certain tokens",
}
NEUTRAL: Final = (None, True, False, "gaussian", "eva", "orthogonal")  # what leaves the model's weights alone
CURE: Final = (
    "merge it into its model with PEFT (merge_and_unload, save_pretrained) and set that as the model"
)


class Adapter:
    """A LoRA adapter."""

    def __init__(self, folder: Path) -> None:
        """Open the PEFT folder.

        Raises:
            ModelError: when it is damaged, or not a LoRA adapter that can be merged.
        """
        from safetensors import safe_open

        self.folder = folder
        with reading(folder / SETTINGS):
            self.settings = _settings(folder / SETTINGS)
        with reading(folder / WEIGHTS):
            file: Any = safe_open(folder / WEIGHTS, framework="pt")
            self.files = SafetensorsFiles(dict.fromkeys(file.keys(), file))
        self.parts: dict[str, dict[str, str]] = {}  # weight -> part -> the name it is stored under
        self.replaced: dict[str, str] = {}  # weight -> the name its new value is stored under
        for stored in self.files:
            self._sort(stored)

    def _sort(self, stored: str) -> None:
        found = PART.fullmatch(stored)
        own = stored.removeprefix(PREFIX).replace(".base_layer.", ".")  # PEFT saves adapted embeddings so
        if found:
            module = found["module"].removeprefix(PREFIX)
            self.parts.setdefault(f"{module}.weight", {})[found["part"]] = stored
        elif any(
            f".{name}." in f".{own}" for name in (*SHARED, *(self.settings.get("modules_to_save") or ()))
        ):
            self.replaced[own] = stored
        else:
            raise ModelError(f"the adapter {self.folder} holds {stored}, which is no part of LoRA; {CURE}")

    def merged(self, tensors: Tensors, config: Mapping[str, Any]) -> Tensors:
        """Return a model's tensors with what the adapter changes; `config` is the model's.

        Raises:
            ModelError: when it does not fit the model.
        """
        for name in {**self.parts, **self.replaced}:
            if config.get("tie_word_embeddings") and name.removesuffix(".weight").endswith(SHARED):
                raise ModelError(
                    f"the adapter {self.folder} changes {name}, which embeddings and output share; {CURE}"
                )
            self._check(name, tensors)
        return Merged(tensors, self)

    def _check(self, name: str, tensors: Tensors) -> None:
        try:
            shape = tensors.shape(name)
        except KeyError as exc:
            raise self._misfit(f"changes {name}, which the model does not have") from exc
        with reading(self.folder / WEIGHTS):
            own = next((known for known in self._shapes(name) if known != shape), shape)
        if own != shape:
            raise self._misfit(f"changes {name} as of the shape {own}, and the model's is {shape}")

    def _shapes(self, name: str) -> Iterator[tuple[int, ...]]:
        if name in self.replaced:
            yield self.files.shape(self.replaced[name])
        if name in self.parts:
            inner, outer = ("embedding_A", "embedding_B") if "embedding_A" in self.parts[name] else ("A", "B")
            rank, inputs = self.files.shape(self.parts[name][inner])
            outputs, same = self.files.shape(self.parts[name][outer])
            if rank != same:
                raise ValueError(f"the parts of {name} are of the ranks {rank} and {same}")
            yield (outputs, inputs) if outer == "B" else (inputs, outputs)

    def _misfit(self, what: str) -> ModelError:
        base = self.settings.get("base_model_name_or_path") or "another model"
        return ModelError(f"the adapter {self.folder} {what}: it was made for {base}; set that as the model")

    def added(self, name: str, start: int, stop: int) -> torch.Tensor:
        """Return what is added to rows `start` to `stop` of a weight."""
        parts = self.parts[name]
        if "embedding_A" in parts:  # of a lookup table, whose rows are the inputs
            left: torch.Tensor = self.files.cut(parts["embedding_A"])[:, start:stop].float().T
            right = self.files.whole(parts["embedding_B"]).float().T
        else:
            left = self.files.cut(parts["B"])[start:stop].float()
            right = self.files.whole(parts["A"]).float()
        return (left @ right) * self._scale(name.removesuffix(".weight"), right.shape[0])

    def _scale(self, module: str, rank: int) -> float:
        patterns: Mapping[str, float] = self.settings.get("alpha_pattern") or {}
        fitting = (alpha for key, alpha in patterns.items() if re.fullmatch(rf"(.*\.)?({key})", module))
        alpha = float(next(fitting, self.settings.get("lora_alpha", 8)))
        return alpha / (math.sqrt(rank) if self.settings.get("use_rslora") else rank)


class Merged:
    """Tensors of a model with what an adapter changes."""

    def __init__(self, tensors: Tensors, adapter: Adapter) -> None:
        self._tensors = tensors
        self._adapter = adapter

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors.shape(name)

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        own = self._adapter
        if name in own.replaced:
            rows = own.files.rows(own.replaced[name], start, stop)
        else:
            rows = self._tensors.rows(name, start, stop)
        return rows + own.added(name, start, stop) if name in own.parts else rows


def _settings(path: Path) -> dict[str, Any]:
    settings = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(settings, dict):
        raise ModelError(f"{path} is not a JSON object; fetch the adapter again")
    if problem := _problem(settings):
        raise ModelError(f"{path} asks for {problem}, which is not merged here; {CURE}")
    return settings


def _problem(settings: Mapping[str, Any]) -> str:
    if settings.get("peft_type") != "LORA":
        return f"an adapter of type {settings.get('peft_type')!r}"
    if settings.get("bias", "none") != "none":
        return f"trained biases (bias={settings['bias']!r})"
    if settings.get("init_lora_weights", True) not in NEUTRAL:
        return (
            f"weights changed at the start of training (init_lora_weights={settings['init_lora_weights']!r})"
        )
    return next((what for name, what in REFUSED.items() if settings.get(name)), "")
