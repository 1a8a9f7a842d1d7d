from __future__ import annotations

import io

import pypdfium2
import pytest

from rag.errors import LoadError
from rag.load.pdf import read_pdf
from rag.load.source import Source
from tests.minimal_pdf import Placed, minimal_pdf


def text_or_reason(data: bytes) -> str:
    try:
        return read_pdf(Source(data=data)).text
    except LoadError as exc:
        return str(exc)


def column(lines: list[str], *, x: float = 50, y: float = 700, leading: float = 12) -> list[Placed]:
    return [(x, y - leading * at, line) for at, line in enumerate(lines)]


ENGLISH = [
    "The lantern room is opened every evening at nine by the keeper on",
    "duty, who signs the red book and counts the spare lamps before the",
    "door is locked again.",
]
CHINESE = ["灯塔每天晚上九点由值班的看守人打开，他在红色的登记", "簿上签名，清点备用的灯泡，然后再把门锁上。"]


def test_lines_of_an_english_paragraph_are_joined_with_spaces() -> None:
    assert read_pdf(Source(data=minimal_pdf([column(ENGLISH)]))).text == " ".join(ENGLISH)


def test_lines_of_a_chinese_paragraph_are_joined_without_spaces() -> None:
    assert read_pdf(Source(data=minimal_pdf([column(CHINESE)]))).text == "".join(CHINESE)


def test_a_wide_gap_separates_paragraphs() -> None:
    text = read_pdf(Source(data=minimal_pdf([column(ENGLISH) + column(CHINESE, y=600)]))).text
    assert text == " ".join(ENGLISH) + "\n\n" + "".join(CHINESE)


def test_a_hyphen_at_the_end_of_a_line_is_taken_out() -> None:
    lines = [
        "Every evening the keeper checks the spare lamps and the emer-",
        "gency generator in the cellar.",
    ]
    assert "the emergency generator" in read_pdf(Source(data=minimal_pdf([column(lines)]))).text


def test_short_lines_stay_on_lines_of_their_own() -> None:
    lines = ["Harbour Office", "4 Quay Street", "Open 9-17"]
    assert read_pdf(Source(data=minimal_pdf([column(lines)]))).text == "\n".join(lines)


def test_bullets_begin_their_own_lines() -> None:
    lines = [
        "• Count the spare lamps in the upper room and note them in the book",
        "• Lock the door of the tower",
    ]
    assert read_pdf(Source(data=minimal_pdf([column(lines)]))).text == "\n".join(lines)


def test_cells_side_by_side_are_one_row() -> None:
    page = column(["Lamp", "Fuse"]) + column(["12 pieces", "40 pieces"], x=300)
    rows = sorted(page, key=lambda item: -item[1])
    assert read_pdf(Source(data=minimal_pdf([rows]))).text.split("\n") == ["Lamp 12 pieces", "Fuse 40 pieces"]


def test_columns_are_read_one_after_the_other() -> None:
    left = column(["The left column tells of the tower and its", "keeper."])
    right = column(["The right column tells of the ships out at", "sea."], x=320)
    text = read_pdf(Source(data=minimal_pdf([left + right]))).text
    assert text.replace("\n\n", " ").split(". ")[0] == "The left column tells of the tower and its keeper"
    assert text.endswith("The right column tells of the ships out at sea.")


def test_pages_keep_their_numbers_and_an_empty_page_adds_nothing() -> None:
    content = read_pdf(Source(data=minimal_pdf([column(ENGLISH), [], column(CHINESE)])))
    assert [page.number for page in content.pages] == [1, 3]
    assert [content.text[page.start : page.end] for page in content.pages] == [
        " ".join(ENGLISH),
        "".join(CHINESE),
    ]


def test_running_titles_are_left_out() -> None:
    pages = [
        [
            (50, 800, "Keeper's handbook"),
            *column([f"Chapter {name} is about {name}."]),
            (290, 30, f"Page {at}"),
        ]
        for at, name in enumerate(["lamps", "doors", "ships", "storms"], start=1)
    ]
    content = read_pdf(Source(data=minimal_pdf(pages)))
    assert content.text.split("\n\n") == [
        f"Chapter {name} is about {name}." for name in ("lamps", "doors", "ships", "storms")
    ]


def test_a_pdf_without_text_is_said_to_be_scanned() -> None:
    with pytest.raises(LoadError, match="no text layer: it looks scanned"):
        read_pdf(Source(data=scanned()))


def scanned() -> bytes:
    """Return a PDF whose only page is a picture."""
    document = pypdfium2.PdfDocument.new()
    page = document.new_page(200, 200)
    picture = pypdfium2.PdfImage.new(document)
    picture.set_bitmap(pypdfium2.PdfBitmap.new_native(8, 8, pypdfium2.raw.FPDFBitmap_BGR))
    page.insert_obj(picture)
    page.gen_content()
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def test_a_pdf_of_empty_pages_is_said_to_be_empty() -> None:
    with pytest.raises(LoadError, match="its pages are empty"):
        read_pdf(Source(data=minimal_pdf([[], []])))


def test_an_encrypted_pdf_is_named_so() -> None:
    key = "00" * 32
    trailer = f"/ID [<{key}> <{key}>] /Encrypt << /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -4 >>"
    with pytest.raises(LoadError, match="is encrypted"):
        read_pdf(Source(data=minimal_pdf([column(ENGLISH)], trailer=trailer)))


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_cut_pdf_is_damaged_or_still_read(part: float) -> None:
    data = minimal_pdf([column(ENGLISH)])
    said = text_or_reason(data[: int(len(data) * part)])
    assert any(known in said for known in ("damaged", "pages are empty", " ".join(ENGLISH)))
