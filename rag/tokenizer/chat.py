"""A Prompt as tokens, by the model's own chat template, and tokens as text.

Each part is tokenised by itself, so that it always gives the same tokens; whatever a part says, it stays
text: special tokens come from the template alone.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from rag.datatypes import Message, Prompt
from rag.errors import ModelError
from rag.tokenizer.formats import END, START
from rag.tokenizer.settings import UNTOLD, read_settings
from rag.tokenizer.template import ChatTemplate
from rag.tokenizer.vocabularies import SPACE, TWIN, byte_characters

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NUMBER: Final = re.compile(r"\A\[(\d+)\] ")  # of a passage
BYTE: Final = re.compile(r"<0x([0-9A-F]{2})>")
# When a text gets a space in front that is not its own: never, as the first of all, or after special tokens.
Prefix: TypeAlias = Literal["never", "first", "always"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A passage of a prompt."""

    number: str  # neighbours that were found together bear the same one
    text: str  # without the number
    places: range  # of its tokens, those of the number among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The tokens of a prompt, and which of them stand for what."""

    tokens: list[int]
    constant: int  # the first so many stand before whatever is asked
    passages: tuple[Shown, ...]  # after those


class ChatTokenizer:
    """The tokenizer.json of a converted model, and how it is spoken to."""

    def __init__(self, path: Path) -> None:
        """Load `path`, and the chat settings beside it.

        Raises:
            ModelError: when they cannot be read or the model is not for chats.
        """
        self._tokenizer, self._prefix = _load(path)
        self._tokenizer.encode_special_tokens = True
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = {token.content.removesuffix(TWIN): number for number, token in added.items()}
        self._numbers = frozenset(self._special.values())
        longest_first = sorted(self._special, key=len, reverse=True)
        self._markup = re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})")
        settings = read_settings(path.parent)
        self._template = ChatTemplate(settings.template, tokens=settings.tokens, system=settings.system)
        needed = (START, END) if settings is UNTOLD else settings.ends[:1]
        for token in needed or ("that ends an answer",):
            if self._tokenizer.token_to_id(token) is None:
                raise ModelError(f"the model has no token {token}: it is not a chat model of a known family")
        found = map(self._tokenizer.token_to_id, settings.ends)
        self.ends: frozenset[int] = frozenset(number for number in found if number is not None)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text` as plain text, never special ones, and "?" for a lone surrogate."""
        clean = text.encode("utf-8", "replace").decode("utf-8")
        ids: list[int] = self._tokenizer.encode(clean, add_special_tokens=False).ids
        return ids if self._numbers.isdisjoint(ids) else self._spelled(ids)

    def _spelled(self, ids: Sequence[int]) -> list[int]:
        """Return the tokens with the special ones spelled out, where merging made such of plain text."""
        spelled: list[int] = []
        for number in ids:
            token = self._tokenizer.id_to_token(number) if number in self._numbers else ""
            parts = [token[:1], token[1:]] if len(token) > 1 else []
            spelled += [each for part in parts for each in self.encode(part)] if parts else [number]
        return spelled

    def render(self, prompt: Prompt) -> Rendered:
        """Return the tokens of the conversation, up to where the assistant's next answer begins.

        Raises:
            ModelError: when the model's template does not take it.
        """
        tokens: list[int] = []
        passages: list[Shown] = []
        constant, lead = 0, ""
        pieces = self._template.pieces(prompt)
        for piece, following in zip_longest(pieces, pieces[1:]):
            if piece.message is None:
                text, lead = piece.text, ""
                if following and text.endswith(" ") and not text.endswith("  "):
                    text, lead = text[:-1], " "  # a word and the space before it are one token
                self._add_markup(tokens, text)
                continue
            if not constant and piece.message >= prompt.constant > 0:
                constant = len(tokens)
            start = len(tokens)
            tokens += self._plain(lead + piece.text, tokens)
            lead = ""
            if constant and piece.part != len(prompt.messages[piece.message].parts) - 1:
                passages.append(_shown(piece.text, range(start, len(tokens))))
        return Rendered(tokens=tokens, constant=constant, passages=tuple(passages))

    def _add_markup(self, tokens: list[int], text: str) -> None:
        for stretch in filter(None, self._markup.split(text)):
            number = self._special.get(stretch)
            tokens += self._plain(stretch, tokens) if number is None else [number]

    def _plain(self, text: str, before: Sequence[int]) -> list[int]:
        begins = {"never": False, "first": not before, "always": not before or before[-1] in self._numbers}
        return self.encode(f" {text}" if text and begins[self._prefix] else text)

    def decoder(self) -> TextDecoder:
        return TextDecoder(self._pieces, strip=self._is_stripped)

    @cached_property
    def _is_stripped(self) -> bool:
        """Whether an answer begins with white space that is none of its own.

        It does after a special token, where the template leaves it to the model to end the line, and where
        each first word has a space in front.
        """
        *_, last = self.render(Prompt(messages=(Message(role="user", parts=("?",)),))).tokens
        return self._prefix != "never" or last in self._numbers

    @cached_property
    def _pieces(self) -> list[bytes]:
        table = {character: byte for byte, character in enumerate(byte_characters())}
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        is_byte_level = table.keys() <= vocabulary.keys()
        pieces = [b""] * (max(vocabulary.values()) + 1)
        for token, number in vocabulary.items():
            if number in self._numbers:
                continue
            if not is_byte_level:
                pieces[number] = _sentencepiece_bytes(token)
            elif all(character in table for character in token):
                pieces[number] = bytes(table[character] for character in token)
        return pieces


class TextDecoder:
    """Turns tokens into text as they come, holding back an unfinished character."""

    def __init__(self, pieces: Sequence[bytes], *, strip: bool = False) -> None:
        self._pieces = pieces
        self._is_stripping = strip  # until something is said
        self._utf8: Any = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token: int) -> str:
        text: str = self._utf8.decode(self._pieces[token] if token < len(self._pieces) else b"")
        if self._is_stripping and text:
            text = text.lstrip()
            self._is_stripping = not text
        return text


def _sentencepiece_bytes(token: str) -> bytes:
    if byte := BYTE.fullmatch(token):
        return bytes.fromhex(byte[1])
    return token.replace(SPACE, " ").encode("utf-8", "replace")


def _shown(text: str, places: range) -> Shown:
    number = NUMBER.match(text)
    return Shown(
        number=number[1] if number else "", text=text[number.end() if number else 0 :], places=places
    )


def _load(path: Path) -> tuple[Tokenizer, Prefix]:
    """Return the tokenizer without what puts a space in front of texts, and when it did."""
    from tokenizers import Tokenizer

    try:
        text = path.read_text(encoding="utf-8")
        if f'"{SPACE}"' not in text and '"Metaspace"' not in text:
            return Tokenizer.from_str(text), "never"
        data = json.loads(text)
        prefix = _take_prefix(data)
        return Tokenizer.from_str(json.dumps(data)), prefix
    except Exception as exc:  # tokenizers raises nothing more precise
        raise ModelError(f"{path} cannot be read: {exc}; delete its folder and convert again") from exc


def _take_prefix(data: dict[str, Any]) -> Prefix:
    prefix: Prefix = "never"
    for step in _steps(data, "normalizer", "normalizers"):
        if step["type"] == "Prepend":
            step["prepend"], prefix = "", "always"
    for step in _steps(data, "pre_tokenizer", "pretokenizers"):
        if step["type"] == "Metaspace":
            usual = "always" if step.pop("add_prefix_space", True) else "never"
            prefix = step.get("prepend_scheme", usual)
            step["prepend_scheme"] = "never"
    return prefix


def _steps(data: Mapping[str, Any], kind: str, several: str) -> list[dict[str, Any]]:
    step = data.get(kind)
    if not step:
        return []
    return list(step[several]) if step["type"] == "Sequence" else [step]
