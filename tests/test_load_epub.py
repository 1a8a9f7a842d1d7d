from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import LoadError
from rag.load import load, read
from rag.load.content import Content
from rag.load.source import Source
from tests.test_load_archive import zipped

FORMATS = Path(__file__).parents[2] / "shared" / "formats"
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'
)
NCX = (
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>'
    '<navPoint><navLabel><text>第一章 开始</text></navLabel><content src="text/one.xhtml#top"/></navPoint>'
    '<navPoint><navLabel><text>第二章</text></navLabel><content src="text/tw%6F.xhtml"/></navPoint>'
    "</navMap></ncx>"
)
NAV = (
    '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body>'
    '<nav epub:type="toc"><ol><li><a href="text/one.xhtml">第一章 开始</a></li>'
    '<li><a href="text/two.xhtml">第二章</a></li></ol></nav></body></html>'
)


def chapter(body: str) -> bytes:
    return (
        f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>书名</title></head>{body}</html>'.encode()
    )


def book(**changed: str | bytes | None) -> bytes:
    """Return a book of two chapters, the second before the first; `changed` are members by their stem."""
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>一本书</dc:title><dc:creator>张三</dc:creator><dc:creator>Ann</dc:creator></metadata>"
        '<manifest><item id="a" href="text/one.xhtml"/><item id="b" href="text/tw%6F.xhtml"/>'
        '<item id="n" href="nav.xhtml" properties="nav"/>'
        '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/></manifest>'
        '<spine><itemref idref="n"/><itemref idref="b"/><itemref idref="a"/><itemref idref="gone"/></spine>'
        "</package>"
    )
    files: dict[str, str | bytes | None] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/content.opf": package,
        "OEBPS/text/one.xhtml": chapter("<p>first</p>"),
        "OEBPS/text/two.xhtml": chapter("<h1>Its own title</h1><p>second</p>"),
        "OEBPS/toc.ncx": NCX,
        "OEBPS/cover.jpg": b"\xff\xd8\xff",
    }
    for name in list(files):
        stem = name.rpartition("/")[2].partition(".")[0]
        if stem in changed:
            files[name] = changed.pop(stem)
    files |= {name.replace("__", "/") + ".xml": data for name, data in changed.items()}
    return zipped(
        {name: d.encode() if isinstance(d, str) else d for name, d in files.items() if d is not None}
    )


def read_book(data: bytes, name: str = "a.epub") -> Content:
    return read(Source(data=data, name=name))


@pytest.mark.parametrize("name", ["a.epub", "a.zip", "a"])
def test_chapters_come_in_the_order_of_the_spine_below_the_books_title(name: str) -> None:
    content = read_book(book(), name)
    assert content.text == "一本书\n\n张三; Ann\n\nIts own title\n\nsecond\n\n第一章 开始\n\nfirst"
    titles = [(heading.level, heading.title) for heading in content.headings]
    assert titles == [(1, "一本书"), (2, "Its own title"), (2, "第一章 开始")]
    assert content.notes == ()


def test_the_contents_of_epub_3_give_titles_and_are_no_chapter() -> None:
    data = book(toc=None)
    assert "第一章 开始" not in read_book(data).text
    with_nav = zipped({"OEBPS/nav.xhtml": NAV.encode()} | members_of(data))
    assert read_book(with_nav).text == read_book(book()).text


def members_of(data: bytes) -> dict[str, bytes]:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_book_without_its_tables_is_read_in_the_order_of_its_files() -> None:
    for missing in ("container", "content"):
        content = read_book(book(**{missing: None}))
        assert content.text.endswith("Its own title\n\nsecond" if missing == "content" else "first")
        assert "first" in content.text
    assert "first" in read_book(book(content=b"<package><not closed")).text


def test_a_protected_book_says_so_and_one_with_veiled_fonts_is_read() -> None:
    encryption = (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
        'xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData>'
        '<e:EncryptionMethod Algorithm="{}"/><e:CipherData><e:CipherReference URI="{}"/></e:CipherData>'
        "</e:EncryptedData></encryption>"
    )
    drm = encryption.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OEBPS/text/one.xhtml")
    with pytest.raises(LoadError, match=r"protected against copying \(DRM\)"):
        read_book(book(**{"META-INF__encryption": drm}))
    fonts = encryption.format("http://www.idpf.org/2008/embedding", "OEBPS/font.ttf")
    assert read_book(book(**{"META-INF__encryption": fonts})).text == read_book(book()).text


def test_a_book_of_pictures_says_that_there_is_no_text() -> None:
    picture = chapter('<body><img src="../cover.jpg"/></body>')
    with pytest.raises(LoadError, match="there is no text in the book"):
        read_book(book(one=picture, two=picture))


def test_a_damaged_chapter_costs_only_itself() -> None:
    data = book(one=bytes(range(256)) * 40)
    content = read_book(data)
    assert content.text.endswith("second")
    assert [note for note in content.notes if note.startswith("OEBPS/text/one.xhtml: ")]


def test_a_cut_book_yields_its_whole_chapters_and_says_so() -> None:
    data = book(two=chapter("<p>" + " ".join(str(n * 7919) for n in range(3000)) + "</p>"))
    content = read_book(data[: data.index(b"OEBPS/text/two.xhtml") + 3000])
    assert "first" in content.text
    assert "7919 15838" in content.text
    assert content.notes == ("the book is cut or damaged: only what is whole of it was read",)
    with pytest.raises(LoadError, match="cut or damaged"):
        read_book(data[: data.index(b"<container") if b"<container" in data else 150])


def test_no_entity_is_expanded() -> None:
    bomb = (
        '<!DOCTYPE p [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
        '<package xmlns:dc="x"><metadata><dc:title>&b;&f;</dc:title></metadata></package>'
    )
    text = read_book(book(content=bomb)).text
    assert "lollol" not in text
    assert "root:" not in text


@pytest.mark.skipif(not FORMATS.is_dir(), reason="../shared/formats is not on this machine")
def test_real_books_are_read() -> None:
    whole = load(FORMATS / "epub" / "winter-sports.epub", source="a")
    titles = [heading.title for heading in whole.headings]
    assert titles[0] == "Winter Sports in Switzerland"
    assert sum(title.startswith("CHAPTER ") for title in titles) == 8
    assert whole.text.startswith("Winter Sports in Switzerland\n\nE. F. Benson\n\n")
    assert len(whole.text) > 300_000
    cut = load(FORMATS / "broken" / "derived-truncated.epub", source="b")
    assert "Chapter 2: More Content" in [heading.title for heading in cut.headings]
    assert "cut or damaged" in cut.notes[0]
