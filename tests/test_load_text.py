from __future__ import annotations

import time

import pytest

from rag.load.plain.text import markdown_headings, read_markdown, read_text
from rag.load.source import Source


def titles(text: str) -> list[tuple[int, str]]:
    return [(heading.level, heading.title) for heading in markdown_headings(text)]


def test_newlines_controls_and_composition_are_normalised_but_nothing_else() -> None:
    content = read_text(Source(data="\ufeffcafe\u0301\r\nＡ①\x00\x07 ½\rend \t\n\n\n\n".encode()))
    assert content.text == "café\nＡ① ½\nend"


def test_atx_headings_carry_level_and_place() -> None:
    text = "# One\n\ntext\n\n### 三级 标题 ###\n\nmore\n"
    content = read_markdown(Source(data=text.encode()))
    assert [(heading.level, heading.title) for heading in content.headings] == [(1, "One"), (3, "三级 标题")]
    assert [content.text[heading.start : heading.end] for heading in content.headings] == [
        "# One",
        "### 三级 标题 ###",
    ]


def test_an_embedded_image_leaves_its_name_alone() -> None:
    text = "![the lamp](data:image/png;base64," + "iVBORw0KGgo=" * 1000 + ")\n\nText."
    assert read_markdown(Source(data=text.encode())).text == "![the lamp](data:image/png)\n\nText."


def test_setext_headings_cover_both_lines() -> None:
    content = read_markdown(Source(data=b"Title\n=====\n\nbody\n\nPart\n---\nbody"))
    assert [(heading.level, heading.title) for heading in content.headings] == [(1, "Title"), (2, "Part")]
    assert content.text[content.headings[1].start : content.headings[1].end] == "Part\n---"


@pytest.mark.parametrize(
    "text",
    [
        "```\n# not a heading\n```",
        "~~~python\n# not\n```\n# not\n~~~",
        "````\n```\n# not\n````",
        "```\n# not, the fence is never closed",
        "---\ntitle: x\n---\ntext",
        "---\n标题: 灯塔\n# a comment\ntags:\n- a\n---\ntext",
        "---\n'date':\n# a comment\n...\ntext",
        "---\n---\ntext",
        "- item\n---\ntext",
        "| a | b |\n---|---\n1 | 2",
        "\n---\n",
        "#hashtag",
        "####### seven",
        "#",
        "    # code",
    ],
)
def test_what_only_looks_like_a_heading_is_none(text: str) -> None:
    assert titles(text) == []


@pytest.mark.parametrize(
    ("line", "title"), [("# C# ##", "C#"), ("## C#", "C#"), ("# a\t#", "a"), ("# # b", "# b")]
)
def test_only_hashes_set_off_by_space_close_a_heading(line: str, title: str) -> None:
    assert [heading.title for heading in markdown_headings(line)] == [title]


@pytest.mark.parametrize("unit", [" ", "\t", "# ", "\n ", "`", "=", "\u3000", "a ", "---\n"])
def test_hostile_repetition_is_read_in_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        data = ("# x" + unit * (size // len(unit)) + "y").encode()
        begun = time.process_time()
        read_markdown(Source(data=data))
        return time.process_time() - begun

    assert seconds(400_000) < 4 * 3 * seconds(100_000) + 0.2


def test_headings_after_a_closed_fence_count_again() -> None:
    assert titles("```\n# a\n```\n# b") == [(1, "b")]


def test_a_rule_at_the_top_hides_no_headings() -> None:
    assert titles("---\n\n# One\n\ntext\n\n---\n\n## Two\n") == [(1, "One"), (2, "Two")]
    assert titles("---\n# One\n---\n# Two\n") == [(1, "One"), (1, "Two")]
    assert titles("---\nkey: x\n---\n# Two\n") == [(1, "Two")]


def test_what_was_repaired_or_left_out_is_said() -> None:
    blob = "aB3" * 200
    content = read_text(Source(data=f"Löwe\n{blob}\nend".encode()[:-1] + "é".encode()[:1]))
    assert content.text == "Löwe\n\nen"
    assert content.notes == ("its last character is cut", "1 block of encoded data left out")


def test_front_matter_stays_and_holds_no_headings() -> None:
    text = "---\ntitle: 灯塔\n# no heading\n---\n# One\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    content = read_markdown(Source(data=text.encode()))
    assert content.text == text
    assert [heading.title for heading in content.headings] == ["One"]


def test_the_colours_of_a_terminal_and_what_is_struck_over_are_no_text() -> None:
    log = "\x1b[1;31mfailed\x1b[0m N\bNA\bAM\bME\bE _\bu_\bs_\be"
    assert read_text(Source(data=log.encode(), name="a.log")).text == "failed NAME use"


def test_a_comment_in_markdown_holds_no_headings() -> None:
    text = "<!-- # a -->\n# One\n<!--\n# b\n-->\n```\n<!--\n```\n# Two"
    content = read_markdown(Source(data=text.encode(), name="a.md"))
    assert [each.title for each in content.headings] == ["One", "Two"]
