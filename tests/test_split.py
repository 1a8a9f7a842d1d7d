from __future__ import annotations

import itertools
import random
import time

import pytest

from rag.datatypes import Document, Heading, Page, Passage
from rag.embed import HashingEmbedder
from rag.load.text import markdown_headings
from rag.sentences import cut_points
from rag.split import split

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


def markdown(text: str) -> Document:
    return document(text, headings=tuple(markdown_headings(text)))


def pieces(value: Document, limit: int = 64) -> list[Passage]:
    return split(value, token_offsets=TOKENS, passage_tokens=limit)


def check(value: Document, passages: list[Passage], limit: int) -> None:
    """Check what holds for every document: exact offsets, order, limits, nothing lost or doubled."""
    for passage in passages:
        assert value.text[passage.start : passage.end] == passage.text
        assert passage.text == passage.text.strip() != ""
        assert len(TOKENS(passage.text)) <= limit
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


@pytest.mark.parametrize("seed", range(40))
def test_any_text_is_covered_once_in_order_within_the_limit(seed: int) -> None:
    rng = random.Random(seed)
    value = random_document(rng)
    limit = rng.choice([32, 64, 256])
    passages = pieces(value, limit)
    check(value, passages, limit)


def random_document(rng: random.Random) -> Document:
    words = [
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
        "x" * 50,
        "é",
    ]
    text = "".join(rng.choice(words) * rng.choice([1, 1, 1, 5]) for _ in range(rng.randrange(0, 1500)))
    starts = sorted(rng.sample(range(len(text) + 1), min(len(text), rng.randrange(0, 12))))
    headings = tuple(
        Heading(
            level=rng.randint(1, 4), start=start, end=min(start + rng.randint(1, 40), following), title="T"
        )
        for start, following in itertools.pairwise([*starts, len(text)])
        if start < following
    )
    pages = tuple(
        Page(number=number, start=start, end=following)
        for number, (start, following) in enumerate(itertools.pairwise([0, *starts, len(text)]), start=1)
        if start < following
    )
    return document(text, headings=headings, pages=pages if rng.random() < 0.5 else ())


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
    ],
)
def test_an_endless_line_is_cut_in_linear_time_and_never_tokenised_at_once(unit: str) -> None:
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
