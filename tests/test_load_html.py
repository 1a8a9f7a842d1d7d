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


def test_headers_and_values_in_turn_are_a_form() -> None:
    rows = (("姓名", "张三", "性别", "男"), ("生日", "1990-01-01", "民族", ""))
    row = "<tr><th>{}</th><td>{}</td><th>{}</th><td>{}</td></tr>"
    last = "<tr><th>地址</th><td colspan=3>北京</td></tr>"
    assert text(f"<table>{''.join(row.format(*cells) for cells in rows)}{last}</table>") == (
        "姓名: 张三; 性别: 男\n生日: 1990-01-01; 民族:\n地址: 北京"
    )


def test_headers_and_values_in_turn_below_names_of_columns_are_no_form() -> None:
    head = f"<tr>{'<th>No.</th><th>Title</th>' * 2}</tr>"
    row = "<tr><th>1</th><td>Pilot</td><th>4</th><td>End</td></tr>"
    assert text(f"<table>{head}{row}</table>") == "No.: 1; Title: Pilot; No.: 4; Title: End"


def test_a_label_takes_one_colon_and_an_empty_one_none() -> None:
    row = "<tr><th>Name:</th><td>Ada</td><th>性别：</th><td>女</td></tr>"
    bare = "<tr><th></th><td>60</td><th>Size</th><td>5</td></tr>"
    assert text(f"<table>{row}{bare}</table>") == "Name: Ada; 性别: 女\n60 | Size: | 5"


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


@pytest.mark.parametrize(
    "page",
    [
        "<html><body><p>one</p></body></html>\n<p>two</p>",
        "<html><body><p>one</p></body></html><html><body><p>two</p></body></html>",
        "<html lang=en /><body><p>one</p><p>two</p></body>",
    ],
)
def test_what_stands_after_the_end_of_a_page_is_read(page: str) -> None:
    assert text(page) == "one\n\ntwo"


def test_a_link_of_the_class_reference_is_read_and_the_mark_of_a_note_is_not() -> None:
    page = "<p>See <a class='reference internal'>the lamps</a><sup class=reference>[1]</sup>.</p>"
    assert text(page) == "See the lamps."


def test_a_raised_number_does_not_join_the_number_before_it() -> None:
    assert text("<p>10<sup>6</sup> candela per m<sup>2</sup></p>") == "10⁶ candela per m²"


def test_what_its_style_hides_is_left_out_but_for_a_formula_behind_a_picture() -> None:
    page = "<p style='display: none'>No</p><div style='visibility:hidden'>No</div><p>Yes</p>"
    formula = "<p><span style='display:none'><math><mi>x</mi></math></span> grows</p>"
    assert text(page + formula) == "Yes\n\nx grows"


def test_the_caption_and_both_rows_of_a_header_name_the_columns() -> None:
    page = (
        "<table><caption>Ships</caption><tr><th rowspan=2>Port</th><th colspan=2>2024</th></tr>"
        "<tr><th>Q1</th><th>Q2</th></tr><tr><td>Brest</td><td>12</td><td>15</td></tr></table>"
    )
    assert text(page) == "Ships\nPort: Brest; 2024 Q1: 12; 2024 Q2: 15"


def test_a_header_of_one_cell_titles_its_table() -> None:
    page = "<table><tr><th colspan=2>Lighthouse</th></tr><tr><th>Height</th><td>32 m</td></tr></table>"
    assert text(page) == "Lighthouse\nHeight: 32 m"


def test_cells_outside_of_any_row_are_one() -> None:
    page = "<table><tr><th>Lamp</th><th>Watts</th></tr><td>Main</td><td>1000</td></table>"
    assert text(page) == "Lamp: Main; Watts: 1000"


def test_code_beside_the_numbers_of_its_lines_keeps_its_lines() -> None:
    page = (
        "<table><tr><td class=linenos><pre>1\n2</pre></td><td><pre>def f():\n    pass</pre></td></tr></table>"
    )
    assert text(page) == "def f():\n    pass"


def test_the_footer_of_the_page_is_left_out_and_that_of_an_article_read() -> None:
    page = "<body><div><article><p>News.</p><footer>By Ada</footer></article><footer>Imprint</footer></div>"
    assert text(page) == "News.\n\nBy Ada"


def test_the_bulk_of_a_page_is_read_whatever_its_class_says() -> None:
    body = "The lamp burns all night. " * 40
    assert body.strip() in text(f"<body><p>Top</p><div class='wrap sidebar'><p>{body}</p></div></body>")


def test_a_page_of_pictures_alone_is_read_by_what_they_show() -> None:
    assert text("<body><img src=a.png alt='Ships by port, 2024'></body>") == "Ships by port, 2024"


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("<h2><button>How do I reset it?</button></h2><div>Click.</div>", "How do I reset it?\n\nClick."),
        ("<h2>Setup <button>Copy link</button></h2><p>Run it.</p>", "Setup\n\nRun it."),
        ("<p><button>Add</button></p><p><button>Share</button><button>Print</button></p><p>T.</p>", "T."),
        ("<div class=sidebar>Home | Products and services | About us | Contact us</div><p>T.</p>", "T."),
        ("<p>Press <button>Save</button> to go on.</p><button>Share</button>", "Press Save to go on."),
        (
            "<ol><li>a</li></ol><pre>x</pre><ol start=2><li>b</li><li value=9>c</li></ol>",
            "1. a\n\nx\n\n2. b\n9. c",
        ),
        (
            "<aside class=sidebar><p>Never open the valve under pressure.</p></aside>",
            "Never open the valve under pressure.",
        ),
        ("<div class=menu><h2>Menu</h2><p>Soup of the day 5.50</p></div>", "Menu\n\nSoup of the day 5.50"),
        ("<div class=menu><a>Home</a> <a>News</a> <a>About all of us</a></div><p>Text.</p>", "Text."),
    ],
)
def test_what_is_told_in_buttons_lists_and_margins_is_kept(page: str, shown: str) -> None:
    assert text(f"<body>{page}</body>") == shown


def test_a_long_list_of_links_that_a_sentence_leads_to_is_no_menu() -> None:
    people = "".join(f"<li><a href=x>Person {at}</a></li>" for at in range(14))
    assert text(f"<body><p>Our team:</p><ul>{people}</ul></body>").count("Person") == 14


def test_encoded_data_in_its_text_is_left_out_and_that_is_said() -> None:
    blob = "iVBORw0KGgoAAAANSUhEUg" * 20
    wrapped = "\n".join([blob[:76]] * 9)
    page = f"<p>Its key <b>is</b> {blob}, they say.<p>\n{wrapped}\n<table><tr><td>{blob}</td></tr></table>"
    content = read_html(Source(data=page.encode()))
    assert content.text == "Its key is , they say."
    assert content.notes == ("3 blocks of encoded data left out",)
