"""Texts -> unit vectors: a sentence-transformers model, or a hashing fake that needs no model.

A model runs as an int8 conversion on OpenVINO where that is faster here (`rag.embed.fast`), else on PyTorch
(`rag.embed.plain`).
An index may hold vectors of both: questions by the one and passages by the other find as much. Recall@1/3/5
of the cosine alone | of the fused search, multilingual-e5-small, 300 questions on 256 paragraphs:
  SQuAD 2    PyTorch .810/.940/.970 | .883/.963/.977   int8 .813/.933/.967 | .887/.967/.980
  CMRC 2018  PyTorch .947/.973/.977 | .983/.997/.997   int8 .943/.973/.977 | .987/.997/.997
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np

from rag.datatypes import Passage, ProgressCallback, Vector, Vectors
from rag.embed.hashing import HashingEmbedder
from rag.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer

    from rag.config import Config

__all__ = [
    "Embedder",
    "HashingEmbedder",
    "SentenceEmbedder",
    "open_embedder",
    "prefixes_of",
    "text_for_embedding",
]

PREFIXES: Final = (  # part of the model's name, before a question, before a passage
    (r"\be5\b.*\binstruct", "Instruct: Retrieve passages that answer the question\nQuery: ", ""),
    (r"\be5\b", "query: ", "passage: "),
    (r"\bbge\b.*\bzh\b", "为这个句子生成表示以用于检索相关文章：", ""),
    (r"\bbge\b.*\ben\b", "Represent this sentence for searching relevant passages: ", ""),
)
CONVERTED: Final = "openvino_int8"  # the conversion's folder, beside the weights

log = logging.getLogger(__name__)


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors whose inner product is their similarity."""

    name: str
    dim: int

    @property
    def max_tokens(self) -> int:
        """Tokens of a passage's text that it reads; what comes after them would be lost."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, in the order given; see `text_for_embedding`."""
        ...

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a question."""
        ...

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return (start, end) in characters of each of the model's tokens, without special ones."""
        ...


def open_embedder(config: Config) -> Embedder:
    """Open `config.embedder`, fetching nothing; "hashing" needs no model.

    Raises:
        ModelError: when the model is not on this machine or cannot be loaded.
    """
    if config.embedder == HashingEmbedder.name:
        return HashingEmbedder()
    from rag.models import find_embedder
    from rag.models.places import understand

    folder = find_embedder(config.embedder, config)
    if folder is None:
        raise ModelError(
            f"embedder {config.embedder!r} is not on this machine; fetch it with "
            f"`rag models pull {config.embedder}`"
        )
    return SentenceEmbedder(
        folder,
        name=config.embedder,
        threads=config.threads,
        trust_remote_code=config.trust_remote_code,
        converted=understand(config.embedder, "embedder", config).folder / CONVERTED,
    )


def prefixes_of(name: str) -> tuple[str, str]:
    """Return what the model called `name` wants in front of a question and of a passage (model cards)."""
    for pattern, query, passage in PREFIXES:
        if re.search(pattern, name.lower()):
            return query, passage
    return "", ""


def text_for_embedding(passage: Passage) -> str:
    """Return what stands for `passage` in the index: the titles above it, then its text."""
    return f"{passage.heading}\n{passage.text}" if passage.heading else passage.text


class Encoder(Protocol):
    """Turns texts into unit vectors as they are: `PlainEncoder` or `FastEncoder`."""

    dim: int
    longest: int  # tokens it reads, special ones included
    tokenizer: Tokenizer

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, in the order given."""
        ...


class SentenceEmbedder:
    """A sentence-transformers model on the CPU, loaded when it first embeds; texts are sorted by length."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        threads: int,
        trust_remote_code: bool = False,
        converted: Path | None = None,
    ) -> None:
        """Use the model in `folder`, by its conversion in `converted` unless that is None or impossible.

        `threads` 0 takes one per core.

        Raises:
            ModelError: here or when first used, when the folder does not hold such a model.
        """
        self.name = name
        self._folder = folder
        self._threads = threads
        self._trust_remote_code = trust_remote_code
        self._converted = converted
        self._loading = Lock()
        self._query_prefix, self._passage_prefix = prefixes_of(name)
        self.dim: int = _declared_dim(folder) or self._encoder.dim

    def prepare(self, progress: ProgressCallback) -> str:
        """Make the conversion where there is none; return why there can be none, or ""."""
        if self._converted is None:
            return "none was asked for"
        from rag.embed import conversion

        request = {
            "source": str(self._folder.absolute()),
            "target": str(self._converted.absolute()),
            "name": self.name,
            "threads": self._threads,
            "trust_remote_code": self._trust_remote_code,
        }
        try:
            if not conversion.is_whole(self._folder, self._converted):
                conversion.convert(request, self._converted, progress)
        except (ImportError, ModelError, OSError) as exc:
            return str(exc)
        return ""

    def unconverted(self) -> SentenceEmbedder:
        """Return the same model on PyTorch, to compare with."""
        return SentenceEmbedder(
            self._folder, name=self.name, threads=self._threads, trust_remote_code=self._trust_remote_code
        )

    @property
    def _encoder(self) -> Encoder:
        with self._loading:
            return self._loaded

    @cached_property
    def _loaded(self) -> Encoder:
        reason = self.prepare(lambda _: None)
        if not reason and self._converted is not None:
            from rag.embed.fast import FastEncoder

            try:
                return FastEncoder(self._folder, self._converted, threads=self._threads)
            except Exception as exc:  # noqa: BLE001 - whatever the runtime lacks here, PyTorch does without it
                reason = f"{type(exc).__name__}: {exc}"
        log.info("%s runs on PyTorch: %s", self.name, reason)
        from rag.embed.plain import PlainEncoder

        return PlainEncoder(
            self._folder, name=self.name, threads=self._threads, trust_remote_code=self._trust_remote_code
        )

    @property
    def max_tokens(self) -> int:
        encoder = self._encoder
        special: int = encoder.tokenizer.num_special_tokens_to_add(is_pair=False)
        return encoder.longest - special - len(self.token_offsets(self._passage_prefix))

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        return self._encoder.encode([_encodable(self._passage_prefix + text) for text in texts])

    def embed_query(self, text: str) -> Vector:
        vector: Vector = self._encoder.encode([_encodable(self._query_prefix + text)])[0]
        return vector

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        encoding = self._encoder.tokenizer.encode(_encodable(text), add_special_tokens=False)
        offsets: list[tuple[int, int]] = encoding.offsets
        return offsets


def _declared_dim(folder: Path) -> int | None:
    """Return the size of the vectors where the files say it plainly: one pooling, no layer after it."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        kinds = {module["type"].rpartition(".")[2]: module["path"] for module in modules}
        pooling = json.loads((folder / kinds["Pooling"] / "config.json").read_text(encoding="utf-8"))
        layers = kinds.keys() - {"Transformer", "Pooling", "Normalize"}
        poolings = sum(value is True for key, value in pooling.items() if key.startswith("pooling_mode"))
        return int(pooling["word_embedding_dimension"]) if poolings == 1 and not layers else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _encodable(text: str) -> str:
    """Replace lone surrogates, which no tokenizer takes, by a question mark each."""
    return text.encode("utf-8", "replace").decode("utf-8")
