"""Reranking by a cross-encoder of sentence-transformers, which reads the question with each passage.

Ten passages of 200 tokens take a model of the shape of mMiniLMv2-L12-H384 1 s on two cores, and one of that
of bge-reranker-v2-m3 10 s (medians of three). What they gain is not measured: no weights could be had there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from rag.datatypes import Hit
from rag.errors import ModelError

if TYPE_CHECKING:
    from rag.config import Config

LONGEST: Final = 512  # tokens of question and passage together
BATCH: Final = 4  # pairs read at a time: more pad more, and are no faster on a CPU


class CrossEncoderReranker:
    """A model of one output, how well the passage answers; loaded when it is first asked."""

    def __init__(self, folder: Path, *, name: str) -> None:
        self.name = name
        self._folder = folder
        self._loading = Lock()

    @classmethod
    def open(cls, config: Config) -> CrossEncoderReranker:
        """Open `config.reranker`; raises ModelError when it is not on this machine."""
        from rag.models import find_reranker

        folder = find_reranker(config.reranker, config)
        if folder is None:
            raise ModelError(
                f"reranker {config.reranker!r} is not on this machine; fetch it with "
                f"`rag models pull {config.reranker}`"
            )
        return cls(folder, name=config.reranker)

    def score(self, question: str, hits: Sequence[Hit]) -> list[float]:
        if not hits:
            return []
        with self._loading:
            model = self._model
        pairs = [(_encodable(question), _encodable(hit.passage.text)) for hit in hits]
        return [float(score) for score in model.predict(pairs, batch_size=BATCH, show_progress_bar=False)]

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import CrossEncoder

        for library in ("transformers", "sentence_transformers"):
            logging.getLogger(library).setLevel(logging.ERROR)
        try:
            model = CrossEncoder(
                str(self._folder),
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as exc:
            raise ModelError(
                f"reranker {self.name!r} in {self._folder} cannot be loaded ({type(exc).__name__}: "
                f"{str(exc)[:200]}); delete the folder and fetch it again with `rag models pull {self.name}`"
            ) from exc
        if model.config.num_labels != 1:
            raise ModelError(
                f"reranker {self.name!r} gives {model.config.num_labels} scores for a passage, not one; "
                "choose a cross-encoder made for reranking"
            )
        model.max_length = min(model.max_length or LONGEST, LONGEST)
        return model


def _encodable(text: str) -> str:
    """Replace lone surrogates, which no tokenizer takes, by a question mark each."""
    return text.encode("utf-8", "replace").decode("utf-8")
