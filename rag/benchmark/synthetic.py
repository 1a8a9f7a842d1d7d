"""Passages without end from a folder of texts: real sentences, mixed, with vectors like real ones.

Uniformly random vectors would be the hardest case and nobody's. Here a passage is an anchor sentence with its
neighbours, some of them crossed with a sentence from elsewhere and with some words exchanged, and its vector
is the weighted mean of its sentences' own embeddings plus a little noise: as in real collections there are
many near neighbours, and passages crowd where the texts do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from rag.datatypes import Document, Passage, Vectors
from rag.errors import ConfigError
from rag.index import FileState
from rag.sentences import sentence_spans

SUFFIXES: Final = frozenset({".txt", ".md"})
LENGTHS: Final = range(20, 401)  # characters of a sentence
LEAST: Final = 50  # sentences to mix
WEIGHTS: Final = (0.55, 0.2, 0.15, 0.1)  # of an anchor and the sentences after it
NOISE: Final = 0.2  # length of the noise added; unrelated e5 vectors are 0.6 apart
CROSSED: Final = 0.3  # share of sentences whose end comes from another one
EXCHANGED: Final = 0.12  # share of words taken from anywhere
COINED: Final = 0.01  # share of words that are new names
PER_DOCUMENT: Final = 100
SYLLABLES: Final = tuple(first + last for first in "bdfgklmnprstvz" for last in ("a", "el", "in", "or", "us"))
LONG_WORD: Final = re.compile(r"[A-Za-z]{5,}")
CLAUSE: Final = re.compile(r"[,，;；]")
ASKED: Final = 200  # questions made when none are given
SENTENCE_START: Final = re.compile(r"(?:\S+\s+){3,8}|.{6,16}")


def sentences(folder: Path) -> list[str]:
    """Return the distinct sentences of the plain texts below `folder`, in order.

    Raises:
        ConfigError: when there are too few to mix.
    """
    found: dict[str, None] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        text = path.read_text(encoding="utf-8", errors="replace")
        found.update(dict.fromkeys(text[start:end] for start, end in sentence_spans(text)))
    chosen = [sentence for sentence in found if len(sentence) in LENGTHS]
    if len(chosen) < LEAST:
        raise ConfigError(
            f"{folder}/ holds {len(chosen)} sentences in .txt and .md files; {LEAST} are needed to mix"
        )
    return chosen


def documents(
    pool: Sequence[str], vectors: Vectors, *, count: int, seed: int = 0
) -> Iterator[tuple[FileState, Document, list[Passage], Vectors]]:
    """Yield documents with `count` passages in all, ready for `Index.add`."""
    random = np.random.default_rng(seed)
    vocabulary = [word for sentence in pool for word in LONG_WORD.findall(sentence)] or ["word"]
    for first in range(0, count, PER_DOCUMENT):
        anchors = random.integers(len(pool), size=min(PER_DOCUMENT, count - first))
        texts = [_text(pool, int(anchor), vocabulary, random) for anchor in anchors]
        yield (*_document(first // PER_DOCUMENT, texts), _vectors(vectors, anchors, random))


def _vectors(vectors: Vectors, anchors: np.ndarray, random: np.random.Generator) -> Vectors:
    mixed = sum(weight * vectors[(anchors + i) % len(vectors)] for i, weight in enumerate(WEIGHTS))
    noise = random.normal(size=(len(anchors), vectors.shape[1]))
    mixed = mixed + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dtype=np.float32)


def _text(pool: Sequence[str], anchor: int, vocabulary: Sequence[str], random: np.random.Generator) -> str:
    parts = []
    for i in range(len(WEIGHTS)):
        sentence = pool[(anchor + i) % len(pool)]
        if random.random() < CROSSED:
            sentence = _crossed(sentence, pool[int(random.integers(len(pool)))])
        parts.append(LONG_WORD.sub(lambda match: _exchanged(match.group(), vocabulary, random), sentence))
    return " ".join(parts)


def _crossed(sentence: str, other: str) -> str:
    """Return the first clauses of one and the last clause of the other."""
    head, tail = CLAUSE.search(sentence), CLAUSE.search(other)
    return sentence[: head.end()] + other[tail.end() :] if head and tail else sentence


def _exchanged(word: str, vocabulary: Sequence[str], random: np.random.Generator) -> str:
    drawn = random.random()
    if drawn < COINED:
        return "".join(SYLLABLES[i] for i in random.integers(len(SYLLABLES), size=3)).capitalize()
    return vocabulary[int(random.integers(len(vocabulary)))] if drawn < EXCHANGED else word


def _document(number: int, texts: Sequence[str]) -> tuple[FileState, Document, list[Passage]]:
    text = "\n\n".join(texts)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    source = f"{number // 1000:03}/{number:06}.txt"
    document = Document(source=source, digest=digest, text=text)
    passages, start = [], 0
    for each in texts:
        end = start + len(each)
        passages.append(Passage(source=source, digest=digest, start=start, end=end, text=each))
        start = end + 2
    return FileState(source=source, size=len(text), mtime_ns=1, digest=digest), document, passages


def questions_of(file: Path | None, pool: Sequence[str]) -> list[str]:
    """Return the lines of `file`; without one, how some of the sentences begin."""
    if file is None:
        lines = [SENTENCE_START.match(sentence) for sentence in pool[:: max(1, len(pool) // ASKED)]]
        return list(dict.fromkeys(line.group().strip() for line in lines if line))
    try:
        lines_read = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{file} cannot be read as questions, one a line: {exc}") from exc
    if not (found := list(dict.fromkeys(line.strip() for line in lines_read if line.strip()))):
        raise ConfigError(f"{file} holds no question; write one a line")
    return found
