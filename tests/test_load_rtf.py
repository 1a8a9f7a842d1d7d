from __future__ import annotations

import time

import pytest

from rag.errors import LoadError
from rag.load.content import Content
from rag.load.office.rtf import read_rtf
from rag.load.source import Source


def read(body: str | bytes, head: str = r"\rtf1\ansi\ansicpg1252\deff0") -> Content:
    data = body if isinstance(body, bytes) else body.encode("ascii")
    return read_rtf(Source(data=b"{" + head.encode("ascii") + data + b"}"))


def coded(text: str, codec: str) -> str:
    return "".join(f"\\'{byte:02x}" for byte in text.encode(codec))


def test_paragraphs_lines_tabs_and_signs_are_read() -> None:
    body = r"{\fonttbl{\f0 Times;}}\pard One\~two\emdash three\par\tab{\b four}\line five\'e9\par \{six\}"
    assert read(body).text == "One two—three\n\n\tfour\nfiveé\n\n{six}"


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        (134, "gbk", "前車之鉴，后事之师"),
        (136, "big5", "前車之鑑，後事之師功"),
        (128, "cp932", "表示ソフト"),
        (129, "cp949", "한국어"),
        (204, "cp1251", "Привет"),
        (161, "cp1253", "Ελλάδα"),
        (238, "cp1250", "Łódź"),
    ],
)
def test_text_is_decoded_by_the_charset_of_its_font(charset: int, codec: str, text: str) -> None:
    fonts = rf"{{\fonttbl{{\f0\fcharset0 Arial;}}{{\f1\fcharset{charset} Other;}}}}"
    assert read(rf"{fonts}\f0 a\'e9 \f1 {coded(text, codec)}\f0  b").text == f"aé {text} b"


def test_chinese_whose_second_byte_is_a_backslash_or_a_letter_is_read_raw() -> None:
    body = rb"{\fonttbl{\f0\fcharset136 MingLiU;}}\f0 " + "成功許蓋".encode("big5").replace(b"\\", rb"\\")
    assert read(body, r"\rtf1\ansi\ansicpg950\deff0").text == "成功許蓋"


def test_the_file_s_own_code_page_holds_where_no_font_says_another() -> None:
    assert read(coded("中文文档", "gbk"), r"\rtf1\ansi\ansicpg936\deff0").text == "中文文档"
    fonts = r"{\fonttbl{\f0\fcharset0 Arial;}}\f0 "
    assert read(fonts + coded("中文文档", "gbk"), r"\rtf1\ansi\ansicpg936\deff0").text == "中文文档"


def test_unicode_is_read_and_what_says_it_again_is_not() -> None:
    assert read(r"\uc1\u20013?\u25991 ?\uc2\u20013\'d6\'d0!\uc0\u-10179\u-8704").text == "中文中!\U0001f600"
    assert read(r"{\upr{ABC}{\*\ud{\uc0\u20013}}}x").text == "中x"


def test_tables_name_their_columns_and_merged_cells_stand_in_each_place() -> None:
    def row(*cells: str, merges: tuple[str, ...] = ("", "", "")) -> str:
        defined = "".join(rf"{merge}\cellx{at}" for at, merge in enumerate(merges))
        return rf"\trowd{defined}\pard\intbl " + "".join(rf"{cell}\cell " for cell in cells) + r"\row "

    body = (
        row("Day", "Shift", "Who")
        + row("Mon", "Early", "Ada", merges=(r"\clvmgf", "", ""))
        + row("", "Late", r"Bo\par Cy", merges=(r"\clvmrg", "", ""))
        + r"\pard After.\par"
    )
    assert read(body).text == (
        "Day: Mon; Shift: Early; Who: Ada\nDay: Mon; Shift: Late; Who: Bo Cy\n\nAfter."
    )


def test_headings_come_from_styles_and_outline_levels() -> None:
    styles = r"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s2 heading 2;}}"
    content = read(
        styles + r"\pard\s1 Lighthouse\par\pard\s2 Lamps\par\pard\s0 Text\par\pard\outlinelevel2 Deep\par"
    )
    assert content.text == "Lighthouse\n\nLamps\n\nText\n\nDeep"
    assert [(each.level, each.title) for each in content.headings] == [
        (1, "Lighthouse"),
        (2, "Lamps"),
        (3, "Deep"),
    ]


def test_lists_bear_the_labels_that_are_printed() -> None:
    body = (
        r"{\fonttbl{\f0 A;}{\f1\fcharset2 Symbol;}}\pard{\listtext 1.\tab}Open\par"
        r"\pard{\listtext 2.\tab}Close\par"
        r"\pard{\pntext\f1\'B7\tab}{\*\pn\pnlvlblt{\pntxtb\'B7}}lamps\par\pard End\par"
    )
    assert read(body).text == "1. Open\n2. Close\n- lamps\n\nEnd"


def test_what_is_not_text_is_left_out() -> None:
    body = (
        r"{\info{\title Secret}}{\*\generator Word;}{\colortbl;\red0;}visible{\v hidden}"
        r"{\field{\*\fldinst HYPERLINK x}{\fldrslt link}}{\object{\*\objdata 0102}{\result shown}}"
        r"{\pict\wmetafile8 0100ff}\bin5 {{{{{{\*\unknown gone}."
    )
    assert read(body).text == "visiblelinkshown."


def test_footnotes_comments_and_margins_are_put_where_they_belong() -> None:
    body = (
        r"{\header Harbour Office\par}{\footerf Page {\field{\*\fldinst PAGE}{\fldrslt 3}}\par}"
        r"{\footer 3\par}"
        r"\pard Lamps{\super\chftn{\footnote\pard\chftn  Since 1871.}} shine"
        r"{\*\atnauthor Bo}{\*\annotation Check this.}.\par Next.\par"
    )
    assert read(body).text == (
        "Lamps[1] shine.\n[1] Since 1871.\n[Comment by Bo: Check this.]\n\nNext.\n\nHarbour Office\n\nPage 3"
    )


def test_bytes_outside_of_the_code_page_are_told() -> None:
    content = read(r"{\fonttbl{\f0\fcharset134 S;}}\f0 ab\'ff\'ff.")
    assert content.text.startswith("ab")
    assert "do not belong to the code page" in content.notes[0]


def test_a_file_cut_in_the_middle_gives_what_it_has() -> None:
    assert read_rtf(Source(data=rb"{\rtf1\ansi{\b Hello} wor")).text == "Hello wor"


def test_groups_nested_without_end_are_refused() -> None:
    with pytest.raises(LoadError, match="nested"):
        read_rtf(Source(data=rb"{\rtf1 " + b"{" * 100_000))


def test_hostile_input_takes_linear_time() -> None:
    for piece in (
        rb"\'",
        b"\\",
        rb"\u1",
        rb"\par",
        rb"\cell\row",
        rb"{\pict\pngblip ff}",
        rb"{\footnote x}",
    ):
        read_rtf(Source(data=rb"{\rtf1 " + piece * 20_000))


def test_notes_within_notes_are_told_once() -> None:
    text = read(r"a{\footnote b{\footnote c}{\shptxt d}}e\par").text
    assert text == "a[1]e\n[1] bcd"
    start = time.process_time()
    read("{\\footnote " * 4000 + "x" * 100_000)
    assert time.process_time() - start < 20


def test_greek_letters_and_signs_in_the_font_symbol_are_read_and_pictures_left_out() -> None:
    data = (
        rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}{\f1\fcharset2{\*\panose 05}Symbol;}{\f2\fcharset2 Wingdings;}}"
        rb"5 {\f1 m}m {\f1\'b3} {\f1\u-3999 ?}{\f2 \'fc} done\par}"
    )
    assert read_rtf(Source(data=data)).text == "5 μm ≥ α done"
