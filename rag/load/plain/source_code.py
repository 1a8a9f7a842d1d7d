"""Source code as written, with what it defines as headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from rag.datatypes import Heading
from rag.load.content import Content, title_of
from rag.load.plain.text import plain_text
from rag.load.source import Source

PYTHON: Final = re.compile(r"([ \t]*)((?:async[ \t]+)?(?:class|def)[ \t]+\w+)")
RUBY: Final = re.compile(r"([ \t]*)((?:class|module|def)[ \t]+[\w.:?!=<>\[\]]+)")
BRACED: Final = re.compile(  # Java, C#, Kotlin, Scala, Swift, PHP, JavaScript, TypeScript, Rust, C++, Go ...
    r"([ \t]*)(?:@\w+[ \t]+|\[[\w, ]{1,80}\][ \t]*)*+"
    r"((?:(?:export|default|declare|public|private|protected|internal|static|final|abstract|sealed|open"
    r"|override|async|unsafe|virtual|inline|partial|data|pub(?:\([\w:]{1,40}\))?|extern|const|case|readonly"
    r"|suspend)[ \t]+)*+"
    r"(?:enum[ \t]+(?:class|struct)|class[ \t]+func"
    r"|class|interface|struct|enum|trait|impl|union|record|object|protocol|extension|namespace|module|mod"
    r"|package|function\*?|func|fun|fn|def|macro_rules!|type)(?:[ \t]+|[ \t]*(?=[<(]))"
    r"(?:\([^()\n]{0,120}\)[ \t]*)?[\w$.:<>&',*]+)"
)
METHOD: Final = re.compile(  # of Java, C# or C++ within a class, or a function of C
    r"([ \t]*)"
    r"(?!(?:return|else|if|for|while|switch|catch|new|throw|delete|using|typedef|case"
    r"|do|goto)\b)"
    r"(?:[\w:<>\[\],.*&?~]+[ \t]+){1,6}?[*&]{0,2}([\w:~$]+)[ \t]*\([^;={}\n]{0,300}\)[ \t]*"
    r"(?:const|override|noexcept|final|throws[ \t]+[\w, .]{1,120}|[ \t])*(?:\{|$)"
)
SHELL: Final = re.compile(r"()((?:function[ \t]+)?[\w.-]+)[ \t]*\(\)[ \t]*\{?")
SQL: Final = re.compile(
    r"([ \t]*)((?:create|alter)[ \t]+(?:or[ \t]+replace[ \t]+)?(?:temp(?:orary)?[ \t]+)?(?:table|view"
    r"|function|procedure|trigger|index|type|schema)[ \t]+(?:if[ \t]+not[ \t]+exists[ \t]+)?[\w.\"`\[\]]+)",
    re.I,
)
SECTION: Final = re.compile(r"()(\[{1,2}[^\[\]\n]{1,120}\]{1,2})[ \t]*(?:[#;].*)?$")
TEX: Final = re.compile(
    r"[ \t]*\\(part|chapter|section|subsection|subsubsection)\*?"
    r"(?:\[[^\]\n]{0,200}\])?\{([^\n]{1,300}?)\}"
)
TEX_LEVELS: Final = ("part", "chapter", "section", "subsection", "subsubsection")
DIFF: Final = re.compile(r"()(?:diff --git a/|Index: )(\S.*)")
STYLES: Final = {
    (PYTHON,): ".py .pyi .pyw .pyx .ipy .nim",
    (RUBY,): ".rb .ex .exs .jl .cmake",
    (SHELL,): ".sh .bash .zsh .fish .awk",
    (SQL,): ".sql",
    (SECTION,): ".toml .ini .cfg .conf .desktop .reg",
    (DIFF,): ".diff .patch",
    (BRACED, METHOD): ".java .cs .c .h .cc .cpp .cxx .hpp .hh .m .mm .cu .dart .groovy .d",
}
PATTERNS: Final = {suffix: style for style, suffixes in STYLES.items() for suffix in suffixes.split()}
PLAIN: Final = frozenset(
    {".css", ".scss", ".less", ".env", ".properties", ".bib", ".bat", ".cmd", ".asm", ".s"}
)
COOKIE: Final = re.compile(  # PEP 263, and Emacs and Vim in other languages; CSS
    rb"(?:[^\n]{0,200}\n)?(?:[^\n]{0,200}?coding[:=][ \t]*|@charset[ \t]+[\"'])([\w.-]{2,40})"
)
MAX_LINE: Final = 400  # characters of a line that may define something
MAX_LEVEL: Final = 6
TAB: Final = 4  # columns


def read_code(source: Source) -> Content:
    """Read source code; what it defines becomes headings, nested as it is indented. Nothing is run."""
    cookie = COOKIE.match(source.data)
    text, notes = plain_text(source, declared=cookie[1].decode("ascii") if cookie else None, mend=False)
    suffix = PurePath(source.name).suffix.lower()
    headings = _tex(text) if suffix == ".tex" else _definitions(text, suffix)
    return Content(text=text, headings=tuple(headings), notes=notes)


def _definitions(text: str, suffix: str) -> Iterator[Heading]:
    patterns = PATTERNS.get(suffix, () if suffix in PLAIN else (BRACED,))
    outer: list[int] = []  # the indents of the definitions around
    for start, line in _lines(text):
        found = next((match for pattern in patterns if (match := pattern.match(line))), None)
        if not found:
            continue
        indent = len(found[1].expandtabs(TAB))
        while outer and outer[-1] >= indent:
            outer.pop()
        outer.append(indent)
        if len(outer) <= MAX_LEVEL:
            title = title_of(found[2]).rstrip(":,<")
            yield Heading(level=len(outer), start=start, end=start + len(line), title=title)


def _tex(text: str) -> Iterator[Heading]:
    for start, line in _lines(text):
        found = TEX.match(line)
        if found:
            level = TEX_LEVELS.index(found[1]) + 1
            yield Heading(level=level, start=start, end=start + len(line), title=title_of(found[2]))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    offset = 0
    for line in text.splitlines(keepends=True):
        start, offset = offset, offset + len(line)
        if len(line) <= MAX_LINE:
            yield start, line.rstrip("\n")
