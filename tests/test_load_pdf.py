from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from numpy.typing import NDArray

from rag.errors import LoadError
from rag.load import read
from rag.load.content import Content
from rag.load.pages.pdf import read_pdf
from rag.load.source import Settings, Source
from tests.drawn import drawn_pdf, ink, picture_of_text, saved, scanned_pdf
from tests.minimal_pdf import Placed, minimal_pdf

FORMATS = Path(__file__).parents[2] / "shared" / "formats"


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
    assert read_pdf(Source(data=minimal_pdf([rows]))).text.split("\n") == [
        "Lamp\t12 pieces",
        "Fuse\t40 pieces",
    ]


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


def page_of(at: int, *lines: tuple[float, float, str]) -> list[Any]:
    return [*lines, *column([f"This is what stands on the page of {at * 7} lamps."])]


@pytest.mark.parametrize(
    "line", ["{} · Annual Report 2023", "Annual Report 2023    {}", "- {} -", "第{}页 共7页"]
)
def test_a_title_with_the_number_of_its_page_is_left_out(line: str) -> None:
    pages = [page_of(at, (50, 810, line.format(at))) for at in range(1, 8)]
    assert content_of(minimal_pdf(pages)).text.count("\n\n") == 6


def test_page_numbers_may_be_roman_at_first() -> None:
    said = ["i", "ii", "iii", "1", "2", "3", "4"]
    pages = [page_of(at, (50, 810, number)) for at, number in enumerate(said)]
    assert content_of(minimal_pdf(pages)).text.count("\n\n") == 6


@pytest.mark.parametrize(
    "lines",
    [
        [f"Invoice No. {number}" for number in (48213, 48377, 48502, 49001)],
        [f"Due on {day} May 2024" for day in range(3, 7)],
        [f"Lesson {number}" for number in range(1, 6)],
        [f"2024-01-0{day} 08:00 level {day * 3}.5 cm" for day in range(1, 6)],
    ],
)
def test_lines_that_differ_in_their_numbers_are_no_running_title(lines: list[str]) -> None:
    pages = [page_of(at, (50, 810, line)) for at, line in enumerate(lines)]
    text = content_of(minimal_pdf(pages)).text
    assert all(line in text for line in lines)


def test_a_picture_without_text_is_said_to_hold_none() -> None:
    blank = scanned_pdf([picture_of_text([""])])
    with pytest.raises(LoadError, match="no text layer, and OCR found none"):
        read_pdf(Source(data=blank))


def test_a_pdf_of_empty_pages_is_said_to_be_empty() -> None:
    with pytest.raises(LoadError, match="its pages are empty"):
        read_pdf(Source(data=minimal_pdf([[], []])))


def test_a_pdf_of_a_drawing_is_not_said_to_be_empty() -> None:
    with pytest.raises(LoadError, match="its pages hold drawings alone"):
        read_pdf(Source(data=minimal_pdf([[]], drawn="50 50 m 90 90 l S")))


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


LARGE = 16


def content_of(
    data: bytes, *, ocr: bool = False, passwords: tuple[str, ...] = (), advance: list[str] | None = None
) -> Content:
    told: list[str] = [] if advance is None else advance
    return read_pdf(Source(data=data, settings=Settings(ocr=ocr, passwords=passwords), advance=told.append))


def prose(prefix: str, count: int) -> list[str]:
    return [f"{prefix} line {at} tells of the lamps and the ships outside," for at in range(1, count + 1)]


def covered(content: Content, drawn: NDArray[np.bool_], scale: float) -> float:
    """Return the part of the ink that lies within the boxes of the content's regions."""
    inside = np.zeros_like(drawn)
    for region in content.regions:
        assert region.box is not None
        top, bottom = drawn.shape[0] - region.box.top * scale, drawn.shape[0] - region.box.bottom * scale
        rows = slice(max(0, int(top)), int(np.ceil(bottom)))
        columns = slice(max(0, int(region.box.left * scale)), int(np.ceil(region.box.right * scale)))
        assert drawn[rows, columns].any(), content.text[region.start : region.end]
        inside[rows, columns] = True
    return float((drawn & inside).sum() / drawn.sum())


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("crop", [None, (40, 300, 500, 760)])
def test_boxes_cover_the_ink_of_the_page_as_displayed(
    turn: int, crop: tuple[float, float, float, float] | None
) -> None:
    data = drawn_pdf(column(ENGLISH, x=60), turn=turn, crop=crop)
    content = content_of(data)
    assert [content.text[region.start : region.end] for region in content.regions] == ENGLISH
    assert covered(content, ink(data), 2.0) > 0.995


def test_three_columns_are_read_one_after_the_other() -> None:
    columns = [
        column([f"The {name} column, line {at}, of the book" for at in range(6)], x=x, leading=14)
        for name, x in (("first", 40), ("second", 230), ("third", 420))
    ]
    rows = [line for row in zip(*columns, strict=True) for line in row]
    text = content_of(minimal_pdf([rows], size=8)).text
    places = [
        text.index(f"{name} column, line {at}") for name in ("first", "second", "third") for at in range(6)
    ]
    assert places == sorted(places)


def test_a_title_across_the_columns_is_read_before_them() -> None:
    left, right = column(prose("Left", 5), x=40, y=640), column(prose("Right", 5), x=330, y=640)
    title = [(40.0, 700.0, "A title that runs over both of the columns below it and is as wide as the page")]
    end = [(40.0, 520.0, "A last paragraph that runs over both of the columns above it, and is as wide too")]
    rows = [line for row in zip(left, right, strict=True) for line in row]
    text = content_of(minimal_pdf([[*title, *rows, *end]], size=8)).text
    order = ["A title", "Left line 1", "Left line 5", "Right line 1", "Right line 5", "A last paragraph"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_a_side_note_does_not_cut_the_text_beside_it() -> None:
    text = column(prose("Body", 8), x=200, leading=14)
    note = column(["A note of the", "keeper stands at", "the side here"], x=60, y=693, leading=11)
    rows = sorted([*text, *note], key=lambda line: -line[1])
    read = content_of(minimal_pdf([rows], size=8)).text
    assert "A note of the\nkeeper stands at\nthe side here" in read or "A note of the keeper" in read
    assert all(f"Body line {at} tells of the lamps" in read for at in range(1, 9))
    assert "A note" not in read[read.index("Body line 1") : read.index("Body line 8")]


def test_rows_under_a_certain_header_name_their_columns() -> None:
    table = [
        ["Lamp", "Pieces", "Price"],
        ["Fresnel", "12", "40.50"],
        ["Argand", "3", "18.00"],
        ["Arc", "1", "7"],
    ]
    placed = [(60 + 150 * x, 700 - 14 * y, cell) for y, row in enumerate(table) for x, cell in enumerate(row)]
    assert content_of(minimal_pdf([placed])).text.split("\n") == [
        "Lamp: Fresnel; Pieces: 12; Price: 40.50",
        "Lamp: Argand; Pieces: 3; Price: 18.00",
        "Lamp: Arc; Pieces: 1; Price: 7",
    ]


def test_names_and_values_beside_each_other_are_no_table_with_a_header() -> None:
    rows = [["Keeper", "Alma Voss"], ["Station", "North Quay"], ["Rank", "First keeper"]]
    placed = [(60 + 150 * x, 700 - 14 * y, cell) for y, row in enumerate(rows) for x, cell in enumerate(row)]
    read_back = content_of(minimal_pdf([placed])).text
    assert read_back == "\n".join("\t".join(row) for row in rows)


def test_letters_drawn_twice_to_look_bold_are_read_once() -> None:
    line = "Caution: the stairs are wet"
    doubled: list[Placed] = [
        (50.0 + 5 * at + shift, 700.0, char) for at, char in enumerate(line) for shift in (0, 0.4)
    ]
    assert content_of(minimal_pdf([doubled])).text == line
    whole: list[Placed] = [(50.0, 700.0, line), (50.4, 700.0, line)]
    assert content_of(minimal_pdf([whole])).text == line


def test_an_exponent_is_written_as_one() -> None:
    placed: list[Placed] = [
        (50.0, 700.0, "The tower weighs 10"),
        (146.0, 704.0, "6", 6),
        (151.0, 700.0, "kilograms"),
    ]
    assert content_of(minimal_pdf([placed])).text == "The tower weighs 10⁶ kilograms"


def test_ligatures_and_radicals_become_the_letters_they_stand_for() -> None:
    assert (
        content_of(minimal_pdf([[(50, 700, "oﬃce of the ﬁrst ⼀ ⽇")]])).text == "office of the first 一 日"
    )


def test_a_word_written_with_a_hyphen_elsewhere_keeps_it_at_a_line_end() -> None:
    lines = [
        "The keeper of the well-known tower counts the lamps every evening",
        "before nine and writes their number into the book that the well-",
        "known office asks for, and then he locks the door of the tow-",
        "er for the night.",
    ]
    text = content_of(minimal_pdf([column(lines)])).text
    assert "the well-known office" in text
    assert "door of the tower for" in text


def test_vertical_writing_is_read_column_by_column_from_the_right() -> None:
    if not FORMATS.is_dir():
        pytest.skip("../shared/formats is not on this machine")
    lines = content_of((FORMATS / "pdf" / "jo.pdf").read_bytes()).text.split()
    assert lines[:4] == ["序", "わたくしといふ現象は", "假定された有機交流電燈の", "ひとつの青い照明です"]
    assert lines[-2:] == ["大正十三年一月廿日", "宮澤賢治"]


def test_lines_of_sideways_text_stay_whole_beside_upright_ones() -> None:
    sideways = ["milliwatts will warm", "the mill twice within", "a mile of swimming"]
    drawn = " ".join(
        f"BT /F 10 Tf 0 1 -1 0 {90 + 14 * at} 500 Tm <{line.encode('utf-16-be').hex()}> Tj ET"
        for at, line in enumerate(sideways)
    )
    upright = [*column(ENGLISH), *((300, 300 - 12 * at, line) for at, line in enumerate(sideways))]
    text = content_of(minimal_pdf([upright], drawn=drawn)).text
    assert text.split("\n\n")[0] == " ".join(ENGLISH)
    assert text.replace("\n", " ").count(" ".join(sideways)) == 2


def test_arabic_that_is_written_letter_by_letter_from_the_right_is_read_so() -> None:
    said = "فقرة عربية محاذاة إلى اليمين"
    backwards = "".join("500 " if char == " " else f"<{ord(char):04X}> 2000 " for char in said)
    drawn = f"BT /F 10 Tf 1 0 0 1 400 700 Tm [{backwards}] TJ ET"
    unseen: list[Placed] = [(50, 900, said)]
    assert content_of(minimal_pdf([unseen], drawn=drawn)).text.split("\n\n")[-1] == said


def test_a_letter_set_into_its_neighbour_is_no_line_of_its_own() -> None:
    logo: list[Placed] = [
        (50, 700, "L"),
        (52.5, 702.5, "A", 7),
        (55, 700, "TEX reads the whole line at once."),
    ]
    assert content_of(minimal_pdf([logo])).text == "LATEX reads the whole line at once."


def test_the_sign_of_a_footnote_is_no_part_of_the_word_after_it() -> None:
    note: list[Placed] = [(50, 104, "a", 6), (53.5, 100, "Evaluate the lamp before it is used.", 10)]
    assert content_of(minimal_pdf([[*column(ENGLISH), *note]])).text.endswith(
        "\n\na Evaluate the lamp before it is used."
    )


def test_a_hanging_indent_does_not_part_an_entry() -> None:
    lines: list[Placed] = [
        (50, 700, "Alma Voss and Ben Aldous. The keepers of the northern lamps, in Pro-"),
        (62, 688, "ceedings of the yearly meeting of keepers and of their many friends in"),
        (62, 676, "the old harbour office."),
    ]
    assert (
        "in Proceedings of the yearly meeting of keepers and of their"
        in content_of(minimal_pdf([lines])).text
    )


def test_headings_come_from_the_outline() -> None:
    outline = (
        "/Outlines << /First << /Title (Lamps) /Dest [6 0 R /XYZ 0 780 0] /First << /Title (Spare lamps)"
        " /Dest [6 0 R /XYZ 0 660 0] >> /Next << /Title (Doors) /Dest [8 0 R /XYZ 0 780 0] >> >> >>"
    )
    first = [
        (50.0, 770.0, "1 Lamps"),
        *column(ENGLISH, y=740),
        (50.0, 650.0, "Spare lamps"),
        *column(ENGLISH, y=630),
    ]
    second = [(50.0, 770.0, "2 Doors"), *column(ENGLISH, y=740)]
    content = content_of(minimal_pdf([first, second], catalog=outline))
    assert [(heading.level, heading.title) for heading in content.headings] == [
        (1, "1 Lamps"),
        (2, "Spare lamps"),
        (1, "2 Doors"),
    ]
    assert all(content.text[each.start : each.end] == each.title for each in content.headings)


def test_headings_come_from_the_size_of_letters() -> None:
    page: list[Placed] = [(50, 770, "The lantern room", LARGE), *column(ENGLISH, y=740)]
    page += [(50, 690, "Spare lamps", LARGE - 3), *column(ENGLISH, y=670)]
    content = content_of(minimal_pdf([page]))
    assert [(heading.level, heading.title) for heading in content.headings] == [
        (1, "The lantern room"),
        (2, "Spare lamps"),
    ]


def test_a_title_that_merely_recurs_twice_is_kept() -> None:
    pages = [[(50, 810, "Summary"), *column([f"Page {name} of the report."])] for name in ("one", "two")]
    pages += [[*column([f"Page {name} of the report."])] for name in ("three", "four", "five")]
    assert content_of(minimal_pdf(pages)).text.count("Summary") == 2


def test_titles_of_odd_and_even_pages_are_left_out() -> None:
    pages = [
        [(50, 810, "Harbour Office" if at % 2 else "Keeper's handbook"), *column([f"This is page {name}."])]
        for at, name in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight"])
    ]
    text = content_of(minimal_pdf(pages)).text
    assert "Harbour" not in text
    assert "handbook" not in text
    assert text.count("This is page") == 8


def test_comments_and_values_of_forms_are_read() -> None:
    page = (
        "/Annots [<< /Type /Annot /Subtype /Text /Rect [50 600 70 620] /T (Alma) /Contents (Ask them) >>"
        " << /Type /Annot /Subtype /FreeText /Rect [50 500 300 516] /Contents (Seen on Monday) >>"
        " << /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Bruno Hahn) /Rect [120 696 300 712] >>]"
    )
    catalog = "/AcroForm << /Fields [] >>"
    content = content_of(minimal_pdf([[(50, 700, "Keeper:")]], page=page, catalog=catalog))
    assert "[Comment by Alma: Ask them]" in content.text
    assert "Seen on Monday" in content.text
    assert all(region.box for region in content.regions)


def test_an_attachment_is_read_as_a_part() -> None:
    document = pypdfium2.PdfDocument(minimal_pdf([column(ENGLISH)]))
    document.new_attachment("lamps.csv").set_data(b"Lamp,Pieces\nFresnel,12\n")
    content = content_of(saved(document))
    assert "Lamp: Fresnel; Pieces: 12" in content.text
    assert {page.part for page in content.pages} == {"", "lamps.csv"}


def test_an_attachment_that_cannot_be_read_is_noted() -> None:
    document = pypdfium2.PdfDocument(minimal_pdf([column(ENGLISH)]))
    document.new_attachment("tune.ogg").set_data(b"OggS" + bytes(range(200)))
    (note,) = content_of(saved(document)).notes
    assert note.startswith("tune.ogg: ")


def test_a_scan_is_told_to_need_ocr_where_that_is_off() -> None:
    data = scanned_pdf([picture_of_text(["The lantern room"])])
    content = content_of(data)
    assert not content.text
    assert "page 1 holds pictures, which were not read since OCR is off: set `ocr = true`" in content.notes[0]


def test_a_scan_is_read_by_ocr_with_boxes_and_confidence() -> None:
    lines = ["The lantern room is opened every", "evening at nine by the keeper on duty."]
    data = scanned_pdf([picture_of_text(lines), picture_of_text(["The second page is short."])])
    told: list[str] = []
    content = content_of(data, ocr=True, advance=told)
    assert content.text == " ".join(lines) + "\n\nThe second page is short."
    assert told == ["page 1 of 2", "page 2 of 2"]
    assert all(region.confidence and 0.8 < region.confidence <= 1 for region in content.regions)
    assert [page.number for page in content.pages] == [1, 2]
    first = Content(text=content.text, regions=content.regions[:2])
    assert covered(first, ink(data), 2.0) > 0.99


def test_only_the_picture_of_a_page_with_text_is_read_by_ocr() -> None:
    picture = picture_of_text(["Written in the picture: 4711"], size=40)
    content = content_of(
        drawn_pdf([(60, 700, "Written in the text layer")], picture=(picture, 60, 400, 400)), ocr=True
    )
    assert content.text == "Written in the text layer\n\nWritten in the picture: 4711"
    assert [region.confidence is None for region in content.regions] == [True, False]


def test_a_text_layer_over_its_picture_is_not_read_again() -> None:
    data = drawn_pdf(column(ENGLISH * 6, x=60, y=700), picture=(picture_of_text([""] * 8), 50, 450, 480))
    told: list[str] = []
    content_of(data, ocr=True, advance=told)
    assert told == []


def test_a_text_layer_without_a_meaning_goes_to_ocr() -> None:
    garbled = minimal_pdf([column(ENGLISH)], meanings=dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "\ue000"))
    told: list[str] = []
    with pytest.raises(LoadError):
        read(Source(data=garbled, name="a.pdf", settings=Settings(ocr=False)))
    content_of(garbled, ocr=True, advance=told)
    assert told == ["page 1 of 1"]


def test_text_that_says_other_than_is_drawn_gives_way_to_ocr() -> None:
    lines = [line for at in range(3) for line in (*ENGLISH, f"The number of the lamp was {at}.")]
    data = drawn_pdf(column(lines, x=60, leading=18))
    letters = "abcdefghijklmnopqrstuvwxyz"
    shifted = str.maketrans(letters, letters[1:] + letters[0])
    document = pypdfium2.PdfDocument(data)
    page = document[0]
    picture = page.render(scale=2).to_pil()
    wrong: list[Placed] = [
        (x, y, text.translate(shifted)) for x, y, text, *_ in column(lines, x=60, leading=18)
    ]
    disguised = drawn_pdf(wrong, picture=(picture, 0, 0, 595))
    content = content_of(disguised, ocr=True)
    assert "lantern room" in content.text
    assert "mboufso" not in content.text
    assert "text layer that means nothing" in content.notes[0]


def test_a_pdf_that_only_a_certificate_opens_is_named_so() -> None:
    handler = (
        "/Encrypt << /Filter /Adobe.PubSec /SubFilter /adbe.pkcs7.s4 /V 2 /Length 128 >> /ID [<00> <00>]"
    )
    with pytest.raises(LoadError, match="no password opens"):
        read_pdf(Source(data=minimal_pdf([column(ENGLISH)], trailer=handler)))


@pytest.mark.parametrize("password", ["baz", "foo"])
def test_an_encrypted_pdf_opens_with_a_password_of_the_settings(password: str) -> None:
    if not FORMATS.is_dir():
        pytest.skip("../shared/formats is not on this machine")
    data = (FORMATS / "encrypted" / "aes-256-m.pdf").read_bytes()
    plain = (FORMATS / "encrypted" / "base.pdf").read_bytes()
    assert content_of(data, passwords=("wrong", password)).text == content_of(plain).text
    with pytest.raises(LoadError, match=r"setting `passwords` in rag\.toml"):
        content_of(data, passwords=("wrong",))


def test_a_damaged_page_costs_only_itself() -> None:
    data = minimal_pdf([column(ENGLISH), column(CHINESE)])
    broken = data.replace(b"8 0 obj\n<< /Type /Page ", b"8 0 obj\n<< /Type /Pgae ", 1).replace(
        b"/Kids [6 0 R 8 0 R] /Count 2", b"/Kids [6 0 R 9 9 R] /Count 2"
    )
    content = content_of(broken)
    assert content.text == " ".join(ENGLISH)


def test_pages_beyond_the_limit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.load.pages.pdf.MAX_PAGES", 2)
    content = content_of(minimal_pdf([column(ENGLISH)] * 3))
    assert content.notes == ("only the first 2 of its 3 pages were read",)


def test_a_giant_page_is_drawn_within_limits() -> None:
    data = scanned_pdf([picture_of_text(["The lantern room is opened at nine"], size=60, width=1400)], dpi=1)
    assert "lantern room" in content_of(data, ocr=True).text


def test_pages_that_hold_themselves_end() -> None:
    data = minimal_pdf([column(ENGLISH)]).replace(b"/Kids [6 0 R]", b"/Kids [2 0 R]")
    with pytest.raises(LoadError, match="damaged"):
        read(Source(data=data, name="a.pdf"))


@pytest.mark.parametrize("step", [0.0, 0.01])
def test_a_page_of_countless_words_is_read_in_time(step: float) -> None:
    words: list[Placed] = [(at % 97 * 6.0, 800 - at * step, f"w{at % 7}") for at in range(20_000)]
    begun = time.process_time()
    assert content_of(minimal_pdf([words], size=2)).text
    assert time.process_time() - begun < 30
