"""The original page of what is quoted, drawn with just its lines marked, and only for whom may see it."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rag.config import Config
from rag.datatypes import Answer, Box
from rag.errors import LoadError
from rag.load import draw
from rag.load.guard import Loader
from rag.load.pages.drawn import BETWEEN, MOST_PAGES, PEN, PIXELS
from rag.load.source import Settings
from rag.pipeline import Rag
from rag.ui.languages import ENGLISH
from rag.ui.originals import CHANGED, UNKNOWN
from rag.ui.server import web_app
from rag.ui.sources import sources
from rag.ui.turns import Turn, advance
from tests.drawn import drawn_pdf, picture_of_text
from tests.minimal_pdf import minimal_pdf

LINES = ["The lantern room is opened at nine.", "The keeper signs the book.", "The stairs have 199 steps."]
QUESTION = "How many steps do the stairs have?"
FORMATS = Path(__file__).parents[2] / "shared" / "formats"


def pixels(png: bytes) -> NDArray[np.uint8]:
    """Return (height, width, 3)."""
    assert png.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def marked_rows(png: bytes) -> list[tuple[float, float]]:
    """Return from where to where the page is marked, as shares of its height."""
    rows = (pixels(png) == PEN).all(axis=2).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], rows.astype(int), [0]))))
    return [(start / len(rows), stop / len(rows)) for start, stop in edges.reshape(-1, 2)]


def page_of(lines: list[str], *, turn: int = 0) -> bytes:
    return drawn_pdf([(60.0, 700.0 - 40 * at, line) for at, line in enumerate(lines)], turn=turn)


def written(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def boxes_in(path: Path) -> list[Box]:
    with Loader(timeout=60) as loader:
        return [region.box for region in loader.load(path, source=path.name).regions if region.box]


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_the_ink_of_the_marked_line_and_no_other_is_below_the_pen(turn: int, tmp_path: Path) -> None:
    path = written(tmp_path, "log.pdf", page_of(LINES, turn=turn))
    box = boxes_in(path)[1]
    with_pen, without = (
        pixels(draw(path, [box])),
        pixels(draw(path, [Box(page=1, left=0, bottom=0, right=0, top=0)])),
    )
    changed = (with_pen != without).any(axis=2)
    only = pixels(draw(written(tmp_path, "one.pdf", page_of(["", LINES[1], ""], turn=turn)), [box]))
    ink = (only.sum(axis=2) < 200) & (with_pen.sum(axis=2) < 200)
    rows, columns = np.nonzero(changed)
    inside = np.zeros_like(changed)
    inside[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    assert ink.sum() > 500
    assert inside[ink].all()
    others = (without.sum(axis=2) < 200) & ~inside
    assert others.sum() > 2 * 500  # the two other lines
    assert (with_pen[others] == without[others]).all()


def test_an_image_is_drawn_upright_and_no_larger_than_a_screen_needs(tmp_path: Path) -> None:
    picture = picture_of_text(LINES, size=60)
    picture = picture.resize((3 * picture.width, 3 * picture.height))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    kept = io.BytesIO()
    picture.rotate(180).save(kept, "JPEG", exif=exif, quality=95)
    path = written(tmp_path, "scan.jpg", kept.getvalue())
    boxes = boxes_in(path)
    assert len(boxes) == len(LINES)
    first, last = (pixels(draw(path, [box])) for box in (boxes[0], boxes[2]))
    height, width, _ = last.shape
    assert 0.9 * PIXELS < height * width < 1.05 * PIXELS < picture.width * picture.height
    darker = np.flatnonzero((first.astype(int) - last > 40).any(axis=(1, 2))) / height
    box = boxes[2]
    assert darker.min() == pytest.approx(1 - box.top / picture.height, abs=0.03)
    assert darker.max() == pytest.approx(1 - box.bottom / picture.height, abs=0.03)


@pytest.mark.parametrize(
    ("name", "data", "box", "said"),
    [
        ("a.pdf", page_of(LINES), Box(page=2, left=0, bottom=0, right=9, top=9), "it has no page 2"),
        ("a.pdf", page_of(LINES)[:300], Box(page=1, left=0, bottom=0, right=9, top=9), "damaged"),
        ("a.txt", b"some text", Box(page=1, left=0, bottom=0, right=9, top=9), "only pages of PDF files"),
    ],
)
def test_what_cannot_be_drawn_says_why(name: str, data: bytes, box: Box, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, name, data)
    with pytest.raises(LoadError, match=said):
        draw(path, [box])
    with Loader(timeout=60) as loader, pytest.raises(LoadError, match=said):
        loader.draw(path, [box], digest="")


def test_lines_on_several_pages_are_shown_on_them_all_one_below_the_other(tmp_path: Path) -> None:
    told = ((f"{LINES[0]} {number}",) for number in range(1, 5))
    data = minimal_pdf([[(60.0, 700.0, line) for line in lines] for lines in told])
    path = written(tmp_path, "log.pdf", data)
    boxes = boxes_in(path)
    assert [box.page for box in boxes] == [1, 2, 3, 4]
    alone = [pixels(draw(path, [box])) for box in boxes]
    both = pixels(draw(path, [boxes[2], boxes[1]]))
    height = alone[1].shape[0]
    assert (both[:height] == alone[1]).all()
    assert (both[-height:] == alone[2]).all()
    assert both.shape[0] == 2 * height + BETWEEN
    assert pixels(draw(path, boxes)).shape[0] == MOST_PAGES * height + (MOST_PAGES - 1) * BETWEEN


def test_boxes_beyond_the_page_are_cut_to_it(tmp_path: Path) -> None:
    path = written(tmp_path, "a.pdf", minimal_pdf([[(10, 10, "x")]], page="/UserUnit 9"))
    plain = pixels(draw(path, [Box(page=1, left=0, bottom=0, right=0, top=0)]))
    all_of_it = pixels(draw(path, [Box(page=1, left=-9e9, bottom=-9e9, right=9e9, top=9e9)]))
    assert (all_of_it[plain.sum(axis=2) == 3 * 255] == PEN).all()
    turned = Box(page=1, left=9e9, bottom=-9e9, right=-9e9, top=9e9)
    assert pixels(draw(path, [turned])).shape == plain.shape


def test_a_page_of_a_long_scan_is_drawn_without_those_before_it(tmp_path: Path) -> None:
    colours = ["red", "lime", "blue"]
    frames = [Image.new("RGB", (300, 200), colour) for colour in colours]
    kept = io.BytesIO()
    frames[0].save(kept, "TIFF", save_all=True, append_images=frames[1:])
    path = written(tmp_path, "scan.tif", kept.getvalue())
    shown = [pixels(draw(path, [Box(page=at, left=0, bottom=0, right=9, top=9)]))[0, -1] for at in (1, 2, 3)]
    assert [tuple(each) for each in shown] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    with pytest.raises(LoadError, match="it has no page 4"):
        draw(path, [Box(page=4, left=0, bottom=0, right=9, top=9)])


def test_a_page_that_is_packed_by_itself_is_drawn(tmp_path: Path) -> None:
    plain, packed = written(tmp_path, "a.pdf", page_of(LINES)), tmp_path / "a.pdf.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    boxes = boxes_in(packed)
    assert (pixels(draw(packed, boxes)) == pixels(draw(plain, boxes))).all()


def test_an_encrypted_page_is_drawn_with_the_users_password() -> None:
    closed, plain = FORMATS / "encrypted" / "aes-256-m.pdf", FORMATS / "encrypted" / "base.pdf"
    if not closed.exists():
        pytest.skip("../shared is not here")
    box = Box(page=1, left=70, bottom=700, right=200, top=780)
    with Loader(timeout=60) as loader, pytest.raises(LoadError, match="add its password to the setting"):
        loader.draw(closed, [box], digest="")
    with Loader(timeout=60, settings=Settings(passwords=("foo",))) as loader:
        assert (pixels(loader.draw(closed, [box], digest="")) == pixels(draw(plain, [box]))).all()


@pytest.fixture
def rag(config: Config) -> Iterator[Rag]:
    written(config.data_dir, "log.pdf", page_of(LINES))
    written(config.data_dir, "plain.txt", b"The pier has 12 steps.")
    with Rag(config) as opened:
        opened.sync()
        yield opened


def asked(rag: Rag, path: str, **headers: str) -> httpx.Response:
    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app=web_app(rag, rag.config))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(get())


def card(rag: Rag, question: str = QUESTION) -> tuple[str, Answer]:
    answer = rag.ask(question)
    return sources([advance(Turn(number=1, question=question), answer)], ENGLISH), answer


def addresses(html: str) -> list[str]:
    return [unescape(found) for found in re.findall(r'data-picture="([^"]*)"', html)]


def test_a_card_leads_to_the_page_with_what_it_quotes_marked(rag: Rag) -> None:
    answer = rag.ask(QUESTION)
    (citation,) = (each for each in answer.citations if "199 steps" in each.quote)
    turn = advance(Turn(number=1, question=QUESTION), replace(answer, citations=(citation,)))
    (where,) = addresses(sources([turn], ENGLISH))
    reply = asked(rag, f"/{where}")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    rows = marked_rows(reply.content)
    top, bottom = rows[0][0], rows[-1][1]
    spans = [(1 - box.top / 842, 1 - box.bottom / 842) for box in citation.boxes]
    assert top == pytest.approx(min(span[0] for span in spans), abs=0.01)
    assert bottom == pytest.approx(max(span[1] for span in spans), abs=0.01)


@pytest.mark.parametrize("root", ["/kaoju", "kaoju/", "https://example.org/kaoju"])
def test_below_a_path_it_is_served_there_too(root: str, rag: Rag) -> None:
    (where,) = addresses(card(rag)[0])
    rag.config = rag.config.model_copy(update={"root_path": root})
    for path in ("", "/kaoju"):
        assert asked(rag, f"{path}/{where}").status_code == 200


def test_a_file_whose_name_is_shown_otherwise_is_found(rag: Rag, config: Config) -> None:
    (config.data_dir / "log.pdf").rename(
        os.fsdecode(os.fsencode(config.data_dir) + "/日志.pdf".encode("gbk"))
    )
    rag.sync()
    html, answer = card(rag)
    assert answer.citations[0].document.endswith(".pdf")
    (where,) = addresses(html)
    assert asked(rag, f"/{where}").status_code == 200


def test_many_spans_are_cut_and_alike_ones_are_one(rag: Rag) -> None:
    (where,) = addresses(card(rag)[0])
    many = asked(rag, f"/{where}{'&span=0-999999999999' * 900}")
    assert (many.status_code, len(marked_rows(many.content))) == (200, len(LINES))


def test_what_has_no_page_has_no_button(rag: Rag) -> None:
    html, answer = card(rag, "How many steps does the pier have?")
    assert answer.citations[0].document == "plain.txt"
    assert "plain.txt" in html
    assert not [where for where in addresses(html) if "plain" in where]


@pytest.mark.parametrize(
    "query",
    [
        "source=../secret.pdf&span=0-9",
        "source=%2Fetc%2Fpasswd&span=0-9",
        "source=other.pdf&span=0-9",
        "source=plain.txt&span=0-9",
        "source=log.pdf",
        "source=log.pdf&span=900-999",
        "source=log.pdf&span=x",
        "source=log.pdf&span=-1-9",
        "source=log.pdf&span=%D9%A3-%D9%A4",
        "",
    ],
)
def test_only_what_is_indexed_is_shown(query: str, rag: Rag, config: Config) -> None:
    written(config.data_dir.parent, "secret.pdf", page_of(LINES))
    written(config.data_dir, "other.pdf", page_of(LINES))  # since the sync
    reply = asked(rag, f"/original.png?{query}")
    assert (reply.status_code, reply.text) == (404, UNKNOWN)


def test_another_site_cannot_ask_for_it(rag: Rag) -> None:
    (where,) = addresses(card(rag)[0])
    assert asked(rag, f"/{where}", host="evil.example").status_code == 400
    assert asked(rag, f"/{where}", **{"sec-fetch-site": "cross-site"}).status_code == 403
    assert asked(rag, f"/{where}", **{"sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda path: path.write_bytes(page_of(LINES[:2])),
            "it has been changed since it was read: sync first",
        ),
        (Path.unlink, "the file has vanished"),
    ],
)
def test_a_file_that_is_not_the_one_read_is_not_shown(
    change: Callable[[Path], object], said: str, rag: Rag, config: Config
) -> None:
    (where,) = addresses(card(rag)[0])
    change(config.data_dir / "log.pdf")
    assert asked(rag, f"/{where}").text == said
    chinese = asked(rag, f"/{where}&lang=zh").text
    assert re.search(r"[\u4e00-\u9fff]", chinese)


def test_lines_of_a_file_read_anew_are_not_marked_for_an_answer_from_before(rag: Rag, config: Config) -> None:
    (where,) = addresses(card(rag)[0])
    written(config.data_dir, "log.pdf", page_of(LINES[::-1]))
    rag.sync()
    assert asked(rag, f"/{where}").text == CHANGED
    assert asked(rag, f"/{where}&lang=zh").text == "它在读取之后有改动：请再问一次"
    (again,) = addresses(card(rag)[0])
    assert asked(rag, f"/{again}").status_code == 200


def test_drawing_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    path = written(tmp_path, "log.pdf", page_of(LINES))
    box = boxes_in(path)[0]
    with Loader(timeout=1e-3) as loader, pytest.raises(LoadError, match="longer than"):
        loader.draw(path, [box], digest="")
