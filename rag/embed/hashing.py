"""A fake embedder that needs no model: it counts shared words."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from rag.datatypes import Vector, Vectors

CJK: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
HASHING_TOKEN: Final = re.compile(rf"[{CJK}]|[^\W_{CJK}]+|[^\w\s]|_+")
HASHING_RUN: Final = re.compile(rf"(?P<cjk>[{CJK}]+)|[^\W_{CJK}]+")


class HashingEmbedder:
    """Signed feature hashing of words and of Chinese character pairs (Weinberger et al. 2009)."""

    name: str = "hashing"
    dim: int = 1024
    max_tokens: int = 1_000_000  # it reads all

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        rows = [self.embed_query(text) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def embed_query(self, text: str) -> Vector:
        vector = np.zeros(self.dim, dtype=np.float32)
        for feature, count in Counter(_features(text)).items():
            code = zlib.crc32(feature.encode("utf-8", "surrogatepass"))
            vector[code % self.dim] += (1.0 if code >> 31 else -1.0) * (1.0 + np.log(count))
        if not vector.any():  # nothing to hash, or every feature cancelled out
            vector[0] = 1.0
        return vector / np.float32(np.linalg.norm(vector))

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in HASHING_TOKEN.finditer(text)]


def _features(text: str) -> list[str]:
    features: list[str] = []
    for match in HASHING_RUN.finditer(text):
        run = match.group().lower()
        if match["cjk"]:
            features.extend(run[i : i + 2] for i in range(max(1, len(run) - 1)))
        else:
            features.append(run)
    return features
