from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from rag.errors import LoadError
from rag.load.content import Content
from rag.load.office.pptx import read_pptx
from rag.load.source import Budget, Source

TITLE_ONLY, TITLE_AND_TEXT, BLANK = 5, 1, 6


def packed(build: Callable[[Any], object]) -> bytes:
    deck = pptx.Presentation()
    build(deck)
    buffer = io.BytesIO()
    deck.save(buffer)
    return buffer.getvalue()


def written(build: Callable[[Any], object]) -> Content:
    return read_pptx(Source(data=packed(build)))


def add_slide(deck: Any, title: str = "", layout: int = TITLE_ONLY) -> Any:
    slide = deck.slides.add_slide(deck.slide_layouts[layout])
    if title:
        slide.shapes.title.text = title
    return slide


def add_box(shapes: Any, text: str, left: float, top: float) -> Any:
    box = shapes.add_textbox(Inches(left), Inches(top), Inches(1), Inches(0.4))
    box.text_frame.text = text
    return box


def test_slides_are_pages_in_order_and_their_titles_headings() -> None:
    def build(deck: Any) -> None:
        add_slide(deck, "灯塔")
        add_slide(deck, "Lamps")
        ids = deck.slides._sldIdLst
        ids.insert(0, ids[1])  # moved to the front

    content = written(build)
    assert content.text == "Lamps\n\n灯塔"
    assert [(page.number, page.unit) for page in content.pages] == [(1, "slide"), (2, "slide")]
    assert [heading.title for heading in content.headings] == ["Lamps", "灯塔"]


def test_lists_keep_their_levels() -> None:
    def build(deck: Any) -> None:
        frame = add_slide(deck, "T", TITLE_AND_TEXT).placeholders[1].text_frame
        frame.text = "one"
        for text, level in (("two", 1), ("three", 0)):
            paragraph = frame.add_paragraph()
            paragraph.text, paragraph.level = text, level

    assert written(build).text == "T\n\n- one\n  - two\n- three"


def test_shapes_are_read_row_by_row_and_groups_stay_together() -> None:
    def build(deck: Any) -> None:
        shapes = add_slide(deck, layout=BLANK).shapes
        add_box(shapes, "bottom", 1, 5)
        add_box(shapes, "right", 5, 1)
        group = shapes.add_group_shape()
        add_box(group.shapes, "group 2", 2.5, 2)
        add_box(group.shapes, "group 1", 2.5, 1.05)
        add_box(shapes, "left", 1, 1.1)

    assert written(build).text.split("\n\n") == ["left", "group 1", "group 2", "right", "bottom"]


def test_a_table_names_its_columns() -> None:
    def build(deck: Any) -> None:
        table = add_slide(deck, "T").shapes.add_table(2, 2, 0, Inches(2), Inches(4), Inches(1)).table
        for at, text in enumerate(("Lamp", "Watts", "Main", "1000")):
            table.cell(at // 2, at % 2).text = text

    assert written(build).text == "T\n\nLamp: Main; Watts: 1000"


def test_a_chart_tells_its_values() -> None:
    def build(deck: Any) -> None:
        data = CategoryChartData()
        data.categories = ["North", "South"]
        data.add_series("2023", (1.5, 2))
        data.add_series("2024", (3, 4.25))
        shapes = add_slide(deck, "T").shapes
        frame = shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, 0, Inches(2), Inches(4), Inches(3), data)
        frame.chart.has_title = True
        frame.chart.chart_title.text_frame.text = "Sales"

    assert written(build).text == "T\n\nSales\nNorth; 2023: 1.5; 2024: 3\nSouth; 2023: 2; 2024: 4.25"


def test_notes_links_and_hidden_slides_are_told() -> None:
    def build(deck: Any) -> None:
        slide = add_slide(deck, "T")
        run = add_box(slide.shapes, "", 1, 2).text_frame.paragraphs[0].add_run()
        run.text, run.hyperlink.address = "manual", "https://example.com/m"
        slide.notes_slide.notes_text_frame.text = "Speak slowly."
        slide._element.set("show", "0")

    content = written(build)
    assert content.text == "T\n\nmanual (https://example.com/m)\n\nNotes:\nSpeak slowly."
    assert content.notes == ("slide 1 is hidden in the presentation; it was read like the others",)


def test_a_slide_that_is_missing_is_told_and_the_others_are_read() -> None:
    data = packed(lambda deck: [add_slide(deck, title) for title in ("One", "Two")])
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            if name != "ppt/slides/slide1.xml":
                new.writestr(name, old.read(name))
    content = read_pptx(Source(data=buffer.getvalue()))
    assert content.text == "Two"
    assert content.pages[0].number == 2
    assert content.notes == ("slide 1 is missing from the file",)


def test_a_bomb_is_refused() -> None:
    data = packed(lambda deck: add_slide(deck, "x" * 10_000))
    with pytest.raises(LoadError, match="unpacks to more than"):
        read_pptx(Source(data=data, budget=Budget(unpacked=5000)))


def test_a_thousand_slides_take_seconds() -> None:
    content = written(lambda deck: [add_slide(deck, f"Slide {at}") for at in range(300)])
    assert len(content.pages) == 300


def test_exponents_stay_raised() -> None:
    def build(deck: Any) -> None:
        box = add_box(add_slide(deck, layout=BLANK).shapes, "3.2 × 10", 1, 1)
        run = box.text_frame.paragraphs[0].add_run()
        run.text = "6"
        run.font._element.set("baseline", "30000")

    assert written(build).text == "3.2 × 10⁶"
