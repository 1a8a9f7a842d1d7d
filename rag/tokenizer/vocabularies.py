"""Hugging Face's tokenizer.json from what a checkpoint has: GGUF metadata, or SentencePiece's own file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5  # token types of SentencePiece and GGUF
SPACE: Final = "▁"  # SentencePiece's
BLANK: Final = re.compile(r"[\s▁]+")
TWIN: Final = "\ue002"  # ends the name of a special token that is written as a piece of text is
RESERVED: Final = re.compile(r"<reserved_\d+>")  # Baichuan marks who speaks with two of these
# How text is cut before merging: as Qwen2's tokenizer.json does it, and those of Llama 3 and GLM-4.
PATTERN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3: Final = PATTERN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
PATTERNS: Final = {  # by llama.cpp's name
    "qwen2": PATTERN,
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "chatglm-bpe", "glm4"), LLAMA3),
}
WHOLE: Final = frozenset({"llama-bpe", "llama3", "llama-v3"})  # take a word that is a token as it is
COMPOSED: Final = frozenset({"qwen2"})  # normalise to NFC


def from_gguf(metadata: Mapping[str, Any], path: Path) -> str:
    """Return the tokenizer of a GGUF file.

    Raises:
        ModelError: when it is of a kind that is not known.
    """
    kind, tokens = metadata.get("tokenizer.ggml.model", "gpt2"), metadata["tokenizer.ggml.tokens"]
    types = metadata["tokenizer.ggml.token_type"]
    if kind == "llama":
        return sentencepiece_tokenizer(
            Pieces(tokens=tokens, scores=metadata["tokenizer.ggml.scores"], types=types),
            is_prefixed=metadata.get("tokenizer.ggml.add_space_prefix", True),
        )
    cut = metadata["tokenizer.ggml.pre"] if kind == "gpt2" else ""
    if cut not in PATTERNS:
        raise ModelError(
            f"the tokenizer of {path} is of type {cut or kind!r}; known are 'llama' and {sorted(PATTERNS)}"
        )
    return build_tokenizer(tokens, types, metadata["tokenizer.ggml.merges"], cut)


def build_tokenizer(
    tokens: Sequence[str], types: Sequence[int], merges: Sequence[str], cut: str = "qwen2"
) -> str:
    """Return a byte-level tokenizer.json; token ids are positions in `tokens`."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    vocabulary = {token: number for number, token in enumerate(tokens)}
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs, ignore_merges=cut in WHOLE))
    if cut in COMPOSED:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[cut]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, types, strict=True) if kind in (CONTROL, USER_DEFINED)]
    return _with_special(tokenizer, special)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """A SentencePiece vocabulary."""

    tokens: Sequence[str]
    scores: Sequence[float]  # the highest is merged first
    types: Sequence[int]


def sentencepiece_tokenizer(
    pieces: Pieces, *, is_prefixed: bool, charsmap: bytes = b"", is_collapsing: bool = False
) -> str:
    """Return a tokenizer.json that merges as SentencePiece does.

    `is_prefixed` tells whether a text begins with a space that it does not have, `charsmap` is how characters
    are normalised, and `is_collapsing` whether several spaces are one.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers

    pieces, special = _apart(pieces)
    unknown = next((t for t, kind in zip(pieces.tokens, pieces.types, strict=True) if kind == UNKNOWN), None)
    vocabulary = {token: number for number, token in enumerate(pieces.tokens)}
    merges = _merges(pieces, vocabulary, special)
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback="<0x00>" in vocabulary)
    )
    steps = [normalizers.Precompiled(charsmap)] if charsmap else []
    steps += [normalizers.Replace(Regex(" {2,}"), " ")] if is_collapsing else []
    steps += [normalizers.Prepend(SPACE)] if is_prefixed else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    unprefixed = [decoders.Strip(" ", 1, 0)] if is_prefixed else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *unprefixed]
    )
    return _with_special(tokenizer, sorted(special, key=vocabulary.__getitem__))


def _apart(pieces: Pieces) -> tuple[Pieces, set[str]]:
    """Return the pieces with a name of its own for each, and which are special."""
    typed = list(zip(pieces.tokens, pieces.types, strict=True))
    are_special = [
        kind in (UNKNOWN, CONTROL, UNUSED)
        or (kind == USER_DEFINED and not BLANK.fullmatch(token))
        or bool(RESERVED.fullmatch(token))
        for token, kind in typed
    ]
    plain = {token for (token, _), is_special in zip(typed, are_special, strict=True) if not is_special}
    tokens = [
        f"{token}{TWIN}" if is_special and token in plain else token
        for (token, _), is_special in zip(typed, are_special, strict=True)
    ]
    special = {token for token, is_special in zip(tokens, are_special, strict=True) if is_special}
    return replace(pieces, tokens=tokens), special


def _merges(pieces: Pieces, vocabulary: Mapping[str, int], special: set[str]) -> list[tuple[str, str]]:
    """Return every pair that makes a piece, the likeliest first."""
    found: list[tuple[float, int, str, str]] = []
    for number, (token, score) in enumerate(zip(pieces.tokens, pieces.scores, strict=True)):
        for at in range(1, len(token) if token not in special else 0):
            left, right = token[:at], token[at:]
            if left in vocabulary and right in vocabulary and not {left, right} & special:
                found.append((-score, number, left, right))
    return [(left, right) for *_, left, right in sorted(found, key=lambda merge: merge[:2])]


def from_sentencepiece(path: Path, added: Mapping[int, str], appended: Sequence[str]) -> str:
    """Return the tokenizer of SentencePiece's own file, and special tokens that come on top.

    `added` are those that the checkpoint tells with their ids, `appended` those that its family always puts
    behind the vocabulary.

    Raises:
        ModelError: when it does not merge pairs.
    """
    from sentencepiece import sentencepiece_model_pb2

    model: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when imported
    try:
        model.ParseFromString(path.read_bytes())
    except Exception as exc:  # protobuf's DecodeError, which has moved between its versions
        raise ModelError(f"{path} is no SentencePiece model: {exc}; fetch it again") from exc
    if model.trainer_spec.model_type != model.trainer_spec.BPE:
        raise ModelError(f"{path} does not merge pairs (BPE), the one kind that is known; add tokenizer.json")
    pieces = [(piece.piece, piece.score, piece.type) for piece in model.pieces]
    known = {len(pieces) + number: token for number, token in enumerate(appended)} | dict(added)
    gap = range(len(pieces), max(known, default=-1) + 1)
    pieces += [(f"<unused {number}>", 0.0, UNUSED) for number in gap]
    for number, token in known.items():
        if pieces[number][2] != UNKNOWN:
            pieces[number] = (token, 0.0, CONTROL)
    tokens, scores, types = zip(*pieces, strict=True)
    spec = model.normalizer_spec
    return sentencepiece_tokenizer(
        Pieces(tokens=tokens, scores=scores, types=types),
        is_prefixed=spec.add_dummy_prefix,
        charsmap=spec.precompiled_charsmap,
        is_collapsing=spec.remove_extra_whitespaces,
    )


def added_tokens(folder: Path) -> dict[int, str]:
    """Return the special tokens that tokenizer_config.json and added_tokens.json tell with their ids."""
    added: dict[int, str] = {}
    for name in ("added_tokens.json", "tokenizer_config.json"):
        path = folder / name
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if name == "added_tokens.json":
            added |= {number: token for token, number in found.items()}
        else:
            told = found.get("added_tokens_decoder", {})
            added |= {int(number): token["content"] for number, token in told.items()}
    return added


def mark_added_tokens(tokenizer_json: str) -> str:
    """Return tokenizer.json with every added token special, so that none can come out of a text."""
    data = json.loads(tokenizer_json)
    for token in data["added_tokens"]:
        token["special"] = True
    return json.dumps(data, ensure_ascii=False)


def byte_characters() -> list[str]:
    """Return the character that stands for each byte in byte-level BPE (GPT-2's `bytes_to_unicode`)."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = count(256)
    return [chr(byte if byte in plain else next(spare)) for byte in range(256)]


def _with_special(tokenizer: Tokenizer, special: Sequence[str]) -> str:
    from tokenizers import AddedToken

    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    text: str = tokenizer.to_str()
    return text
