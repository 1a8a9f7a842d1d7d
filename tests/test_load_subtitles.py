from __future__ import annotations

import pytest

from rag.errors import LoadError
from rag.load.content import Content
from rag.load.plain.subtitles import read_subtitles
from rag.load.source import Source


def read(text: str, encoding: str = "utf-8") -> Content:
    return read_subtitles(Source(data=text.encode(encoding), name="a.srt"))


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "utf-16"])
def test_cues_are_joined_below_the_time_at_which_they_begin(encoding: str) -> None:
    content = read(
        "1\n00:00:01,000 --> 00:00:03,000\n<i>Hello there,</i>\n\n"
        "2\n00:00:03,100 --> 00:00:05,000\n{\\an8}keeper.\n\n"
        "3\n00:00:20,000 --> 00:00:22,000\nLater.\n\n4\n01:06:00,000 --> 01:06:02,000\n灯塔今天\n\n"
        "5\n01:06:02,100 --> 01:06:04,000\n不开放。\n",
        encoding,
    )
    assert content.text == "00:00:01\n\nHello there, keeper.\n\nLater.\n\n01:06:00\n\n灯塔今天不开放。"
    assert [each.title for each in content.headings] == ["00:00:01", "01:06:00"]


def test_a_cue_may_hold_blank_lines_and_repeats_only_whole_words() -> None:
    content = read(
        "1\n00:00:01,000 --> 00:00:02,000\nNo\n\n2\n00:00:02,500 --> 00:00:04,000\nNothing is here\n\n"
        "3\n00:00:04,500 --> 00:00:06,000\nFirst part\n\nsecond part, at\n\n12\n\n"
        "4\n00:00:06,500 --> 00:00:08,000\n\nAfter a blank line\n\n5\n00:00:08,500 --> 00:00:09,000\n42\n"
    )
    assert (
        content.text == "00:00:01\n\nNo Nothing is here First part second part, at 12 After a blank line 42"
    )


def test_webvtt_keeps_speakers_and_loses_notes_and_repetitions() -> None:
    content = read(
        "WEBVTT\n\nSTYLE\n::cue {}\n\nNOTE not this\n\n"
        "00:01.000 --> 00:03.000 align:start\n<v Ada>The lamp</v>\n\n"
        "id\n00:03.000 --> 00:04.000\nThe lamp <00:03.500><c>is out</c>\n\n"
        "00:04.000 --> 00:05.000\nThe lamp is out\n"
    )
    assert content.text == "00:00:01\n\nAda: The lamp is out"


def test_webvtt_without_a_cue_is_refused_and_any_other_text_read_as_written() -> None:
    with pytest.raises(LoadError, match="there are no subtitles in it"):
        read("WEBVTT\n\nNOTE nothing yet")
    content = read("just words\n\nand more")
    assert content.text == "just words\n\nand more"
    assert content.notes == ("no line with two times was found: it was read as plain text",)


def test_times_without_leading_zeros_or_fractions_are_read() -> None:
    content = read(
        "WEBVTT\n\n0:0:0.0 --> 0:0:3.540\n<v Ada Byron>Good morning.</v>\n\n0:1:5 --> 0:1:7\nHello.\n"
    )
    assert content.text == "00:00:00\n\nAda Byron: Good morning.\n\nHello."


def test_a_cue_of_damaged_times_is_read_where_it_stands_and_counted() -> None:
    content = read(
        "1\n00:00:01,000 --> 00:00:03,000\nFirst &amp; best.\n\n2\n00:0x:04,000 --> 00:00:05,000\nSecond.\n\n"
    )
    assert content.text == "00:00:01\n\nFirst & best. Second."
    assert content.notes == ("the times of 1 of its cues are damaged: they stand below those before them",)


def srt(*cues: tuple[int, int, str]) -> str:
    """Return cues from one second to another."""
    return "\n\n".join(f"00:00:{start:02},000 --> 00:00:{end:02},000\n{text}" for start, end, text in cues)


@pytest.mark.parametrize(
    ("cues", "text"),
    [
        ([(1, 2, "不"), (8, 10, "不是他干的")], "不\n\n不是他干的"),
        ([(1, 2, "No."), (8, 9, "No.")], "No.\n\nNo."),
        ([(1, 2, "No."), (5, 6, "No.")], "No. No."),
        ([(1, 2, "I"), (2, 4, "I'm fine.")], "I I'm fine."),
        ([(1, 2, "Twenty"), (2, 4, "Twenty-five")], "Twenty Twenty-five"),
    ],
)
def test_what_is_said_anew_is_read_anew(cues: list[tuple[int, int, str]], text: str) -> None:
    assert read(srt(*cues)).text == f"00:00:01\n\n{text}"


@pytest.mark.parametrize(
    ("cues", "text"),
    [
        ([(1, 2, "The lamp"), (2, 3, "The lamp, so"), (3, 4, "The lamp, so dim.")], "The lamp, so dim."),
        ([(1, 2, "灯塔"), (2, 3, "灯塔今天"), (3, 4, "灯塔今天不开放。")], "灯塔今天不开放。"),
        ([(1, 2, "one\ntwo"), (2, 3, "two\nthree"), (3, 4, "three\nfour")], "one two three four"),
        ([(1, 2, "灯塔\n今天"), (2, 3, "今天\n不开放")], "灯塔 今天不开放"),
        ([(1, 2, "x" * 1300), (2, 4, f"{'x' * 1300} y")], f"{'x' * 1300}\n\ny"),
    ],
)
def test_what_captions_made_live_repeat_is_read_once(cues: list[tuple[int, int, str]], text: str) -> None:
    assert read(srt(*cues)).text == f"00:00:01\n\n{text}"


def test_a_cue_of_webvtt_may_begin_with_a_line_of_spaces() -> None:
    cues = [
        "00:01.000 --> 00:03.000 align:start\n \nthe<00:02.000><c> lamp</c>",
        "00:03.000 --> 00:03.010\nthe lamp\n ",
        "00:03.010 --> 00:05.000\nthe lamp\nis<c> out</c>",
        "00:05.000 --> 00:05.010\nis out\n ",
        "00:05.010 --> 00:07.000\nis out\ntoday",
    ]
    assert read("WEBVTT\n\n" + "\n\n".join(cues)).text == "00:00:01\n\nthe lamp is out today"
