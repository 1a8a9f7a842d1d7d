"""Real files of every format, when the shared collection is beside the repository."""

from __future__ import annotations

import re
import sys

import pytest

from rag.embed import HashingEmbedder
from rag.load import load
from rag.load.source import Settings
from rag.split import split
from tests.formats_table import FORMATS, as_text, golden, passwords, table

LEAST_RECALL = 0.9  # of the words that another tool finds
OCR_SLACK = 0.05
TRUE_REASONS = "encrypted|damaged|empty|no text|LibreOffice"
pytestmark = pytest.mark.skipif(not FORMATS.is_dir(), reason="../shared/formats is not on this machine")

READ = [  # file, a text that stands in it
    ("md/分布式训练技术原理.md", "FSDP算法是由来自DeepSpeed的ZeroRedundancyOptimizer技术驱动的"),
    ("md/codeblock.md", "<!DOCTYPE html>"),
    ("html/html.sample.en.html", "Name: Alice; Age: 30\nName: Bob; Age: 25"),
    ("html/test_wikipedia.html", "Founded: April 4, 1975 in Albuquerque, New Mexico"),
    ("docx/ocr_test.docx", "我是文字\n\n我是表格1: 我是表格2"),
    ("docx/test_with_comment.docx", "AutoGen is an open-source framework that allows developers"),
    ("docx/dummy_jap.docx", "LangChainとLangGraph"),
    ("huge/handbook-872p.docx", "Executive Office for United States Trustees"),
    (
        "pdf/multicolumn.pdf",
        "adipiscing elit. Ut purus elit, vestibulum ut, placerat ac, adipiscing vitae, felis.",
    ),
    (
        "pdf/dmca.pdf",
        "The legislation implements two 1996 World Intellectual Property Organization (WIPO) treaties",
    ),
    ("pdf/ocr_test.pdf", "横向文本框"),
    ("pdf/REPAIR-2022-INV-001_multipage.pdf", "Sales Tax\t10.20%\t278.46\nGRAND TOTAL\t5,738"),
    ("encrypted/copy-protected.pdf", "easy reuse of important innovations by a wide audience"),
    ("broken/invalid-pdf-structure-pdfminer-one-page.pdf", "depend on technology systems to carry out"),
    ("broken/simple1.pdf", "Hello\tWorld"),
    ("broken/derived-mixed-utf8-gbk.txt", "黑豹队的防守只丢了 308分"),
    ("broken/derived-utf8-cut-mid-character.txt", "国家橄榄球联盟"),
    ("encoding/derived-drcd.big5.txt", "在歐洲，梵語的學術研究，由德國學者陸特和漢斯雷頓開創。"),
    ("encoding/sample-chinese.txt", "維基大典（Wikipedia）者，網路為礎；"),
    ("encoding/derived-xquad-zh.utf16le-nobom.txt", "黑豹队的防守只丢了 308分"),
    ("encoding/derived-xquad-zh.gbk.html", "黑豹队的防守只丢了 308分"),
    ("encoding/example-steelJIS-datasheet-utf-16.html", "Chemical composition 成分"),
    ("encoding/fake-text-utf-16-be.txt", "This is a test document to use for unit tests."),
    ("encoding/fake-text-utf-32.txt", "This is a test document to use for unit tests."),
    ("encoding/sample-arabic-1.txt", "بالموازاة مع ذلك"),
    ("encoding/sample-french-1.txt", "JEAN-BAPTISTE POQUELIN MOLIÈRE"),
    ("encoding/sample-greek.txt", "Η ελληνική αποτελεί"),
    ("encoding/sample-hebrew-2.txt", "אין כמעט ניבים"),
    ("encoding/sample-russian.txt", "В гимназии он не был в числе первых учеников"),
    ("encoding/sample-turkish.txt", "İstanbul, Türkiye'nin en kalabalık"),
    ("encoding/umlauts-non-utf8.md", "äöüß"),
    ("pdf/MEDRPT-2024-PAT-3847_medical_report_scan.pdf", "MEDICAL"),
    ("encoding/sample-russian.txt", "В гимназии он не был в числе первых учеников"),
]
EXPLAINED = {  # files of which another tool finds more words, and why
    "broken/fake-power-point-malformed.pptx": "the date of a slide is no text of its author's",
    "broken/simple1.pdf": "letters set apart by spaces stay apart",
    "broken/simple3.pdf": "letters set apart by spaces stay apart",
    "encoding/fake-email-utf-16-le.eml": "the other tool's words are those of the raw mail",
    "encoding/sample-english.bom.txt": "subtitles: the times and numbers of the cues are left out",
    "html/test_wikipedia.html": "menus are left out",
    "pdf/fake-bold-sample.pdf": "letters printed twice count once",
    "pdf/habibi-rotated.pdf": "no font of it says which Arabic letters it draws",
    "pdf/issue-449-vertical.pdf": "the other tool reads letter by letter",
}


@pytest.mark.parametrize(("name", "text"), READ)
def test_a_real_file_is_read(name: str, text: str) -> None:
    document = load(FORMATS / name, source=name)
    assert text in document.text
    passages = split(document, token_offsets=HashingEmbedder().token_offsets, passage_tokens=256)
    assert all(document.text[passage.start : passage.end] == passage.text for passage in passages)


def test_every_file_comes_out_as_the_golden_table_says() -> None:
    rows = table()
    sys.stdout.write(as_text(rows))
    kept = golden()
    assert [row["file"] for row in rows] == [row["file"] for row in kept]
    assert [row for row, before in zip(rows, kept, strict=True) if not _alike(row, before)] == []


def test_the_golden_table_holds_no_lost_text_and_no_vague_reason() -> None:
    rows = golden()
    lost = {row["file"] for row in rows if float(row["recall"] or 1) < LEAST_RECALL}
    assert lost == EXPLAINED.keys()
    failed = {row["file"]: row["said"] for row in rows if row["state"] == "failed"}
    assert {name: said for name, said in failed.items() if not re.search(TRUE_REASONS, said)} == {}


def test_with_its_password_an_encrypted_file_is_read() -> None:
    rows = {row["file"]: row for row in table(Settings(passwords=passwords()))}
    closed = [name for name, row in rows.items() if row["state"] == "failed" and "encrypted/" in name]
    assert closed == ["encrypted/password_protected.xlsx"]  # nobody tells its password


def _alike(row: dict[str, str], kept: dict[str, str]) -> bool:
    """Say whether two rows agree; what OCR reads may differ a little from processor to processor."""
    near = all(_near(row[name], kept[name]) for name in ("words", "recall", "precision"))
    return near and all(row[name] == kept[name] for name in ("file", "state", "pages", "headings", "said"))


def _near(value: str, kept: str) -> bool:
    return value == kept or abs(float(value) - float(kept)) <= OCR_SLACK * max(float(kept), 1)
