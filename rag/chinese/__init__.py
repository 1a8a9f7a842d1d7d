"""What Kaoju says of files, of refusals and of its own troubles, in Chinese.

Reasons, notes and errors are made and kept in English. A catalogue gives the Chinese of each by its pattern:
`{name}` is a part that changes and is looked up in its turn (`{what}` has to be known), `[a|b]` is one of
several words, `[s]` a word's end that may be missing. A sentence that the catalogue lacks stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import islice
from typing import Final

from rag.chinese.answers import ANSWERS
from rag.chinese.engines import ENGINES
from rag.chinese.errors import ERRORS
from rag.chinese.files import FILES
from rag.chinese.words import WORDS

LONGEST: Final = 2000  # characters; a longer one is a page of somebody else's words
MOST_JOINTS: Final = 20  # that are tried
REMEMBERED: Final = 4096  # sentences; a list of documents is drawn anew at every step of a sync
PART: Final = re.compile(r"\{(\w+)\}|\[([^\]]+)\]")
ARTICLE: Final = re.compile(r"^an? ")
NAMES: Final = {
    *("name", "path", "file", "folder", "suffix", "package", "model", "token", "setting", "setting_again")
}
COUNTED: Final = {"count", "number", "pages"}
NUMBERS, ANYTHING = r"[\d,. -]*\d", ".+?"
SUBJECT: Final = (
    "[^:;]+?"  # at the beginning: what is before a colon is the name of a file, or another sentence
)
SLOT: Final = re.compile(r" ?\{(\w+)\} ?")


def in_chinese(said: str) -> str:
    """Return a reason, a note or an error in Chinese; what is not known stays as it is."""
    return (_translated(said) if len(said) <= LONGEST else None) or said


@lru_cache(maxsize=REMEMBERED)
def _translated(said: str) -> str | None:
    return _known(said) or next(_one_by_one(said), None) or next(_behind_a_name(said), None)


def _known(said: str) -> str | None:
    """Return the Chinese of a word or of one sentence."""
    return WORDS.get(said) or WORDS.get(ARTICLE.sub("", said)) or _sentence(said)


def _sentence(said: str) -> str | None:
    for pattern, chinese in _patterns():
        found = pattern.fullmatch(said)
        if found and ("{what}" not in chinese or _known(found["what"])):
            return _filled(chinese, found.groupdict())
    return None


def _behind_a_name(said: str) -> Iterator[str]:
    for name, rest in _split(said, ": "):
        if told := _known(rest):
            yield f"{_sentence(name) or name}：{told}"  # a file may be called by a word that is known


def _one_by_one(said: str) -> Iterator[str]:
    for first, rest in _split(said, "; "):
        if (told := _translated(rest)) and (before := _translated(first)):
            yield f"{before}；{told}"


def _split(said: str, joint: str) -> Iterator[tuple[str, str]]:
    """Yield `said` in two at each `joint`, unless these are too many to be ours."""
    ends = list(islice(re.finditer(joint, said), MOST_JOINTS + 1))
    for found in ends if len(ends) <= MOST_JOINTS else ():
        yield said[: found.start()], said[found.end() :]


def _filled(chinese: str, parts: dict[str, str]) -> str:
    """Put the parts into a sentence, with a space between Chinese and other writing."""
    text = ""
    for at, piece in enumerate(SLOT.split(chinese)):
        if at % 2:
            piece = parts[piece] if piece in NAMES else in_chinese(parts[piece])
        text += _gap(text[-1:], piece[:1]) + piece
    return text


def _gap(left: str, right: str) -> str:
    both = left + right
    is_mixed = left.isascii() != right.isascii() and any("\u4e00" <= one <= "\u9fff" for one in both)
    is_bare = both.isascii() and left.isalnum() and right.isalnum()
    return " " if left and right and not any(map(str.isspace, both)) and (is_mixed or is_bare) else ""


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the patterns that fix the most words first: they tell the most."""
    known = sorted((FILES | ERRORS | ENGINES | ANSWERS).items(), key=lambda pair: -len(PART.sub("", pair[0])))
    return tuple((re.compile(_pattern(english), re.DOTALL), chinese) for english, chinese in known)


def _pattern(english: str) -> str:
    pieces, end = [], 0
    for part in PART.finditer(english):
        pieces += [
            re.escape(english[end : part.start()]),
            _piece(part, anything=ANYTHING if part.start() else SUBJECT),
        ]
        end = part.end()
    return "".join(pieces) + re.escape(english[end:])


def _piece(part: re.Match[str], *, anything: str) -> str:
    if part[1]:
        return f"(?P<{part[1]}>{NUMBERS if part[1] in COUNTED else anything})"
    return f"(?:{part[2]})" if "|" in part[2] else f"(?:{part[2]})?"
