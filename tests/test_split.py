from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rag.datatypes import Box, Document, Heading, Page, PageUnit, Passage, Region
from rag.embed import HashingEmbedder, text_for_embedding
from rag.load.content import Content, ContentBuilder
from rag.load.plain.text import markdown_headings
from rag.sentences import cut_points
from rag.split import split
from rag.split.ruler import TokenOffsets

TOKENS = HashingEmbedder().token_offsets
ENGLISH = (
    "The keeper of the lamp, Dr. Ada Moreau, signs the red book at 9.30 p.m. every day. Is it full? "
    "Then she begins No. 4!"
)
CHINESE = (
    "灯塔的看守人每天晚上九点半在红色登记簿上签名。登记簿写满了吗？那就换第四本；旧的要存放三年……“别忘了。”"
)


def document(text: str, *, pages: tuple[Page, ...] = (), headings: tuple[Heading, ...] = ()) -> Document:
    return Document(source="a.md", digest="d", text=text, pages=pages, headings=headings)


def built(content: Content) -> Document:
    return Document(
        source="a.zip",
        digest="d",
        text=content.text,
        pages=content.pages,
        headings=content.headings,
        regions=content.regions,
    )


def test_rows_are_sentences_however_long_their_lines_are() -> None:
    rows = [f"| {name} | {'filter ' * 8}| {number} |" for name, number in (("QH-F5", 239), ("QH-F3", 199))]
    named = [
        f"Product: {name} {'filter ' * 8}; Price: {number}" for name, number in (("QH-F5", 239), ("F3", 1))
    ]
    for lines in (rows, named):
        assert list(cut_points("\n".join(lines))) == [len(lines[0]) + 1]
    prose = "It is a long line that a program has broken where it had\nreached a certain number of columns."
    assert list(cut_points(prose)) == []


def markdown(text: str) -> Document:
    return document(text, headings=tuple(markdown_headings(text)))


def pieces(value: Document, limit: int = 64) -> list[Passage]:
    return split(value, token_offsets=TOKENS, passage_tokens=limit)


def check(value: Document, passages: list[Passage], limit: int, tokens: TokenOffsets = TOKENS) -> None:
    """Check what holds for every document: exact offsets, order, limits, nothing lost or doubled."""
    for passage in passages:
        assert value.text[passage.start : passage.end] == passage.text
        assert passage.text == passage.text.strip() != ""
        assert len(tokens(passage.text)) <= limit or len(passage.text) == 1
    spans = [(passage.start, passage.end) for passage in passages]
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    assert all(not gap.strip() for gap in gaps(value, passages))


def gaps(value: Document, passages: list[Passage]) -> list[str]:
    ends = [0, *(passage.end for passage in passages)]
    starts = [*(passage.start for passage in passages), len(value.text)]
    return [value.text[end:start] for end, start in zip(ends, starts, strict=True)]


def sentences(text: str) -> list[str]:
    ends = [0, *cut_points(text), len(text)]
    return [piece.strip() for piece in map(text.__getitem__, map(slice, ends, ends[1:])) if piece.strip()]


def test_sentences_of_both_languages_end_where_a_reader_says() -> None:
    assert sentences(ENGLISH) == [
        "The keeper of the lamp, Dr. Ada Moreau, signs the red book at 9.30 p.m. every day.",
        "Is it full?",
        "Then she begins No. 4!",
    ]
    assert sentences(CHINESE) == [
        "灯塔的看守人每天晚上九点半在红色登记簿上签名。",
        "登记簿写满了吗？",
        "那就换第四本；",
        "旧的要存放三年……",
        "“别忘了。”",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Version 3.5 costs $1.20 more.",
        "J. R. Smith et al. wrote it.",
        "See Fig. 3 and e.g. the U.S. case.",
        "1. Open the door",
        "It was approx. nine.",
        'He said "Stop!" and left.',
    ],
)
def test_a_dot_within_a_sentence_does_not_end_it(text: str) -> None:
    assert sentences(text) == [text]


def test_a_line_broken_by_a_program_goes_on_and_a_list_does_not() -> None:
    wrapped = "The lantern room is opened every evening at nine by the keeper on\nduty and locked again."
    assert sentences(wrapped) == [wrapped]
    assert sentences("- one\n- two\n三、三\n") == ["- one", "- two", "三、三"]


def test_a_short_document_is_one_passage() -> None:
    value = document("  Hello, 世界。\n")
    (passage,) = pieces(value)
    assert (passage.text, passage.start, passage.end) == ("Hello, 世界。", 2, 12)
    assert (passage.page, passage.heading) == (None, "")


def test_nothing_comes_of_nothing() -> None:
    assert pieces(document("")) == pieces(document(" \n\u3000\n")) == []


def test_passages_end_at_sentences() -> None:
    value = document((ENGLISH + " " + CHINESE) * 20)
    ends = set(cut_points(value.text)) | {len(value.text)}
    for passage in pieces(value):
        assert any(value.text[passage.end : end].strip() == "" for end in ends if end >= passage.end)
    assert all(passage.text[-1] in "。！？；…”.!?" for passage in pieces(value))


def test_passages_of_a_section_are_of_like_size() -> None:
    value = document("\n\n".join([ENGLISH] * 21))
    sizes = [len(TOKENS(passage.text)) for passage in pieces(value, 100)]
    assert min(sizes) > 0.5 * max(sizes)


def test_a_big_section_is_not_shared_and_headings_are_carried_along() -> None:
    text = f"# Lighthouse\n\n## Lamps\n\n{ENGLISH}\n\n## Doors\n\n{CHINESE[:40]}\n\n# Harbour\n\n{ENGLISH}"
    passages = pieces(markdown(text), 80)
    assert [passage.heading for passage in passages] == ["Lighthouse", "Lighthouse > Doors", "Harbour"]
    assert passages[0].text.startswith("# Lighthouse\n\n## Lamps\n\nThe keeper")
    assert passages[1].text.startswith("## Doors")
    assert "# Harbour" not in passages[1].text


def test_what_a_higher_heading_opens_is_kept_apart_sooner_than_a_neighbour() -> None:
    text = f"# Lamps\n\n## Kinds\n\n{CHINESE[:30]}\n\n# 门\n\n门是绿色的。"
    assert [passage.heading for passage in pieces(markdown(text), 256)] == ["Lamps", "门"]


def test_a_path_of_long_titles_keeps_the_innermost() -> None:
    titles = [name * 100 for name in "abcd"]
    text = (
        "\n\n".join(f"{'#' * level} {title}" for level, title in enumerate(titles, start=1))
        + "\n\n"
        + ENGLISH
    )
    value = markdown(text)
    path = split(value, token_offsets=TOKENS, passage_tokens=32)[-1].heading
    assert path == "c" * 80 + " > " + "d" * 80


def test_short_neighbours_share_a_passage() -> None:
    text = "# FAQ\n\n## When?\n\nAt nine.\n\n## Where?\n\nAt the door.\n\n## Who?\n\nAda."
    assert [passage.text for passage in pieces(markdown(text), 256)] == [text]


def test_a_heading_is_never_left_behind() -> None:
    parts = "\n\n".join(f"## Part {at}\n\n{ENGLISH}" for at in range(30))
    for limit in (40, 50, 64, 90):
        for passage in pieces(markdown(parts), limit):
            assert not passage.text.split("\n")[-1].startswith("## ")


def test_a_passage_does_not_cross_pages_and_bears_the_page_of_its_start() -> None:
    page = ENGLISH + "\n\n" + CHINESE
    text = "\n\n".join([page] * 3)
    size = len(page) + 2
    pages = tuple(Page(number=at + 1, start=size * at, end=size * at + len(page)) for at in range(3))
    for limit in (48, 64, 100, 256):
        passages = pieces(document(text, pages=pages), limit)
        for passage in passages:
            assert passage.page is not None
            home = pages[passage.page - 1]
            assert home.start <= passage.start < passage.end <= home.end
        assert {passage.page for passage in passages} == {1, 2, 3}


def test_a_page_of_a_few_words_joins_the_next() -> None:
    text = "Title\n\n" + ENGLISH
    pages = (Page(number=1, start=0, end=5), Page(number=2, start=7, end=len(text)))
    (passage,) = pieces(document(text, pages=pages), 256)
    assert (passage.page, passage.text) == (1, text)


TABLE = "| Name | Price |\n|:-----|------:|\n"


def test_the_rows_of_a_table_are_never_cut_and_name_their_columns() -> None:
    rows = [f"| Lamp no. {at}. Bright! Of brass | {at}.50 |" for at in range(30)]
    passages = pieces(markdown("# Prices\n\nAll in crowns.\n\n" + TABLE + "\n".join(rows) + "\n\nThe end."))
    assert [line for passage in passages for line in passage.text.split("\n") if "Lamp" in line] == rows
    assert passages[0].text.startswith(
        "# Prices\n\nAll in crowns.\n\n| Name | Price |\n|:-----|------:|\n| Lamp"
    )
    assert passages[0].heading == "Prices"
    assert {passage.heading for passage in passages[1:]} == {"Prices > Name | Price"}


def test_a_header_row_is_never_left_behind() -> None:
    for words in range(1, 90):
        text = "tea " * words + "ends.\n\n" + TABLE + "| lamp | 1 |\n" * 40
        for passage in pieces(markdown(text)):
            assert not passage.text.endswith(("Price |", "------:|"))


def test_a_row_longer_than_a_passage_is_cut_between_its_cells() -> None:
    cells = [f"cell {at} of the long row" for at in range(40)]
    for row in (f"| {' | '.join(cells)} |", "; ".join(f"name{at}: {cell}" for at, cell in enumerate(cells))):
        passages = pieces(document(row + "\n" + row))
        assert len(passages) > 4
        assert all(passage.text.rstrip("|; ").endswith("row") for passage in passages)


def test_a_row_below_a_long_heading_stays_whole() -> None:
    row = "| " + "cell " * 50 + "|"
    text = f"# {'tea ' * 20}\n\nBefore.\n\n## {'cup ' * 20}\n\n{row}\n{row}\n"
    assert sum(row in passage.text for passage in pieces(markdown(text))) == 2


def test_records_with_named_values_are_cut_between_lines() -> None:
    rows = [f"Name: lamp {at}. New; Price: {at}. Net; Colour: red" for at in range(30)]
    lines = [line for passage in pieces(document("\n".join(rows))) for line in passage.text.split("\n")]
    assert lines == rows


def test_code_is_whole_where_it_fits_and_else_cut_between_definitions() -> None:
    def fenced(count: int) -> str:
        body = "\n\n".join(
            f"@cached\ndef f{at}(x):\n    y = x\n\n    return y * {at}\n" for at in range(count)
        )
        return f"Prose before it. More of it.\n\nRun this:\n\n```python\n{body}```\n\nProse after it."

    (whole,) = [passage for passage in pieces(document(fenced(2)), 64) if "```" in passage.text]
    assert whole.text.count("```") == 2
    first, *others = pieces(document(fenced(9)), 64)
    assert "Run this:\n\n```python\n@cached\ndef f0" in first.text
    assert len(others) > 2
    for passage in others:
        assert passage.text.startswith("@cached\ndef f")
        assert passage.heading == "Run this:"


def test_a_long_definition_is_cut_at_its_blank_lines_and_then_at_its_lines() -> None:
    steps = [f"    step_{at}(a, b)\n    step_{at}(c, d)" for at in range(20)]
    passages = pieces(document("```\ndef f():\n" + "\n\n".join(steps) + "\n```"), 64)
    assert all("(c, d)" in passage.text[-20:] for passage in passages)
    lines = "```\n" + "\n".join(f"call_{at}(first, second)" for at in range(60)) + "\n```"
    assert all(passage.text.endswith((")", "```")) for passage in pieces(document(lines), 64))


def test_a_program_is_cut_between_its_definitions_and_its_lines_are_no_sentences() -> None:
    body = "(first, second):\n    log.info('It began. Now %s and more', first, second)\n    return"
    text = "\n\n".join(f"def f{at}{body} {at}" for at in range(40))
    for value in (replace(document(text), source="tool.py"), part("src/tool.py", text)):
        passages = pieces(value)
        assert len(passages) > 9
        assert all(passage.text.startswith(("def f", "src/tool.py")) for passage in passages)
        assert all(re.search(r"return \d+$", passage.text) for passage in passages)


def part(name: str, text: str) -> Document:
    builder = ContentBuilder()
    builder.add_part(name, Content(text=text))
    return built(builder.build())


def test_a_fence_that_is_never_closed_is_text() -> None:
    assert all(passage.text[-1] in ".!" for passage in pieces(document("```\n" + (ENGLISH + " ") * 20)))


def test_a_list_stays_with_what_leads_to_it_and_its_rest_is_told_of_it() -> None:
    items = "\n".join(f"- part {at} of the lamp is cleaned" for at in range(6))
    for words in range(1, 90):
        text = "tea " * words + "ends.\n\nEvery day, without fail:\n\n" + items + "\n\nThe end."
        (passage,) = [each for each in pieces(document(text)) if "part 0" in each.text]
        assert f"Every day, without fail:\n\n{items}" in passage.text
    many = "灯塔很高。每天必须：\n" + "\n".join(f"（{at}）清洁灯具的第{at}个部分；" for at in range(1, 40))
    first, *others = pieces(document(many))
    assert first.heading == ""
    assert {passage.heading for passage in others} == {"每天必须："}
    assert all(passage.text.startswith("（") for passage in others)


def test_a_passage_within_an_outline_bears_the_items_above_it() -> None:
    def items(name: str, indent: int) -> str:
        return "".join(f"{' ' * indent}- {name} {at} needs oil. And care\n" for at in range(12))

    text = (
        f"# Lamps\n\n- Old\n  1. Brass\n{items('lamp', 5)}  2. Tin\n{items('can', 5)}- New\n{items('led', 2)}"
    )
    first, *others = pieces(markdown(text), 32)
    assert (first.text[:7], first.heading) == ("# Lamps", "Lamps")
    found = {(passage.text[:5], passage.heading) for passage in others if passage.text.startswith("- ")}
    assert found == {
        ("- lam", "Lamps > Old > Brass"),
        ("- can", "Lamps > Old > Tin"),
        ("- led", "Lamps > New"),
    }


def test_the_rest_of_a_long_item_bears_its_beginning() -> None:
    first, *others = pieces(document(f"- The lamp: {' '.join([ENGLISH] * 9)}\n- The door"))
    assert first.heading == ""
    assert {passage.heading for passage in others} == {("The lamp: " + ENGLISH)[:80]}


def sheet(number: int, name: str, rows: int) -> Content:
    builder = ContentBuilder()
    builder.add_heading(1, name)
    for row in range(2, rows + 2):
        builder.add_region(f"Item: lamp {row}. Red; Price: {row}", cells=f"A{row}:B{row}")
    return builder.build()


def test_a_passage_of_a_sheet_names_its_cells() -> None:
    builder = ContentBuilder()
    builder.add_page(1, sheet(1, "Prices", 30), unit="sheet")
    builder.add_page(2, sheet(2, "Don's notes", 1), unit="sheet")
    builder.add_page(3, sheet(3, "库存", 1), unit="sheet")
    passages = pieces(built(builder.build()))
    rows = [passage.text.count("Item:") for passage in passages]
    ends = list(itertools.accumulate(rows[:-2]))
    assert [passage.cells for passage in passages] == [
        *(f"Prices!A{end - count + 2}:B{end + 1}" for count, end in zip(rows, ends, strict=False)),
        "'Don''s notes'!A2:B2",
        "库存!A2:B2",
    ]
    assert len(ends) > 2
    assert [passage.page for passage in passages] == [*([1] * len(ends)), 2, 3]
    assert {passage.unit for passage in passages} == {"sheet"}


def test_rows_without_a_sheet_have_bare_cells() -> None:
    builder = ContentBuilder()
    builder.add_region("a; b", cells="A1")
    builder.add_region("c; d", cells="Z2:AA2")
    (passage,) = pieces(built(builder.build()))
    assert passage.cells == "A1:AA2"


def test_members_are_never_joined_and_bear_their_names() -> None:
    inner, report = ContentBuilder(), ContentBuilder()
    report.add_page(1, "Cover.")
    report.add_page(2, ENGLISH)
    inner.add("Hello.")
    inner.add_part("report.pdf", report.build())
    outer = ContentBuilder()
    outer.add("From: Ada")
    outer.add_part("a.md", Content(text="Tea."))
    outer.add_part("b.eml", inner.build())
    places = [(p.text, p.part, p.page, p.later_pages != ()) for p in pieces(built(outer.build()), 256)]
    assert places == [
        ("From: Ada", "", None, False),
        ("a.md\n\nTea.", "a.md", None, False),
        ("b.eml\n\nHello.", "b.eml", None, False),
        (f"report.pdf\n\nCover.\n\n{ENGLISH}", "b.eml › report.pdf", 1, True),
    ]


def test_a_passage_knows_where_its_later_pages_begin() -> None:
    text = "Title\n\n" + ENGLISH
    pages = tuple(
        Page(number=at, start=start, end=end, unit="slide") for at, start, end in [(3, 0, 5), (4, 7, 99)]
    )
    (passage,) = pieces(document(text, pages=pages), 256)
    assert (passage.page, passage.later_pages, passage.unit) == (3, ((4, 7),), "slide")


def test_a_passage_has_the_boxes_of_its_lines_and_the_confidence_of_nearly_all_of_them() -> None:
    def read(*confidences: float | None) -> Passage:
        builder = ContentBuilder()
        for line, confidence in enumerate(confidences):
            box = Box(page=1, left=0, bottom=line, right=9, top=line + 1)
            builder.add_region(f"Line {line} says tea.", box=box, confidence=confidence)
        (passage,) = pieces(built(builder.build()), 256)
        return passage

    assert [line.box and line.box.bottom for line in read(None, None, None).regions] == [0, 1, 2]
    assert read(None, None).confidence is None
    assert read(0.3).confidence == 0.3
    assert read(*[0.9] * 10, 0.2).confidence == 0.9
    assert read(*[0.9] * 8, 0.2).confidence == 0.2
    assert read(0.0, None).confidence == 0.0


def test_boxes_and_cells_belong_to_the_passage_that_shows_them() -> None:
    builder = ContentBuilder()
    for row in range(40):
        builder.add_region(ENGLISH, box=Box(page=1, left=0, bottom=row, right=9, top=row + 1))
    value = built(builder.build())
    for passage in pieces(value):
        inside = [
            region for region in value.regions if region.start < passage.end and region.end > passage.start
        ]
        assert list(passage.regions) == inside


@pytest.mark.parametrize("limit", [32, 100, 256, 480])
def test_the_titles_leave_room_for_the_text_in_what_the_embedder_reads(limit: int) -> None:
    titles = "".join(f"{'#' * level} {'长标题 ' * 40}{level}\n\n" for level in range(1, 5))
    text = titles + TABLE.replace("Name", "name " * 60) + "| lamp | 1 |\n" * 300
    passages = split(markdown(text), token_offsets=TOKENS, passage_tokens=limit, embedded_tokens=500)
    sizes = [len(TOKENS(text_for_embedding(passage))) for passage in passages]
    assert max(sizes) <= 500
    assert all(passage.heading for passage in passages) or limit == 480


def characters(text: str) -> list[tuple[int, int]]:
    return [(at, at + 1) for at in range(len(text))]


def in_bytes(text: str) -> list[tuple[int, int]]:
    return [(at, at + 1) for at, char in enumerate(text) for _ in char.encode("utf-8", "replace")]


def words(text: str) -> list[tuple[int, int]]:
    """A tokenizer to which every word, however long, is one unknown token."""
    return [match.span() for match in re.finditer(r"\S+", text)]


@pytest.mark.parametrize("tokens", [TOKENS, characters, in_bytes, words])
@pytest.mark.parametrize("seed", range(40))
def test_any_text_is_covered_once_in_order_within_the_limits(seed: int, tokens: TokenOffsets) -> None:
    rng = random.Random(seed)
    value = random_document(rng)
    limit = rng.choice([32, 64, 256])
    embedded = limit + rng.choice([0, 3, 40, 244])
    passages = split(value, token_offsets=tokens, passage_tokens=limit, embedded_tokens=embedded)
    check(value, passages, limit, tokens)
    assert all(len(tokens(text_for_embedding(passage))) <= embedded for passage in passages)
    check_places(value, passages)
    for region in value.regions:
        if region.cells and len(tokens(value.text[region.start : region.end])) <= limit - 2:
            held = [p for p in passages if p.start < region.end and p.end > region.start]
            assert len(held) == 1 or region.end - region.start > 8 * (limit - 2)


def check_places(value: Document, passages: list[Passage]) -> None:
    """Check that a page, member or region is a passage's if and only if some of its text is."""
    for passage in passages:
        overlaps = [page for page in value.pages if page.start < passage.end and page.end > passage.start]
        touched = [
            page
            for page in overlaps
            if value.text[max(page.start, passage.start) : min(page.end, passage.end)].strip()
        ]
        assert {page.part for page in touched} <= {passage.part}
        assert not passage.page or passage.page in {page.number for page in touched}
        later = {(page.number, page.start) for page in overlaps if page.start > passage.start and page.number}
        assert {number for number, _ in later} <= {number for number, _ in passage.later_pages}
        assert all(passage.start < start < passage.end for _, start in passage.later_pages)
        assert len(touched) <= 1 or "sheet" not in {page.unit for page in touched}


def random_document(rng: random.Random) -> Document:
    """Return a document of every structure there is, much of it broken."""
    words = [
        *(
            "灯塔",
            "看守人。",
            "Lamp",
            "door. ",
            "e.g. ",
            "\n",
            "\n\n",
            "# H",
            " ",
            "，",
            "3.5",
            "？",
            "\u3000",
        ),
        *(
            "x" * 50,
            "é",
            "\n| a. b | c |",
            "\n|---|---|\n",
            "\n```\n",
            "\n~~~\n",
            "\n- one",
            "\n  two",
            "as follows:\n",
        ),
        *(
            "\na: b; c: d",
            "\n\tcode()",
            "\ndef f():\n    x",
            "\n\n\n\n",
            "a\tb\n",
            "\n（一）",
            "\ud800",
            "👩‍🚀",
            "：",
            "." * 9,
        ),
    ]
    text = "".join(rng.choice(words) * rng.choice([1, 1, 1, 5]) for _ in range(rng.randrange(0, 1500)))
    starts = sorted(rng.sample(range(len(text) + 1), min(len(text), rng.randrange(0, 12))))
    spans = [(start, after) for start, after in itertools.pairwise([*starts, len(text)]) if start < after]
    headings = tuple(
        Heading(
            level=rng.randint(1, 4),
            start=start,
            end=min(start + rng.randint(1, 40), after),
            title="T" * rng.randint(1, 99),
        )
        for start, after in spans
    )
    pages = tuple(random_pages(rng, len(text))) if rng.random() < 0.6 else ()
    value = document(text, headings=headings, pages=pages)
    return replace(value, regions=tuple(random_rows(rng, value))) if rng.random() < 0.6 else value


def random_pages(rng: random.Random, size: int) -> Iterator[Page]:
    at, part = 0, ""
    unit: PageUnit = rng.choice(["page", "slide", "sheet"])
    for number in range(1, 9):
        start = at + rng.choice([0, 0, 5, 300])
        at = start + rng.choice([1, 10, 100, 1000])
        part = rng.choice([part, part, f"part {number}"])
        if at <= size:
            yield Page(
                number=rng.choice([0, number]) if part else number, start=start, end=at, unit=unit, part=part
            )


def random_rows(rng: random.Random, value: Document) -> Iterator[Region]:
    """Yield rows of one or two lines; as in any real document, none crosses a page or touches a heading."""
    bounds = [at for page in value.pages for at in (page.start, page.end)]
    bounds += [at for heading in value.headings for at in range(heading.start, heading.end + 1)]
    for row in re.finditer(r"[^\n]+\n?[^\n]+", value.text):
        start, end = row.span()
        if rng.random() < 0.5 and row[0].strip() and not any(start <= bound < end for bound in bounds):
            cells = rng.choice(["", f"A{start}:B{start}"])
            yield Region(start=start, end=end, cells=cells, confidence=rng.choice([None, 0.5]))


@pytest.mark.parametrize(
    "unit",
    [
        "QUJDREVGabcdef0123456789",
        "没有标点的一行中文一直写下去",
        '{"a":1,"b":[2,3]},',
        "word ",
        "。",
        "a\u0301",
        "!",
        ".)",
        " .\n",
        "| a. b | c |\n",
        "|---|\n",
        "a: b; c: d\n",
        "a\tb\n",
        "  - item:\n",
        "as follows:\n- item\n\n",
        "```\ncode\n```\n",
        "```\n",
        "def f():\n    x\n\n",
    ],
)
def test_endless_text_is_cut_in_linear_time_and_never_tokenised_at_once(unit: str) -> None:
    longest = 0

    def tokens(text: str) -> list[tuple[int, int]]:
        nonlocal longest
        longest = max(longest, len(text))
        return TOKENS(text)

    def seconds(size: int) -> float:
        value = document((unit * (size // len(unit) + 1))[:size])
        begun = time.process_time()
        passages = split(value, token_offsets=tokens, passage_tokens=256)
        taken = time.process_time() - begun
        check(value, passages, 256)
        assert max(len(passage.text) for passage in passages) <= 4096
        return taken

    seconds(20_000)
    small, big = seconds(50_000), seconds(300_000)
    assert longest < 40_000
    assert big < 6 * small * 3 + 0.2


def test_a_tokenizer_that_counts_edges_differently_still_keeps_the_limit() -> None:
    def prefixed(text: str) -> list[tuple[int, int]]:
        return [(0, 0)] * 3 + TOKENS(text)

    value = document((ENGLISH + CHINESE) * 30)
    passages = split(value, token_offsets=prefixed, passage_tokens=64)
    assert max(len(prefixed(passage.text)) for passage in passages) <= 64
    assert all(not gap.strip() for gap in gaps(value, passages))
