"""Real files of every format, when the shared collection is beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.embed import HashingEmbedder
from rag.errors import LoadError
from rag.load import load
from rag.split import split

FORMATS = Path(__file__).parents[2] / "shared" / "formats"
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
REFUSED = [
    ("pdf/MEDRPT-2024-PAT-3847_medical_report_scan.pdf", "no text layer"),
    ("encrypted/aes-256-r6.pdf", "is encrypted"),
    ("encrypted/rc4-40.pdf", "is encrypted"),
    ("encrypted/ecma376standard_password.docx", "is encrypted"),
    ("encrypted/rc4cryptoapi_password.doc", "before 2007"),
    ("broken/derived-truncated.xlsx", "damaged"),
    ("broken/factbook.xsl", ".xsl"),
]


def text_or_reason(path: Path) -> str:
    try:
        return load(path, source=path.name).text
    except LoadError as exc:
        assert_one_sentence(str(exc))
        return str(exc)


def assert_one_sentence(reason: str) -> None:
    assert 0 < len(reason) <= 300
    assert "\n" not in reason


@pytest.mark.parametrize(("name", "pages", "headings", "text"), READ)
def test_a_real_file_is_read(name: str, pages: int, headings: int, text: str) -> None:
    document = load(FORMATS / name, source=name)
    assert text in document.text
    assert (len(document.pages), len(document.headings)) == (pages, headings)
    passages = split(document, token_offsets=HashingEmbedder().token_offsets, passage_tokens=256)
    assert all(document.text[passage.start : passage.end] == passage.text for passage in passages)


@pytest.mark.parametrize(("name", "reason"), REFUSED)
def test_a_file_that_cannot_be_read_says_why(name: str, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        load(FORMATS / name, source=name)


def test_every_file_is_read_or_refused_in_one_sentence() -> None:
    for path in sorted(FORMATS.rglob("*.*")):
        said = text_or_reason(path)
        assert said.strip(), path
