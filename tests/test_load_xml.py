from __future__ import annotations

from xml.sax.saxutils import quoteattr

import pytest

from rag.load.content import Content
from rag.load.plain.xml import read_xml
from rag.load.source import Source

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
LOL = f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]>'


def read(data: str | bytes) -> Content:
    return read_xml(Source(data=data.encode() if isinstance(data, str) else data, name="a.xml"))


def titles(content: Content) -> list[tuple[int, str]]:
    return [(each.level, each.title) for each in content.headings]


def test_docbook_has_headings_paragraphs_and_tables() -> None:
    content = read(
        '<book xmlns="http://docbook.org/ns/docbook"><title>Guide</title><chapter><title>One</title>'
        "<para>A <emphasis>big</emphasis> lamp.</para><section><title>Sub</title><para>Inner</para><table>"
        "<title>Keepers</title><tgroup><thead><row><entry>Name</entry><entry>Age</entry></row></thead><tbody>"
        "<row><entry>Ada</entry><entry>36</entry></row></tbody></tgroup></table></section></chapter></book>"
    )
    assert content.text == "Guide\n\nOne\n\nA big lamp.\n\nSub\n\nInner\n\nKeepers\n\nName: Ada; Age: 36"
    assert titles(content) == [(1, "Guide"), (2, "One"), (3, "Sub")]


def test_a_feed_has_its_items_below_their_titles_and_their_html_as_text() -> None:
    content = read(
        "<rss><channel><title>灯塔新闻</title><item><title>Lamp out</title><pubDate>Monday</pubDate>"
        "<description>&lt;p&gt;The lamp is &lt;b&gt;out&lt;/b&gt;.&lt;/p&gt;</description>"
        "</item></channel></rss>"
    )
    assert content.text == "灯塔新闻\n\nLamp out\n\npubDate: Monday\n\nThe lamp is out."
    assert titles(content) == [(1, "灯塔新闻"), (2, "Lamp out")]


def test_data_is_read_as_lines_that_name_each_value() -> None:
    content = read(
        '<data><country name="France" id="x7"><rank>1</rank><price currency="EUR">45</price>'
        '<neighbour name="Spain"/></country></data>'
    )
    assert content.text.replace("\n\n", "\n").split("\n") == [
        "name: France; id: x7",
        "rank: 1",
        "price: 45 (currency: EUR)",
        "neighbour: name: Spain",
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ('<p><package id="NLog" version="5.2.8"/></p>', "package: id: NLog; version: 5.2.8"),
        ('<p><pump id="P-2" type="gear" width="50"/></p>', "pump: id: P-2; type: gear; width: 50"),
        (
            '<p><tel type="mobile">555</tel><tel type="fax">666</tel></p>',
            "tel: 555 (type: mobile)\ntel: 666 (type: fax)",
        ),
        ('<pump id="P-2"/>', "pump: id: P-2"),
        ('<invoice id="7" version="1.0"><total>9</total></invoice>', "id: 7\n\ntotal: 9"),
        ('<properties><entry key="db.host">10.0.0.1</entry></properties>', "10.0.0.1 (key: db.host)"),
        (f'<p><row Note="{"lamp " * 100}"/></p>', f"row: Note: {'lamp ' * 100}".strip()),
    ],
)
def test_attributes_of_data_are_read_whatever_they_are_called(data: str, text: str) -> None:
    assert read(data).text == text


@pytest.mark.parametrize(
    "data",
    [
        '<book xmlns="http://docbook.org/ns/docbook"><note role="x"><para>Mind</para></note></book>',
        '<!DOCTYPE book PUBLIC "-//OASIS//DTD DocBook XML V4.2//EN" "x">'
        '<book><note id="n"><para>Mind</para></note></book>',
        '<doc><section id="s"><p class="c" id="p">Mind</p><img id="i" width="5"/></section></doc>',
        '<feed xmlns="http://purl.org/atom/ns#"><title type="text/plain">Mind</title></feed>',
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navPoint id="n"><p>Mind</p></navPoint></ncx>',
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark id="p"><text>Mind</text></Placemark></kml>',
        '<svg xmlns:s="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd" '
        'xmlns:i="http://www.inkscape.org/namespaces/inkscape">'
        '<s:namedview id="b"><i:grid id="g" type="xy"/></s:namedview><text>Mind</text></svg>',
        '<rss><description type="html">Mind</description></rss>',
        '<list><content id="c"/><summary lang="en"/><ref id="r"/><p>Mind</p></list>',
        '<soap xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><note xsi:type="s">Mind</note></soap>',
    ],
)
def test_attributes_that_lay_out_a_text_are_left_out(data: str) -> None:
    assert read(data).text == "Mind"


def test_long_attributes_have_a_line_each_and_their_html_is_read_as_text() -> None:
    body = f"&lt;p&gt;{'lamp ' * 200}&lt;/p&gt;&lt;p&gt;It &lt;b&gt;burns&lt;/b&gt;&lt;/p&gt;"
    content = read(f'<posts><row Id="1" Body="{body}" Score="3"/></posts>')
    assert content.text == f"row: Id: 1\nBody: {('lamp ' * 200).strip()}\n\nIt burns\nScore: 3"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            "<p>A &amp; B<br/>C</p>\n<div>D&nbsp; <i>e</i></div><div>5 < 6 > 4</div>",
            "A & B\nC\n\nD e\n5 < 6 > 4",
        ),
        ("<p>x<sup>2</sup></p><ul><li>one</li></ul>", "x²\n\n- one"),
        ("<p>Out<span style='display:none'>In</span></p>", "Out"),
        ("<b></b>", "<b></b>"),
        ("a < b", "a < b"),
    ],
)
def test_html_in_attributes_is_read_as_text(value: str, text: str) -> None:
    assert read(f"<posts><row Body={quoteattr(value)}/></posts>").text == f"row: Body: {text}"


def test_no_text_of_a_table_is_lost_whatever_form_it_has() -> None:
    by_attributes = read(
        '<db><table name="staff"><row name="Ada" phone="5551"/></table><note>end</note></db>'
    ).text
    assert "name: Ada; phone: 5551" in by_attributes
    plain = read("<db><table><row>Ada 5551</row><row>Bo 5552</row></table></db>").text
    assert plain.splitlines() == ["row: Ada 5551", "row: Bo 5552"]
    around = read(
        "<db><table><caption>Phones</caption><row><who>Ada</who><tel>5551</tel></row>"
        "<note>Until May</note></table></db>"
    ).text
    assert all(said in around for said in ("Phones", "Ada", "5551", "Until May"))


def test_a_property_list_pairs_its_keys_and_values() -> None:
    content = read("<plist><dict><key>Name</key><string>Kaoju</string><key>On</key><true/></dict></plist>")
    assert content.text == "Name: Kaoju\nOn: true"


def test_a_key_outside_of_a_property_list_is_a_value() -> None:
    content = read("<item><key>PROJ-8</key><title>Bug</title><sum>Crash</sum><key>PROJ-7</key></item>")
    assert content.text == "key: PROJ-8\n\nBug\n\nsum: Crash\nkey: PROJ-7"


def test_text_beside_blocks_is_kept() -> None:
    assert read("<doc>before<p>inside</p>after</doc>").text.split() == ["before", "inside", "after"]


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "utf-16"])
def test_the_declared_encoding_is_honoured(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><p>灯塔每天都在今天，我不知道。</p>'
    assert read(text.encode(encoding, "ignore")).text == "灯塔每天都在今天，我不知道。"


@pytest.mark.parametrize("body", ["<x><p>before &l9; after</p></x>", '<x a="&l9;"><p>before after</p></x>'])
def test_a_billion_laughs_end_at_once(body: str) -> None:
    content = read(LOL + body)
    assert len(content.text) < 2000
    assert "before" in content.text
    assert content.text.count("lollol") == 0


def test_no_file_is_fetched() -> None:
    content = read('<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x><p>a &f; b</p></x>')
    assert "root:" not in content.text


def test_damaged_xml_is_read_as_far_as_it_goes_and_that_is_said() -> None:
    content = read("<a><b>one</b><c>two</a><d>three")
    assert content.text.split("\n") == ["b: one", "c: two", "d: three"]
    assert content.notes == ("its XML is damaged at line 1; it was read as far as it could be",)


def test_what_is_no_xml_at_all_is_read_as_text() -> None:
    content = read("just words & more")
    assert content.text == "just words & more"
    assert content.notes == ("it is no valid XML; it was read as plain text",)


def test_a_drawing_gives_its_words_alone() -> None:
    drawing = '<title>Map</title><path d="M0 0L9 9"/><text x="1">Lamp</text>'
    assert read(f'<svg xmlns="http://www.w3.org/2000/svg">{drawing}</svg>').text == "Map\n\nLamp"


def test_a_path_that_holds_text_is_no_stroke_of_a_drawing() -> None:
    assert read('<x><path>/var/log</path><path d="M0 0L9 9"/></x>').text == "path: /var/log"


def test_a_text_of_more_than_ten_megabytes_is_read_whole() -> None:
    words = "lamp " * 2_100_000
    content = read(f"<log><p>{words}</p><p>end</p></log>")
    assert content.text == f"{words.strip()}\n\nend"
    assert content.notes == ()


def test_what_lies_three_hundred_elements_deep_is_read() -> None:
    assert read("<a>" * 300 + "deep" + "</a>" * 300).text == "a: deep"


def test_a_broken_line_and_a_note_join_no_words() -> None:
    content = read("<doc><p>Line one<br/>line two<note>Mind it</note>, really</p></doc>")
    assert content.text == "Line one line two Mind it , really"


def test_paragraphs_within_a_title_or_a_cell_join_no_words() -> None:
    title = "<section><title><p>Chapter 1</p><p>The Beginning</p></title><p>x</p></section>"
    assert read(title).text == "Chapter 1 The Beginning\n\nx"
    cells = "<row><entry><para>one</para><para>two</para></entry><entry>x</entry></row>"
    assert read(f"<table>{cells}<row><entry>three</entry></row></table>").text == "one two: x\nthree"


def test_the_head_of_a_page_is_its_title_alone() -> None:
    head = "<h:head><h:title>Lamps</h:title><h:style>p{}</h:style></h:head>"
    content = read(f'<h:html xmlns:h="http://www.w3.org/1999/xhtml">{head}<h:p>One</h:p></h:html>')
    assert content.text == "Lamps\n\nOne"
    assert titles(content) == [(1, "Lamps")]


def test_encoded_data_is_left_out_and_that_is_said() -> None:
    blob = "iVBORw0KGgoAAAANSUhEUg" * 20
    wrapped = "\n".join([f"    {blob[:76]}"] * 9)
    data = f'<root><data name="pic"><value>\n{wrapped}\n</value></data><a b="{blob}" c="d"/>{blob}</root>'
    content = read(data)
    assert content.text == "name: pic\n\na: c: d"
    assert content.notes == ("3 blocks of encoded data left out",)
    listed = read("<plist><dict><key>Icon</key><data>AQID</data><key>On</key><true/></dict></plist>")
    assert listed.text == "On: true"
    assert read("<x><base64Binary>AQID</base64Binary><a>b</a></x>").text == "a: b"
    assert listed.notes == ("1 block of encoded data left out",)
