"""A Prompt as the tokens of a ChatML conversation, and tokens as text.

Qwen's chat format (https://github.com/openai/openai-python/blob/v0.28.1/chatml.md): every message is
`<|im_start|>role`, a newline, its text, `<|im_end|>` and a newline. Each part is tokenised by itself, so that
it always gives the same tokens; whatever a part says, it stays text: special tokens come from here alone.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rag.datatypes import Message, Prompt
from rag.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

START: Final = "<|im_start|>"
END: Final = "<|im_end|>"
ENDS: Final = (END, "<|endoftext|>")
DEFAULT_SYSTEM: Final = "You are a helpful assistant."  # as in Qwen2's own template
NUMBER: Final = re.compile(r"\A\[\d+\] ")  # of a passage
CONTROL, USER_DEFINED = 3, 4  # token types of GGUF
# How Qwen2's tokenizer cuts text before merging (tokenizer.json of every Qwen2 release).
PATTERN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def build_tokenizer(tokens: Sequence[str], types: Sequence[int], merges: Sequence[str]) -> str:
    """Return a Qwen2 tokenizer.json from a GGUF's metadata; token ids are positions in `tokens`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    vocabulary = {token: number for number, token in enumerate(tokens)}
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, types, strict=True) if kind in (CONTROL, USER_DEFINED)]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    text: str = tokenizer.to_str()
    return text


def mark_added_tokens(tokenizer_json: str) -> str:
    """Return tokenizer.json with every added token special, so that none can come out of a text."""
    data = json.loads(tokenizer_json)
    for token in data["added_tokens"]:
        token["special"] = True
    return json.dumps(data, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A passage of a prompt."""

    text: str  # without the number that it bears there
    places: range  # of its tokens, those of the number among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The tokens of a prompt, and which of them stand for what."""

    tokens: list[int]
    constant: int  # the first so many stand before whatever is asked
    passages: tuple[Shown, ...]  # after those


class ChatTokenizer:
    """The tokenizer.json of a converted model."""

    def __init__(self, path: Path) -> None:
        """Load `path`.

        Raises:
            ModelError: when it cannot be read or has no ChatML tokens.
        """
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(path))
        except Exception as exc:  # tokenizers raises nothing more precise
            raise ModelError(f"{path} cannot be read: {exc}; delete its folder and convert again") from exc
        self._tokenizer.encode_special_tokens = True
        self._start, self._end = self._id(START), self._id(END)
        self.ends: frozenset[int] = frozenset(self._id(token) for token in ENDS)

    def _id(self, token: str) -> int:
        number: int | None = self._tokenizer.token_to_id(token)
        if number is None:
            raise ModelError(f"the model has no token {token}: it is not a chat model of the Qwen2 family")
        return number

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text` as plain text, never special ones, and "?" for a lone surrogate."""
        clean = text.encode("utf-8", "replace").decode("utf-8")
        ids: list[int] = self._tokenizer.encode(clean, add_special_tokens=False).ids
        return ids

    def render(self, prompt: Prompt) -> Rendered:
        """Return the tokens of the conversation, up to where the assistant's next answer begins."""
        messages, before = prompt.messages, prompt.constant
        if not messages or messages[0].role != "system":
            messages = (Message(role="system", parts=(DEFAULT_SYSTEM,)), *messages)
            before += bool(before)
        tokens: list[int] = []
        constant, passages = 0, list[Shown]()
        for number, message in enumerate(messages):
            tokens += [self._start, *self.encode(f"{message.role}\n")]
            if number == before:
                constant = len(tokens) if before else 0
            for place, part in enumerate(message.parts, start=1):
                start = len(tokens)
                tokens += self.encode(part)
                if constant and place < len(message.parts):
                    passages.append(Shown(text=NUMBER.sub("", part), places=range(start, len(tokens))))
            tokens += [self._end, *self.encode("\n")]
        tokens += [self._start, *self.encode("assistant\n")]
        return Rendered(tokens=tokens, constant=constant, passages=tuple(passages))

    def decoder(self) -> TextDecoder:
        return TextDecoder(self._pieces)

    @cached_property
    def _pieces(self) -> list[bytes]:
        special = {token.content for token in self._tokenizer.get_added_tokens_decoder().values()}
        table = {character: byte for byte, character in enumerate(byte_characters())}
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        pieces = [b""] * (max(vocabulary.values()) + 1)
        for token, number in vocabulary.items():
            if token not in special and all(character in table for character in token):
                pieces[number] = bytes(table[character] for character in token)
        return pieces


class TextDecoder:
    """Turns tokens into text as they come, holding back an unfinished character."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._utf8: Any = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token: int) -> str:
        text: str = self._utf8.decode(self._pieces[token] if token < len(self._pieces) else b"")
        return text


def byte_characters() -> list[str]:
    """Return the character that stands for each byte in byte-level BPE (GPT-2's `bytes_to_unicode`)."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = count(256)
    return [chr(byte if byte in plain else next(spare)) for byte in range(256)]
