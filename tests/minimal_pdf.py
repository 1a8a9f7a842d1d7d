"""Writes the smallest PDF that holds lines of text at given places, in any script of the BMP."""

from __future__ import annotations

from collections.abc import Sequence

Placed = tuple[float, float, str] | tuple[float, float, str, float]
"""x and y of the baseline's start in points, the text, and the size of its letters."""

FONT = (
    "<< /Type /Font /Subtype /Type0 /BaseFont /Test /Encoding /Identity-H /DescendantFonts [4 0 R]"
    " {to_unicode} >>"
)
DESCENDANT = (
    "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Test /DW 1000 /W [0 255 500]"
    " /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor"
    " << /Type /FontDescriptor /FontName /Test /Flags 4 /FontBBox [0 -200 1000 800] /Ascent 800"
    " /Descent -200 /CapHeight 700 /ItalicAngle 0 /StemV 80 >> >>"
)
CMAP = (
    "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Test def /CMapType 2 def"
    " 1 begincodespacerange <0000> <FFFF> endcodespacerange {count} beginbfchar {pairs} endbfchar"
    " endcmap end end"
)


def minimal_pdf(
    pages: Sequence[Sequence[Placed]],
    *,
    size: int = 10,
    trailer: str = "",
    catalog: str = "",
    page: str = "",
    meanings: dict[str, str] | None = None,
    drawn: str = "",
) -> bytes:
    """Return a PDF with one page per item; Latin letters are half as wide as Chinese ones.

    Args:
        pages: the lines of each page.
        size: of the letters, where a line doesn't say.
        trailer: further entries of the trailer.
        catalog: further entries of the catalog.
        page: further entries of every page.
        drawn: operators that draw on every page, before its text.
        meanings: what the file says of characters, where that is not what they are; an empty dict: nothing.
    """
    characters = sorted({char for lines in pages for _, _, text, *_ in lines for char in text})
    said = {char: char for char in characters} | (meanings or {})
    pairs = " ".join(f"<{ord(char):04X}> <{ord(said[char]):04X}>" for char in characters)
    kids = " ".join(f"{6 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        FONT.format(to_unicode="" if meanings == {} else "/ToUnicode 5 0 R"),
        DESCENDANT,
        _stream(CMAP.format(count=len(characters), pairs=pairs)),
    ]
    for at, lines in enumerate(pages):
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F 3 0 R >> >>"
            f" /Contents {7 + 2 * at} 0 R {page} >>"
        )
        objects.append(_stream(" ".join([drawn, *(_show(placed, size) for placed in lines)])))
    return _file(objects, trailer)


def _show(placed: Placed, size: float) -> str:
    x, y, text, *own = placed
    return f"BT /F {own[0] if own else size} Tf 1 0 0 1 {x} {y} Tm <{text.encode('utf-16-be').hex()}> Tj ET"


def _stream(content: str) -> str:
    return f"<< /Length {len(content)} >>\nstream\n{content}\nendstream"


def _file(objects: Sequence[str], trailer: str) -> bytes:
    body = "%PDF-1.7\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    count = len(objects) + 1
    return (
        f"{body}xref\n0 {count}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {count} /Root 1 0 R {trailer} >>\nstartxref\n{len(body)}\n%%EOF\n"
    ).encode("ascii")
