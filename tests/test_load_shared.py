"""Real files of every format, when the shared collection is beside the repository."""

from __future__ import annotations

import csv
import re
import sys

import pytest

from rag.embed import HashingEmbedder
from rag.load import load
from rag.load.source import Settings
from rag.split import split
from tests.formats_table import FORMATS, GOLDEN, as_text, passwords, table

LEAST_RECALL = 0.9  # of the words that another tool finds
OCR_SLACK = 0.05
TRUE_REASONS = "encrypted|damaged|empty|no text|LibreOffice"
pytestmark = pytest.mark.skipif(not FORMATS.is_dir(), reason="../shared/formats is not on this machine")

READ = [  # file, pages, headings, a text that stands in it
    ("md/分布式训练技术原理.md", 0, 1, "FSDP算法是由来自DeepSpeed的ZeroRedundancyOptimizer技术驱动的"),
    ("md/codeblock.md", 0, 2, "<!DOCTYPE html>"),
    ("html/html.sample.en.html", 0, 2, "Name: Alice; Age: 30\nName: Bob; Age: 25"),
    ("html/test_wikipedia.html", 0, 31, "Founded: April 4, 1975 (1975-04-04) in Albuquerque"),
    ("docx/ocr_test.docx", 0, 0, "我是文字\n\n我是表格1: 我是表格2"),
    ("docx/test_with_comment.docx", 0, 4, "AutoGen is an open-source framework that allows developers"),
    ("docx/dummy_jap.docx", 0, 3, "LangChainとLangGraph"),
    ("huge/handbook-872p.docx", 0, 294, "Executive Office for United States Trustees"),
    (
        "pdf/multicolumn.pdf",
        3,
        0,
        "adipiscing elit. Ut purus elit, vestibulum ut, placerat ac, adipiscing vitae, felis.",
    ),
    (
        "pdf/dmca.pdf",
        18,
        0,
        "The legislation implements two 1996 World Intellectual Property Organization (WIPO) treaties",
    ),
    ("pdf/ocr_test.pdf", 1, 0, "我是文字"),
    ("pdf/REPAIR-2022-INV-001_multipage.pdf", 3, 0, "Sales Tax 10.20% 278.46\nGRAND TOTAL 5,738"),
    ("encrypted/copy-protected.pdf", 2, 0, "easy reuse of important innovations by a wide audience"),
    ("broken/invalid-pdf-structure-pdfminer-one-page.pdf", 2, 0, "depend on technology systems to carry out"),
    ("broken/simple1.pdf", 1, 0, "Hello World"),
    ("broken/derived-mixed-utf8-gbk.txt", 0, 0, "黑豹队的防守只丢了 308分"),
    ("broken/derived-utf8-cut-mid-character.txt", 0, 0, "国家橄榄球联盟"),
    ("encoding/derived-drcd.big5.txt", 0, 0, "在歐洲，梵語的學術研究，由德國學者陸特和漢斯雷頓開創。"),
    ("encoding/sample-chinese.txt", 0, 0, "維基大典（Wikipedia）者，網路為礎；"),
    ("encoding/derived-xquad-zh.utf16le-nobom.txt", 0, 0, "黑豹队的防守只丢了 308分"),
    ("encoding/derived-xquad-zh.gbk.html", 0, 1, "黑豹队的防守只丢了 308分"),
    ("encoding/example-steelJIS-datasheet-utf-16.html", 0, 2, "Chemical composition 成分"),
    ("encoding/fake-text-utf-16-be.txt", 0, 0, "This is a test document to use for unit tests."),
    ("encoding/fake-text-utf-32.txt", 0, 0, "This is a test document to use for unit tests."),
    ("encoding/sample-arabic-1.txt", 0, 0, "بالموازاة مع ذلك"),
    ("encoding/sample-french-1.txt", 0, 0, "JEAN-BAPTISTE POQUELIN MOLIÈRE"),
    ("encoding/sample-greek.txt", 0, 0, "Η ελληνική αποτελεί"),
    ("encoding/sample-hebrew-2.txt", 0, 0, "אין כמעט ניבים"),
    ("encoding/sample-russian.txt", 0, 0, "В гимназии он не был в числе первых учеников"),
    ("encoding/sample-turkish.txt", 0, 0, "İstanbul, Türkiye'nin en kalabalık"),
    ("encoding/umlauts-non-utf8.md", 0, 1, "äöüß"),
]


@pytest.mark.parametrize(("name", "pages", "headings", "text"), READ)
def test_a_real_file_is_read(name: str, pages: int, headings: int, text: str) -> None:
    document = load(FORMATS / name, source=name)
    assert text in document.text
    assert (len(document.pages), len(document.headings)) == (pages, headings)
    passages = split(document, token_offsets=HashingEmbedder().token_offsets, passage_tokens=256)
    assert all(document.text[passage.start : passage.end] == passage.text for passage in passages)


def test_every_file_comes_out_as_the_golden_table_says() -> None:
    rows = table()
    sys.stdout.write(as_text(rows))
    golden = list(csv.DictReader(GOLDEN.open(encoding="utf-8"), delimiter="\t"))
    assert [row["file"] for row in rows] == [row["file"] for row in golden]
    assert [row for row, kept in zip(rows, golden, strict=True) if not _alike(row, kept)] == []


def test_the_golden_table_holds_no_lost_text_and_no_vague_reason() -> None:
    rows = list(csv.DictReader(GOLDEN.open(encoding="utf-8"), delimiter="\t"))
    lost = [row["file"] for row in rows if float(row["recall"] or 1) < LEAST_RECALL]
    assert lost == []
    failed = {row["file"]: row["said"] for row in rows if row["state"] == "failed"}
    assert {name: said for name, said in failed.items() if not re.search(TRUE_REASONS, said)} == {}


def test_with_its_password_an_encrypted_file_is_read() -> None:
    rows = {row["file"]: row for row in table(Settings(passwords=passwords()))}
    assert [name for name, row in rows.items() if row["state"] == "failed" and "encrypted/" in name] == []


def _alike(row: dict[str, str], kept: dict[str, str]) -> bool:
    """Say whether two rows agree; what OCR reads may differ a little from processor to processor."""
    near = all(_near(row[name], kept[name]) for name in ("words", "recall", "precision"))
    return near and all(row[name] == kept[name] for name in ("file", "state", "pages", "headings", "said"))


def _near(value: str, kept: str) -> bool:
    return value == kept or abs(float(value) - float(kept)) <= OCR_SLACK * max(float(kept), 1)
