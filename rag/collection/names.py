"""Which indexed documents a person may mean by a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Final

from rag.index.lexical import plain, words
from rag.index.rows import Titled
from rag.index.small_words import SMALL

QUOTES: Final = "\"'“”‘’《》〈〉「」『』`"
JOINTS: Final = re.compile(rf"[\s_\-–—·:,，。{QUOTES}]+")
QUOTED: Final = re.compile(r"^(?:\"[^\"]+\"|“[^”]+”|《[^》]+》|「[^」]+」|`[^`]+`)$")
NOUN: Final = (
    r"handbook|manual|guide|report|contract|agreement|policy|policies|paper|thesis|book|article|letter|minutes"
    r"|notes?|spec|specification|proposal|plan|brochure|leaflet|rules|regulations|statute|readme|changelog"
    r"|invoice|memo|document|file|pdf|slides|presentation|spreadsheet"
)
HAN_NOUN: Final = (
    "手册|报告|合同|指南|说明书?|规定|制度|办法|章程|条例|协议|论文|方案|计划|纪要|通知|公告|文档|文件|资料"
    "|教程|规范|守则|细则|须知|简历|清单|讲义|幻灯片|表格"
)
KIND: Final = re.compile(rf"(?:\b(?:{NOUN})|(?:{HAN_NOUN}))(?:\W|$)", re.IGNORECASE)
FILE_NAME: Final = re.compile(r"\w\.[a-z][a-z0-9]{1,4}$", re.IGNORECASE)
BEFORE: Final = re.compile(
    r"^(?:(?:the|my|our|your|this|that|indexed|whole|entire)\s+)*"
    r"(?:(?:document|file|pdf)\s+(?:called|named|titled)?\s*)?|^(?:这|那)?(?:一)?(?:个|份|篇|本)?(?:文件|文档)?",
    re.IGNORECASE,
)
AFTER: Final = re.compile(
    r"(?:\s+(?:document|file|doc|pdf)|(?:这|那)(?:一)?(?:个|份|篇|本)|[的]?(?:文件|文档))+$"
)
POINTING: Final = re.compile(
    r"(?:this|that|the|the whole|the entire|this whole) (?:document|file|pdf|text|doc)"
    rf"|this (?:{NOUN})|(?:这|那|该|本|此|当前)(?:一)?(?:个|份|篇|本|部|张)?(?:pdf|文章|{HAN_NOUN})",
    re.IGNORECASE,
)
IT: Final = re.compile(r"(?:it|它|其|里面|文中)", re.IGNORECASE)
ENDING: Final = re.compile(r"\w(\.[A-Za-z][A-Za-z0-9]{1,4})$")
OF_DOCUMENTS: Final = (  # any other, as in Node.js, is one of a file only where there are such files
    *(".pdf", ".doc", ".docx", ".odt", ".rtf", ".ppt", ".pptx", ".odp", ".xls", ".xlsx", ".ods", ".csv"),
    *(".txt", ".md", ".rst", ".html", ".htm", ".epub", ".eml", ".msg"),
)
LEAST_WORDS: Final = 2  # of a title that is not told in full


class Names:
    """The names of some documents: path, file name with or without its ending, title."""

    def __init__(self, files: Sequence[Titled]) -> None:
        self._files = files

    def find(self, name: str) -> tuple[str, ...]:
        """Return the documents of that name; several where it cannot be told which is meant."""
        for asked in dict.fromkeys([name, AFTER.sub("", BEFORE.sub("", name)).strip()]):
            for names_of in (_paths, _stems, _titles):
                if found := self._called(asked, names_of):
                    return found
        return self._described(name)

    def _called(self, name: str, names_of: Callable[[Titled], Iterator[str]]) -> tuple[str, ...]:
        wanted = _key(name)
        return _distinct([file for file in self._files if wanted and wanted in map(_key, names_of(file))])

    def _described(self, name: str) -> tuple[str, ...]:
        """Return the one document whose name and title hold all of these words, "handbook" among them."""
        wanted = {word.casefold() for word in words(name)} - SMALL
        if not KIND.search(name) or len(wanted) < LEAST_WORDS:
            return ()
        found = _distinct([file for file, known in self._words if wanted <= known])
        return found if len(found) == 1 else ()

    @cached_property
    def _words(self) -> list[tuple[Titled, frozenset[str]]]:
        return [(file, frozenset(words(f"{file.source} {file.title}"))) for file in self._files]

    def alone(self) -> str:
        """Return the only document there is, or nothing."""
        found = _distinct(self._files)
        return found[0] if len(found) == 1 else ""

    def may_be_a_file(self, name: str) -> bool:
        """Tell whether a name that no document bears is that of a file, by its ending."""
        ending = ENDING.search(name.rstrip(QUOTES))
        known = (PurePosixPath(file.source).suffix.lower() for file in self._files)
        return ending is not None and ending[1].lower() in {*OF_DOCUMENTS, *known}

    def holds(self, source: str) -> bool:
        return any(file.source == source for file in self._files)


def is_name(name: str) -> bool:
    """Tell whether it is written as only a document's name is, so that no thing can be meant."""
    return bool(QUOTED.match(name) or FILE_NAME.search(name.strip(QUOTES)))


def is_document(name: str) -> bool:
    """Tell whether it speaks of a document: a handbook, a file name, a name with figures or joints in it."""
    return bool(is_name(name) or KIND.search(name) or re.search(r"[\d_/]|\w-\w", name))


def _paths(file: Titled) -> Iterator[str]:
    yield from (file.source, PurePosixPath(file.source).name)


def _stems(file: Titled) -> Iterator[str]:
    path = PurePosixPath(file.source)
    yield from (str(path.with_suffix("")), path.stem)


def _titles(file: Titled) -> Iterator[str]:
    yield file.title
    yield from re.split(r"[:：|]", file.title)[1:]


def _key(name: str) -> str:
    return JOINTS.sub("", plain(name)).casefold()


def _distinct(files: Sequence[Titled]) -> tuple[str, ...]:
    """Return the first name of each content."""
    return tuple({file.content: file.source for file in reversed(files)}.values())[::-1]
