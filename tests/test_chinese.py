"""Every reason, note and error that the page can show is told in Chinese, too."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import rag
from rag import errors as errors_of_kaoju
from rag.chinese import in_chinese
from rag.chinese.answers import ANSWERS
from rag.chinese.engines import ENGINES
from rag.chinese.errors import ERRORS
from rag.chinese.files import FILES
from rag.load.kinds import PACKED, UNREAD

CODE = Path(rag.__file__).parent
OURS = {name for name, value in vars(errors_of_kaoju).items() if isinstance(value, type)} | {
    "LimitError",
    "damaged",
}
READING = ["load", "folder"]
ASKING = [
    *("index", "folder", "pipeline.py", "prompt.py", "scope.py", "embed/__init__.py", "embed/plain.py"),
    *(
        "engines",
        "tokenizer/chat.py",
        "tokenizer/settings.py",
        "tokenizer/template.py",
        "models/adapters.py",
        "models/places.py",
        "ui/shelf.py",
        "ui/uploads.py",
    ),
]
SENTENCE = re.compile(r"(?!.*[a-z]/[a-z])[A-Za-z7][^\\|<>#%{}\[\]@]*")  # no pattern, path, markup or format
WORD = re.compile(r"(?<![\w.'-])[a-z]{2,}(?![\w-])")
PLACEHOLDER = "7"
FUNCTION = re.compile(r"\b(?:the|an|its?|is|are|of|not|to|be)\b")  # a list of names has none
UNSAID = {
    "the loader was closed while it read",  # a RuntimeError
    "no field tells how the member is encrypted",  # a ValueError that is caught at once
}
KEPT = {  # words that Chinese keeps
    *(
        "rag",
        "toml",
        "zip",
        "ipex",
        "llm",
        "gitignore",
        "apt",
        "get",
        "install",
        "config",
        "json",
        "safetensors",
    ),
    *(
        "echo",
        "zstd",
        "lz",
        "compress",
        "model",
        "sentence",
        "transformers",
        "pickle",
        "org",
        "name",
        "libreoffice",
        "nogui",
    ),
}


def modules(names: list[str]) -> Iterator[Path]:
    for name in names:
        yield from [CODE / name] if name.endswith(".py") else sorted((CODE / name).rglob("*.py"))


def template(node: ast.AST) -> str:
    """Return a string, or an f-string with `PLACEHOLDER` for each part that changes; "" for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.IfExp):
        return template(node.value.body)
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) or PLACEHOLDER for part in node.values)
    return ""


def sentences(path: Path) -> Iterator[str]:
    """Yield a module's strings of three words and more, but for docstrings, lists of words and patterns."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    passed_over = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    passed_over |= {id(node.value) for node in nodes if isinstance(node, ast.Expr | ast.Attribute)}
    for node in nodes:
        said = "" if id(node) in passed_over else template(node)
        if said.count(" ") > 1 and FUNCTION.search(said) and SENTENCE.fullmatch(said):
            yield said


def errors(path: Path) -> Iterator[str]:
    """Yield what the errors of a module say that are Kaoju's own."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OURS:
            yield from filter(None, map(template, node.args))


def english_left(said: str) -> set[str]:
    """Return the English words in the Chinese of `said`, but for what it quotes and names."""
    return set(WORD.findall(re.sub("`[^`]*`", "", in_chinese(said)))) - KEPT


@pytest.mark.parametrize("path", list(modules(READING)), ids=lambda path: path.relative_to(CODE).as_posix())
def test_each_reason_and_note_is_told_in_chinese(path: Path) -> None:
    said = set(sentences(path)) - UNSAID
    assert sorted(in_chinese(each) for each in said if english_left(each)) == []


@pytest.mark.parametrize("path", list(modules(ASKING)), ids=lambda path: path.relative_to(CODE).as_posix())
def test_each_error_is_told_in_chinese(path: Path) -> None:
    assert sorted(in_chinese(each) for each in errors(path) if english_left(each)) == []


def test_each_kind_of_file_and_what_to_do_with_it_is_told_in_chinese() -> None:
    told = [*(part for _, *parts in UNREAD for part in parts if part), *PACKED.values()]
    assert [each for each in told if english_left(each) or in_chinese(each) == each != "PDF"] == []


def test_the_catalogue_is_whole() -> None:
    for english, chinese in (FILES | ERRORS | ENGINES | ANSWERS).items():
        assert set(re.findall(r"\{\w+\}", chinese)) <= set(re.findall(r"\{\w+\}", english)), english
        assert re.search("[\u4e00-\u9fff]", chinese), english


@pytest.mark.parametrize(
    ("said", "chinese"),
    [
        ("the file is empty", "文件是空的"),
        ("program: the file is empty", "program：文件是空的"),  # a name, though a word that is known
        (
            "a: b.zip › c.txt: the file is empty; d: the file is empty",
            "a: b.zip › c.txt：文件是空的；d：文件是空的",
        ),
        (
            "内/坏.pdf: the PDF is damaged: its structure cannot be read",
            "内/坏.pdf：PDF 已损坏：其结构无法读取",
        ),
        ("page 3 is damaged and was not read", "第 3 页已损坏，没有读取"),
        ("pages 1, 3-5 are damaged and were not read", "第 1, 3-5 页已损坏，没有读取"),
        ("a HEIC or AVIF image cannot be read: save it as JPEG", "无法读取 HEIC 或 AVIF 图片：请另存为 JPEG"),
        ("it is named .pdf but is not a PDF", "文件名以 .pdf 结尾，却不是 PDF"),
        ("it is named .docx but is not a Word document", "文件名以 .docx 结尾，却不是 Word 文档"),
        ("1 line had been encoded twice and was repaired", "1 行经过两次编码，已修复"),
        (
            "the image is too large (90 x 90): at most 80 million pixels are read",
            "图片过大 (90 x 90)：最多读取 80 百万像素",
        ),
        (
            "a.gguf is a GGUF file; a reranker has to be a sentence-transformers folder",
            "a.gguf 是 GGUF 文件；重排模型须为 sentence-transformers 文件夹",
        ),
        (
            "embedder='q': qwen is an LLM; choose another embedder",
            "embedder='q'：qwen 是语言模型；请另选 embedder",
        ),
        ("{0} and %s of {name}", "{0} and %s of {name}"),
        ("", ""),
    ],
)
def test_a_sentence_is_told_with_its_names_and_numbers(said: str, chinese: str) -> None:
    assert in_chinese(said) == chinese


def test_a_long_sentence_costs_little() -> None:
    started = time.perf_counter()
    for said in ("the file is empty; " * 90, "a: " * 600, "x" * 1_000_000, "page " + "1, " * 600):
        assert in_chinese(said)
    assert time.perf_counter() - started < 2
