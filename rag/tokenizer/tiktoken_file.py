"""GLM-4's own tokenizer file, in tiktoken's form: a line for each token, its bytes in base64 and its rank.

https://github.com/openai/tiktoken
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

from rag.tokenizer.vocabularies import CONTROL, NORMAL, UNUSED, build_tokenizer, byte_characters

PAIR: Final = 2


def is_tiktoken(path: Path) -> bool:
    """Tell whether the file is of that form: SentencePiece's is no text."""
    with path.open("rb") as file:
        first, _, rank = file.readline(200).strip().partition(b" ")
    try:
        return rank.isdigit() and bool(b64decode(first, validate=True))
    except Error:
        return False


def from_tiktoken(path: Path, added: Mapping[int, str], cut: str) -> str:
    """Return its tokenizer.json; `added` are special tokens, `cut` says how text is cut before merging."""
    ranks = {b64decode(token): int(rank) for token, rank in map(bytes.split, path.read_bytes().splitlines())}
    characters = byte_characters()
    written = {rank: "".join(characters[byte] for byte in token) for token, rank in ranks.items()}
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda pair: pair[1]):
        parts = _merged(token, rank, ranks)
        if len(parts) == PAIR:
            merges.append(" ".join("".join(characters[byte] for byte in part) for part in parts))
    every = range(max([*written, *added]) + 1)
    tokens = [added.get(number) or written.get(number) or f"<unused {number}>" for number in every]
    types = [CONTROL if number in added else NORMAL if number in written else UNUSED for number in every]
    return build_tokenizer(tokens, types, merges, cut)


def _merged(token: bytes, rank: int, ranks: Mapping[bytes, int]) -> list[bytes]:
    """Merge a token's bytes as far as lower ranks go: to the two that it is made of."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > PAIR:
        best, at = min(
            (ranks.get(left + right, rank), at) for at, (left, right) in enumerate(pairwise(parts))
        )
        if best >= rank:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts
