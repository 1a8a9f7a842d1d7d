from __future__ import annotations

import pytest

from rag.load.plain.html import read_html
from rag.load.source import Source


def text(html: str) -> str:
    return read_html(Source(data=html.encode())).text


def test_headings_paragraphs_and_links_are_read_in_order() -> None:
    content = read_html(
        Source(
            data="<html><body><h1>灯塔</h1><p>The <a href='/x'>keeper</a> is <b>Ada</b>.</p>"
            "<h2>Lamps &amp; fuses</h2><p>Forty&nbsp;fuses.</p></body></html>".encode()
        )
    )
    assert content.text == "灯塔\n\nThe keeper is Ada.\n\nLamps & fuses\n\nForty fuses."
    assert [(heading.level, heading.title) for heading in content.headings] == [
        (1, "灯塔"),
        (2, "Lamps & fuses"),
    ]
    assert all(content.text[item.start : item.end] == item.title for item in content.headings)


def test_scripts_styles_navigation_and_hidden_parts_are_left_out() -> None:
    page = (
        "<body><nav><a>Home</a></nav><div class='sidebar box'>Side</div><div role='navigation'>Nav</div>"
        "<script>var x</script><style>p{}</style><template>T</template><p hidden>H</p><!-- c -->"
        "<p>Real text.</p><footer>Imprint</footer></body>"
    )
    assert text(page) == "Real text."


def test_a_page_of_nothing_but_navigation_is_read_after_all() -> None:
    assert text("<body><div class='menu'>Soup of the day</div></body>") == "Soup of the day"


def test_the_main_part_is_preferred_when_it_is_most_of_the_page() -> None:
    body = "The lamp burns all night. " * 10
    assert text(f"<body><div>Banner</div><main><p>{body}</p></main></body>") == body.strip()


def test_the_title_heads_a_page_without_one() -> None:
    content = read_html(Source(data=b"<title>Opening hours</title><p>Nine to five.</p>"))
    assert content.text == "Opening hours\n\nNine to five."
    assert content.headings[0].title == "Opening hours"


def test_each_row_of_a_table_names_its_columns() -> None:
    page = (
        "<table><tr><th>Lamp</th><th>Watts</th></tr><tr><td>Main</td><td>1000</td></tr>"
        "<tr><td>Spare</td><td>500</td></tr></table>"
    )
    assert text(page) == "Lamp: Main; Watts: 1000\nLamp: Spare; Watts: 500"


def test_a_table_of_names_and_values_is_read_as_pairs() -> None:
    page = "<table><tr><th>高度</th><td>32 米</td></tr><tr><th>建成</th><td>1901</td></tr></table>"
    assert text(page) == "高度: 32 米\n建成: 1901"


def test_a_first_row_of_words_over_values_names_the_columns() -> None:
    page = "<table><tr><td>Name</td><td>Age</td></tr><tr><td>Ada</td><td>36</td></tr></table>"
    assert text(page) == "Name: Ada; Age: 36"


def test_spanning_cells_stand_in_every_place_they_cover() -> None:
    page = (
        "<table><tr><th>Day</th><th>Shift</th><th>Who</th></tr>"
        "<tr><td rowspan=2>Mon</td><td>Early</td><td>Ada</td></tr><tr><td>Late</td><td>Bo</td></tr></table>"
    )
    assert text(page).split("\n") == ["Day: Mon; Shift: Early; Who: Ada", "Day: Mon; Shift: Late; Who: Bo"]


def test_a_layout_table_is_read_as_text() -> None:
    assert (
        text("<table><tr><td><h2>News</h2><p>A ship.</p></td><td>B</td></tr></table>")
        == "News\n\nA ship.\n\nB"
    )


def test_lists_keep_their_marks_and_nesting() -> None:
    page = "<ol><li>Open</li><li>Close<ul><li>door</li></ul></li></ol><p>End</p>"
    assert text(page) == "1. Open\n2. Close\n  - door\n\nEnd"


def test_preformatted_text_keeps_its_lines_and_br_breaks_them() -> None:
    assert text("<pre>a  b\n  c</pre><p>x<br>y</p>") == "a  b\n  c\n\nx\ny"


def test_long_menus_of_short_links_are_left_out() -> None:
    menu = "<ul>" + "".join(f"<li><a href=x>Deutsch {at}</a></li>" for at in range(20)) + "</ul>"
    assert text(f"<body>{menu}<p>Text.</p></body>") == "Text."


@pytest.mark.parametrize(
    "head",
    ["<meta charset=gb2312>", "<meta http-equiv='Content-Type' content='text/html; charset=gbk'>", ""],
)
def test_the_charset_is_the_declared_one_or_found(head: str) -> None:
    page = f"<html><head>{head}</head><body><p>灯塔在每天晚上九点开放，请准时到达。</p></body></html>"
    assert read_html(Source(data=page.encode("gbk"))).text == "灯塔在每天晚上九点开放，请准时到达。"


def test_xhtml_with_an_encoding_declaration_is_read() -> None:
    page = '<?xml version="1.0" encoding="utf-8"?><html><body><p>ok é</p></body></html>'
    assert text(page) == "ok é"


def test_a_page_nested_a_thousand_deep_is_read() -> None:
    assert "deep" in text("<div>" * 1000 + "deep")


def test_what_could_not_be_decoded_is_said() -> None:
    page = "<meta charset=gbk><p>" + "灯塔在每天晚上九点开放，请准时到达。" * 3
    content = read_html(Source(data=page.encode("gbk") + b"\xff</p>"))
    assert content.text.startswith("灯塔在每天晚上九点开放")
    assert content.notes == ("1 character could not be decoded",)


def test_cells_that_span_everything_do_not_multiply_without_end() -> None:
    row = "<tr>" + "<td colspan=1000 rowspan=1000>x</td>" * 100 + "</tr>"
    assert len(text(f"<table>{row * 1000}</table>")) < 2_000_000


def test_a_charset_that_the_bytes_contradict_is_not_believed() -> None:
    page = "<meta charset=iso-8859-1><p>灯塔在每天晚上九点开放，请准时到达。"
    assert read_html(Source(data=page.encode("gbk"))).text == "灯塔在每天晚上九点开放，请准时到达。"
    assert read_html(Source(data=page.encode())).text == "灯塔在每天晚上九点开放，请准时到达。"
