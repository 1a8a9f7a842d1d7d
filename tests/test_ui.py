from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import resource
import shutil
import socket
import string
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import fields, replace
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any, Literal
from unittest.mock import Mock

import httpx
import pytest

from rag import ui
from rag.chinese import in_chinese
from rag.config import Config
from rag.datatypes import (
    Answer,
    Citation,
    DocumentState,
    Generation,
    Hit,
    Passage,
    Progress,
    Prompt,
    Queued,
    Ranks,
    Reading,
    Retrieved,
    Scope,
    SyncReport,
    Timings,
    Token,
    Usage,
)
from rag.errors import ConfigError, DiskError, EngineError, InputError, RagError
from rag.pipeline import Rag
from rag.render.labels import LABELS
from rag.ui import listing
from rag.ui.account import account
from rag.ui.background import Background, Emit
from rag.ui.chrome import empty
from rag.ui.desk import Desk, Session
from rag.ui.hosts import known_hosts
from rag.ui.languages import CHINESE, ENGLISH, LANGUAGES, texts_for
from rag.ui.listing import View, documents
from rag.ui.markup import answer_html, turn_html
from rag.ui.server import address, serve, web_app
from rag.ui.shelf import Shelf, Shown
from rag.ui.sources import marked, sources
from rag.ui.texts import Texts
from rag.ui.turns import Turn, advance, fail, stop
from rag.ui.uploads import Kept, keep, remove, safe_name
from rag.ui.where import changed, choices, chosen, days, searched_in

ROOT = Path(__file__).parents[1]
HOSTILE = '<script>alert(1)</script> <img src=x onerror=alert(2)> {{value}} ${1+1} &lt;b&gt; "quoted"'


def passage(text: str, *, start: int = 0, source: str = "a.md") -> Passage:
    return Passage(source=source, digest="d", start=start, end=start + len(text), text=text, page=3)


def hit(text: str, *, marker: int = 1, start: int = 0, source: str = "a.md") -> Hit:
    return Hit(passage=passage(text, start=start, source=source), score=0.03, dense=0.8, marker=marker)


def quote(hit: Hit, text: str) -> Citation:
    start = hit.passage.start + hit.passage.text.index(text)
    return Citation(
        marker=hit.marker,
        document=hit.passage.source,
        page=3,
        quote=text,
        start=start,
        end=start + len(text),
    )


def done(text: str, *hits: Hit, citations: tuple[Citation, ...] = (), refused: bool = False) -> Turn:
    answer = Answer(question="q", text=text, hits=hits, citations=citations, refused=refused, model="m")
    return advance(Turn(number=1, question="q"), answer)


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


# texts


def test_both_languages_fill_in_the_same_names() -> None:
    def names(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}

    for field in fields(Texts):
        english, chinese = getattr(ENGLISH, field.name), getattr(CHINESE, field.name)
        assert english, field.name
        assert chinese, field.name
        if isinstance(english, str):
            assert names(english) == names(chinese), field.name


def test_every_text_is_shown_somewhere() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in Path(ui.__file__).parent.glob("*.py"))
    assert [field.name for field in fields(Texts) if f"texts.{field.name}" not in code] == []


@pytest.mark.parametrize(
    ("wanted", "code"),
    [("zh-CN,zh,en", "zh"), ("en-GB,zh", "en"), ("fr-FR,zh-TW;q=0.8,en", "zh"), ("ZH", "zh"), ("", "en")],
)
def test_the_first_known_language_of_the_browser_is_taken(wanted: str, code: str) -> None:
    assert texts_for(wanted).code == code


# answers and sources


def test_an_answers_tags_links_and_images_stay_text() -> None:
    links = "![x](http://evil.example/a.png) [here](http://evil.example) <http://evil.example>"
    text = f"{HOSTILE} {links}\n\n[1]: http://evil.example"
    html = answer_html(done(text, hit("x")), ENGLISH)
    assert set(re.findall(r"<(\w+)", html)) <= {"p", "br", "button"}
    assert "![x](http://evil.example/a.png)" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_markdown_that_only_shapes_text_is_kept() -> None:
    html = answer_html(done("**bold** and\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |"), ENGLISH)
    assert "<strong>bold</strong>" in html
    assert html.count("<li>") == 2
    assert "<td>2</td>" in html


def test_only_markers_of_known_passages_become_buttons() -> None:
    html = answer_html(done("So [1]. Not [7]. Nor `x[1]`.", hit("x", marker=1)), ENGLISH)
    assert re.findall(r'data-marker="(\d+)"', html) == ["1"]
    assert "[7]" in html
    assert "<code>x[1]</code>" in html


@pytest.mark.parametrize(
    ("given", "english", "chinese"),
    [
        ({}, "p. 3", "第 3 页"),
        ({"later_pages": ((4, 9),)}, "pp. 3–4", "第 3–4 页"),
        ({"unit": "slide"}, "slide 3", "幻灯片 3"),
        ({"unit": "slide", "later_pages": ((4, 9),)}, "slides 3–4", "幻灯片 3–4"),
        ({"unit": "sheet"}, "sheet 3", "工作表 3"),
        ({"unit": "sheet", "cells": "'A & B'!A2:F9"}, "'A & B'!A2:F9", "'A & B'!A2:F9"),
        ({"page": None, "cells": "A2:F9"}, "cells A2:F9", "单元格 A2:F9"),
        ({"page": None}, "", ""),
    ],
)
def test_a_card_names_the_place(given: dict[str, Any], english: str, chinese: str) -> None:
    for texts, place in ((ENGLISH, english), (CHINESE, chinese)):
        found = hit("one two")
        found = replace(found, passage=replace(found.passage, part="b<.pdf", **given))
        html = sources([done("One [1].", found)], texts)
        places = [plain(each) for each in re.findall(r"<small[ >].*?</small>", html)]
        assert places == ([place] if place else [])
        assert plain(re.findall(r"<b[ >].*?</b>", html)[0]) == "a.md › b<.pdf"


def test_a_card_warns_of_doubtful_text_and_tells_the_other_names() -> None:
    found = hit("one two")
    clear, doubtful = (
        replace(found, passage=replace(found.passage, confidence=value, also=("<b>.pdf",)))
        for value in (0.97, 0.5)
    )
    assert "doubtful" not in sources([done("One [1].", clear)], ENGLISH)
    for texts in (ENGLISH, CHINESE):
        html = sources([done("One [1].", doubtful)], texts)
        assert texts.doubtful in html
        assert texts.also.format(names="&lt;b&gt;.pdf") in html


@pytest.mark.parametrize(
    "text",
    [
        "| a | b. |\n| c | d. |",
        "品名：灯；价格：1\n品名：门；价格：2",
        "Name: a; Price: b.\nName: c; Price: d.",
        "one\ttwo\nthree\tfour",
        "a | b\nc | d",
    ],
)
def test_rows_stand_apart_in_a_card_and_a_quote_over_two_is_marked_in_both(text: str) -> None:
    source = hit(text, start=40)
    html = sources([done("It is [1].", source, citations=(quote(source, text[3:-3]),))], ENGLISH)
    rows = re.findall(r"<span>(.*?)</span>", html)
    assert [unescape(re.sub("</?mark>", "", row)) for row in rows] == text.split("\n")
    marks = [unescape(found) for found in re.findall("<mark>(.*?)</mark>", html)]
    assert marks == text[3:-3].split("\n")
    assert "<span>" not in sources([done("It is [1].", hit("No row: here.\nNone here."))], ENGLISH)


def test_exactly_the_quoted_words_are_marked() -> None:
    source = hit("The lamp is lit. The bell rings. Nobody sleeps.", start=500)
    html = marked(source, [quote(source, "The bell rings.")])
    assert re.findall(r"<mark>(.*?)</mark>", html) == ["The bell rings."]
    assert plain(html) == source.passage.text


def test_quotes_that_overlap_are_marked_once() -> None:
    source = hit("one two three four five")
    html = marked(source, [quote(source, "two three"), quote(source, "three four"), quote(source, "two")])
    assert "".join(re.findall(r"<mark>(.*?)</mark>", html)) == "two three four"
    assert plain(html) == source.passage.text


def test_a_quote_of_another_passage_marks_nothing() -> None:
    source = hit("one two")
    elsewhere = replace(quote(source, "two"), start=900, end=903)
    other = replace(quote(source, "two"), marker=2)
    assert "<mark>" not in marked(source, [elsewhere, other])


def test_the_text_of_passages_names_and_questions_is_escaped() -> None:
    source = hit(HOSTILE, source="<b>x</b>.md")
    turn = replace(done("yes [1]", source, citations=(quote(source, "<script>"),)), question=HOSTILE)
    for html in (sources([turn], ENGLISH), turn_html(turn, ENGLISH)):
        assert "<script" not in html
        assert "<img" not in html
        assert "<b>x</b>" not in html
    assert "<mark>&lt;script&gt;</mark>" in sources([turn], ENGLISH)


def test_cited_sources_are_open_and_come_first() -> None:
    first, second = hit("one", marker=1), hit("two", marker=2, source="b.md")
    html = sources([done("It is two [2].", first, second, citations=(quote(second, "two"),))], ENGLISH)
    assert re.findall(r'data-marker="(\d)"( open)?>', html) == [("2", " open"), ("1", "")]
    assert html.index(ENGLISH.cited) < html.index(ENGLISH.not_cited)


def test_an_answer_that_nothing_supports_says_so() -> None:
    source = hit("one")
    assert ENGLISH.unsupported in turn_html(done("Brazil.", source), ENGLISH)
    cited = done("It is one [1].", source, citations=(quote(source, "one"),))
    assert ENGLISH.unsupported not in turn_html(cited, ENGLISH)


def test_a_sentence_that_no_passage_holds_is_marked_in_its_place() -> None:
    turn = done("It has wings. [?]")
    assert turn.answer is not None
    unsure = replace(turn, answer=replace(turn.answer, unsupported=("It has wings.",)))
    html = turn_html(unsure, CHINESE)
    assert f'<abbr class="unsure" tabindex="0" title="{CHINESE.unsupported}">?</abbr>' in html
    assert CHINESE.unsure in html
    assert "unsure" not in turn_html(done("Is it? [x]"), CHINESE)


def test_a_refusal_shows_the_nearest_passages() -> None:
    turn = done("不知道。", hit("one", marker=0), refused=True)
    assert CHINESE.refused in turn_html(turn, CHINESE)
    assert CHINESE.nearest in sources([turn], CHINESE)


def test_of_several_answers_the_last_ones_sources_are_shown() -> None:
    turns = [done("a", hit("one")), replace(done("b", hit("two")), number=2)]
    assert re.findall(r'data-turn="(\d)"( hidden)?><p', sources(turns, ENGLISH)) == [
        ("1", " hidden"),
        ("2", ""),
    ]


@pytest.mark.parametrize(("texts", "said"), [(ENGLISH, "Searched for:"), (CHINESE, "搜索的是：")])
def test_what_a_follow_up_was_searched_for_as_is_shown_with_its_passages(texts: Texts, said: str) -> None:
    turn = advance(Turn(number=1, question="Its price?"), Reading(done=9, total=9))
    turn = advance(turn, Retrieved(hits=(hit("one"),), searched_for="The <Vela>'s price?"))
    shown = sources([turn], texts)
    assert said in shown
    assert "The &lt;Vela&gt;&#x27;s price?" in shown
    assert turn.read == 0.0
    assert said not in sources([advance(turn, Retrieved(hits=(hit("one"),)))], texts)


def test_a_question_as_long_as_a_document_is_shown_cut() -> None:
    assert len(turn_html(Turn(number=1, question="x" * 100_000), ENGLISH)) < 3000


def test_a_turn_follows_the_events() -> None:
    turn = Turn(number=1, question="q")
    assert turn.phase == "searching"
    turn = advance(turn, Queued(place=2))
    assert ENGLISH.queued.format(place=2) in turn_html(turn, ENGLISH)
    turn = advance(turn, Retrieved(hits=(hit("one"), hit("two", marker=2), hit("three", marker=0))))
    assert ENGLISH.reading.format(count=2) in turn_html(turn, ENGLISH)
    turn = advance(turn, Reading(done=50, total=200))
    assert 'value="0.250"' in turn_html(turn, ENGLISH)
    turn = advance(advance(turn, Token(text="It ")), Token(text="is"))
    assert (turn.phase, turn.text) == ("writing", "It is")
    assert stop(turn).phase == "stopped"
    turn = advance(turn, Answer(question="q", text="It is one [1]."))
    assert (turn.phase, turn.text, stop(turn)) == ("done", "It is one [1].", turn)


def test_passages_read_one_after_the_other_are_counted_and_the_bar_goes_on() -> None:
    one, two, three = (hit(text, marker=0) for text in ("one", "two", "three"))
    unread: tuple[Hit, ...] = (replace(two, left_out="unread"), replace(three, left_out="unread"))
    doubted = [replace(each, log_odds=-1.0, left_out="doubted") for each in (one, two, three)]
    steps = [
        (replace(one, marker=1), *unread),
        (doubted[0], replace(two, marker=1), unread[1]),
        (*doubted[:2], replace(three, marker=1)),
        (doubted[0], replace(two, marker=1, log_odds=-1.0), doubted[2]),  # the likeliest, again
    ]
    turn, said, shares = Turn(number=1, question="q"), [], []
    for hits in steps:
        for event in (Retrieved(hits=hits), Reading(done=1, total=2), Reading(done=2, total=2)):
            turn = advance(turn, event)
            shares.append(turn.read)
        said.append([re.findall("</i>(.*?)<", turn_html(turn, texts))[0] for texts in (ENGLISH, CHINESE)])
    assert said == [
        ["Reading passage 1 of 3", "正在阅读第 1 个段落，共 3 个"],
        ["Reading passage 2 of 3", "正在阅读第 2 个段落，共 3 个"],
        ["Reading passage 3 of 3", "正在阅读第 3 个段落，共 3 个"],
        ["Reading 1 passage", "正在阅读 1 个段落"],
    ]
    assert [round(6 * share, 6) for share in shares] == [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 6, 6]


def test_a_passage_that_was_read_and_doubted_stands_with_those_that_were_read() -> None:
    cited, doubted = hit("one"), replace(hit("two", marker=0), log_odds=-1.0, left_out="doubted")
    unread = replace(hit("three", marker=0), left_out="unread")
    turn = done("It is one [1].", doubted, cited, unread, citations=(quote(cited, "one"),))
    for texts in (ENGLISH, CHINESE):
        groups = re.split("<h3>(.*?)</h3>", sources([turn], texts))[1:]
        assert groups[::2] == [texts.cited, texts.not_cited, texts.not_used]
        cards = [re.findall("<blockquote>(.*?)</blockquote>", each) for each in groups[1::2]]
        assert cards == [["<mark>one</mark>"], ["two"], ["three"]]


def test_a_doubted_passage_is_not_said_to_lack_the_answer_that_it_likely_holds() -> None:
    turn = done("Two [1].", replace(hit("one", marker=0), log_odds=0.28, left_out="doubted"), hit("two"))
    for code, said in (("en", "read, but not sure enough"), ("zh", "读过，但把握不够")):
        assert re.findall("<span>(.*?)</span>", account(turn, LANGUAGES[code]))[:2] == [said, "57%"]


def test_an_error_is_said_in_its_place() -> None:
    html = turn_html(fail(Turn(number=1, question="q"), "no <model>"), CHINESE)
    assert f"{CHINESE.failed}</b> no &lt;model&gt;" in html


# documents


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("notes.txt", "notes.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\手册.pdf", "手册.pdf"),
        (".hidden", "hidden"),
        ("a\x00b\n\u202e.txt", "a_b__.txt"),
        ("~$draft.docx", "$draft.docx"),
        ("..", "document"),
        ("", "document"),
        ("cafe\u0301.md", "caf\u00e9.md"),
    ],
)
def test_upload_names_stay_in_the_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_long_name_keeps_its_suffix_and_whole_characters() -> None:
    name = safe_name("典" * 300 + ".pdf")
    assert name.endswith("典.pdf")
    assert len(name.encode()) <= 200


def test_an_upload_never_replaces_another_file(tmp_path: Path) -> None:
    folder, upload = tmp_path / "data", tmp_path / "upload"
    upload.write_text("one")
    assert keep(upload, name="a.txt", folder=folder) == Kept(name="a.txt", new=True)
    assert keep(upload, name="a.txt", folder=folder) == Kept(name="a.txt", new=False)
    upload.write_text("two")
    assert keep(upload, name="a.txt", folder=folder) == Kept(name="a (2).txt", new=True)
    (folder / "d.txt").symlink_to(tmp_path / "elsewhere")
    assert keep(upload, name="d.txt", folder=folder).name == "d (2).txt"
    assert {path.name: path.read_text() for path in folder.iterdir() if not path.is_symlink()} == {
        "a.txt": "one",
        "a (2).txt": "two",
        "d (2).txt": "two",
    }
    assert not (tmp_path / "elsewhere").exists()


def test_an_upload_that_no_sync_would_read_is_refused(tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_text("one")
    left_out = ("notes.bak", "Thumbs.db", "draft.docx~", ".hidden.txt", "~$draft.docx", "~draft.docx")
    for name in left_out:
        with pytest.raises(
            InputError, match="is named like a hidden or temporary file, which is not read; rename it"
        ) as no:
            keep(upload, name=name, folder=tmp_path / "data")
        assert "临时文件" in in_chinese(str(no.value))
    assert not (tmp_path / "data").exists()


def test_an_upload_is_whole_from_the_first_moment_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, upload = tmp_path / "data", tmp_path / "upload"
    upload.write_text("one")
    refused = OSError(errno.EPERM, "no links here")
    for name, links in (("a.txt", True), ("b.txt", False)):
        if not links:
            monkeypatch.setattr(Path, "hardlink_to", Mock(side_effect=refused))
        assert keep(upload, name=name, folder=folder).new
        assert (folder / name).read_text() == "one"
        assert (folder / name).stat().st_nlink == 1
    assert {path.name for path in folder.iterdir()} == {"a.txt", "b.txt"}


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    upload, folder = tmp_path / "upload", tmp_path / "data"
    upload.write_bytes(b"x" * 50_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(DiskError, match=r"a\.txt could not be kept"):
            keep(upload, name="a.txt", folder=folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(folder.iterdir()) == []


def test_only_files_of_the_folder_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "data" / "sub" / "a.txt").write_text("x")
    for outside in ("../secret", str(tmp_path / "secret"), "sub"):
        with pytest.raises(InputError):
            remove(outside, folder=tmp_path / "data")
    remove("sub/a.txt", folder=tmp_path / "data")
    assert (tmp_path / "secret").exists()
    assert not (tmp_path / "data" / "sub" / "a.txt").exists()


async def test_an_added_file_is_indexed_and_an_unreadable_one_says_why(rag: Rag, tmp_path: Path) -> None:
    good, bad = tmp_path / "灯塔.txt", tmp_path / "broken.pdf"
    good.write_text("灯熄灭时每九十秒敲钟一次。")
    bad.write_bytes(b"%PDF-1.4 nonsense")
    shown = [each.html async for each in Shelf(rag).add([str(good), str(bad)], CHINESE)]
    assert "<progress" in shown[0]
    assert any(CHINESE.stage_comparing in html or CHINESE.stage_reading in html for html in shown)
    assert not any(ENGLISH.stage_comparing in html or ENGLISH.stage_reading in html for html in shown)
    states = {state.source: state for state in rag.documents()}
    assert (states["灯塔.txt"].state, states["broken.pdf"].state) == ("indexed", "failed")
    assert states["broken.pdf"].reason
    assert in_chinese(states["broken.pdf"].reason) in plain(shown[-1])
    assert states["broken.pdf"].reason not in plain(shown[-1])
    assert CHINESE.kept.format(name="灯塔.txt") in shown[-1]


async def test_a_file_uploaded_twice_is_kept_once_and_is_no_error(rag: Rag, tmp_path: Path) -> None:
    upload, shelf = tmp_path / "bell.txt", Shelf(rag)
    upload.write_text("The bell rings.")
    kept, same = (text.format(name="bell.txt") for text in (ENGLISH.kept, ENGLISH.same))
    for said in (kept, same):  # the second time Gradio's copy is gone
        shown = [each async for each in shelf.add([str(upload), str(upload)], ENGLISH)]
        assert shown[-1].notices[:-1] == (said,)
    assert [path.name for path in rag.config.data_dir.iterdir()] == ["bell.txt"]
    gone = [each async for each in shelf.add([str(tmp_path / "other.txt")], ENGLISH)]
    assert "other.txt could not be kept" in gone[-1].notices[0]


async def test_what_one_tab_changes_the_others_hear_of(rag: Rag, write: Callable[[str, str], Path]) -> None:
    write("bell.txt", "The bell rings.")
    shelf = Shelf(rag)
    for steps in (shelf.rescan(ENGLISH), shelf.delete("bell.txt", ENGLISH)):
        before = shelf.version
        assert [each async for each in steps]
        assert shelf.version > before


async def test_an_upload_during_a_sync_is_kept_at_once_and_holds_up_nobody(
    rag: Rag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, sync = threading.Event(), threading.Event(), rag.sync
    safety = threading.Timer(10, go_on.set)
    safety.start()

    def slow_sync(progress: Callable[[Progress], None] | None = None) -> SyncReport:
        begun.set()
        go_on.wait()
        return sync(progress)

    monkeypatch.setattr(rag, "sync", slow_sync)
    shelf, upload = Shelf(rag), tmp_path / "bell.txt"
    upload.write_text("The bell rings.")

    async def last(steps: AsyncIterator[Shown]) -> str:
        return [each.html async for each in steps][-1]

    rescan = asyncio.create_task(last(shelf.rescan(ENGLISH)))
    assert await asyncio.to_thread(begun.wait, 5)
    add = asyncio.create_task(last(shelf.add([str(upload)], ENGLISH)))
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert not go_on.is_set(), "the loop stood still until the sync was let go"
    assert not add.done()
    assert (rag.config.data_dir / "bell.txt").read_text() == "The bell rings."
    go_on.set()
    safety.cancel()
    await rescan
    assert ENGLISH.kept.format(name="bell.txt") in await add
    assert [state.source for state in rag.documents()] == ["bell.txt"]


def test_no_step_of_a_sync_that_changed_nothing_stays(rag: Rag, write: Callable[[str, str], Path]) -> None:
    shelf, path = Shelf(rag), write("a.txt", "The bell rings.")
    shelf._followed(lambda _: True)
    path.write_text("The bell rings.", encoding="utf-8")  # the same again
    before = shelf.version
    shelf._followed(lambda _: True)
    assert shelf.version > before, "there was a step to show"
    assert "<progress" not in shelf.html(ENGLISH)


async def test_the_list_is_read_once_a_step_and_never_in_the_loop(
    rag: Rag, write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.txt", "The bell rings.")
    read, threads = rag.documents, list[threading.Thread]()

    def documents() -> list[DocumentState]:
        threads.append(threading.current_thread())
        return read()

    monkeypatch.setattr(rag, "documents", documents)
    steps = [each async for each in Shelf(rag).rescan(ENGLISH)]
    assert 2 <= len(threads) <= len(steps)
    assert threading.current_thread() not in threads


async def test_deleting_a_document_takes_it_out_of_the_index(
    rag: Rag, write: Callable[[str, str], Path]
) -> None:
    path = write("a.txt", "The bell rings.")
    rag.sync()
    shelf = Shelf(rag)
    assert "is not a document" in plain([each.html async for each in shelf.delete("../x", ENGLISH)][-1])
    shown = [each.html async for each in shelf.delete("a.txt", ENGLISH)]
    assert not path.exists()
    assert rag.documents() == []
    assert ENGLISH.no_documents in shown[-1]


def test_a_file_name_cannot_break_out_of_the_list(rag: Rag, write: Callable[[str, str], Path]) -> None:
    write('<img src=x onerror=alert(1)>".txt', "x y z")
    rag.sync()
    html = documents(rag.documents(), ENGLISH, folder="data", limit=200, view=View())
    assert "<img" not in html
    assert 'data-name="&lt;img src=x onerror=alert(1)&gt;&quot;.txt"' in html


def state(source: str, *, reason: str = "", notes: tuple[str, ...] = (), passages: int = 3) -> DocumentState:
    kind: Literal["indexed", "failed"] = "failed" if reason else "indexed"
    return DocumentState(
        source=source, state=kind, size=9, passages=passages, reason=reason, notes=notes, synced_at=1.8e9
    )


def rows(html: str) -> list[str]:
    return [plain(row) for row in re.findall(r"<b>(.*?)</b>", html)]


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE])
def test_each_document_tells_its_state_its_notes_and_when_it_was_read(texts: Texts) -> None:
    states = [
        state("bad.pdf", reason="it is <encrypted>", passages=0),
        state("half.pdf", notes=("page 3 is <blank>", "page 9 too")),
        state("good.md", notes=("one repaired",)),
        state("fine.md"),
    ]
    read = Progress(stage="reading", done=5, total=9, unit="passages")
    html = documents(states, texts, folder="data", limit=200, view=View(), ignored=7, read=read)
    labels = [texts.state_failed, texts.state_noted, texts.state_noted, texts.state_indexed]
    assert re.findall(r'class="state">(.*?)<', html) == labels
    for said in ("it is &lt;encrypted&gt;", "page 3 is &lt;blank&gt;", "page 9 too", "one repaired"):
        assert said in html
    assert texts.notes.format(count=2) in html
    assert html.count(texts.read_at.format(time="2027-01-1")[:-2]) == 4
    shown = re.search(r'class="totals">(.*?)</p>', html)
    assert shown
    totals = re.findall(r">(.+?)</span>", shown[1])
    wanted = [
        (texts.total_files, 4),
        (texts.total_ready, 3),
        (texts.total_failed, 1),
        (texts.total_noted, 2),
        (texts.passages, 9),
        (texts.total_ignored, 7),
    ]
    ahead = texts.read_ahead.format(done=5, total=9)
    assert totals == [*(text.format(count=count) for text, count in wanted), ahead]


@pytest.mark.parametrize(
    ("texts", "said"),
    [(ENGLISH, ["1 file", "1 ready", "1 passage"]), (CHINESE, ["1 个文件", "1 个就绪", "1 个段落"])],
)
def test_of_one_it_speaks_in_the_singular(texts: Texts, said: list[str]) -> None:
    html = documents([state("a.md", passages=1)], texts, folder="data", limit=200, view=View())
    shown = re.search(r'class="totals">(.*?)</p>', html)
    assert shown
    assert re.findall(r">(.+?)</span>", shown[1]) == said


def test_of_ten_thousand_documents_the_first_are_shown_and_any_is_found() -> None:
    states = [state(f"folder/{number}.md") for number in range(10_000)]
    states[7777] = state("folder/Straße.md", notes=("Page 5 was blank",))
    started = time.perf_counter()
    html = documents(states, ENGLISH, folder="data", limit=200, view=View())
    assert time.perf_counter() - started < 2
    assert len(rows(html)) == 200
    assert ENGLISH.rows_shown.format(shown="200", count="10,000") in html
    assert 'data-event="more"' in html
    for find in ("STRASSE", "blank page", "straße"):
        found = documents(states, ENGLISH, folder="data", limit=200, view=View(find=find))
        assert rows(found) == ["folder/Straße.md"]
        assert 'data-event="more"' not in found
    states[7778] = state("folder/twice.md", notes=("2 lines had been encoded twice and were repaired",))
    for texts, find, count in ((CHINESE, "两次编码", 1), (CHINESE, "encoded", 0), (ENGLISH, "encoded", 1)):
        found = documents(states, texts, folder="data", limit=200, view=View(find=find))
        assert len(rows(found)) == count
    nothing = documents(states, ENGLISH, folder="data", limit=200, view=View(find="<nowhere>"))
    assert ENGLISH.none_found in nothing


def test_the_shelf_shows_failed_ones_first_then_those_with_notes(
    rag: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [state("a"), state("b", notes=("n",)), state("c", reason="r"), state("d")]
    monkeypatch.setattr(rag, "documents", lambda: states)
    assert [each.source for each in Shelf(rag).look().states] == ["c", "b", "a", "d"]


def test_a_step_tells_pace_time_left_and_failures() -> None:
    step = Progress(
        stage="Reading documents",
        done=1200,
        total=9000,
        unit="files",
        item="a<b>.pdf: page 3 of 90",
        passages=4000,
        rate=41.7,
        left=3725,
        failed=2,
    )
    assert plain(listing.progress(step, ENGLISH)) == (
        "Reading documents a<b>.pdf: page 3 of 90"
        "1,200 / 9,000 · 4,000 passages · 42 a second · about 1:02:05 left · 2 not readable"
    )
    assert plain(listing.progress(step, CHINESE)).startswith("读取文件 a<b>.pdf：第 3 页，共 90 页")
    assert "约剩 1:02:05" in plain(listing.progress(step, CHINESE))


def test_the_shelf_follows_the_folder_and_says_what_is_wrong(
    rag: Rag, write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"QUIET": 100, "TICK": 100, "STEADY": 0.2, "RETRY": 0.2}.items():
        monkeypatch.setattr(f"rag.folder.watch.{name}", value)
    shelf, stop = Shelf(rag), threading.Event()
    following = threading.Thread(target=shelf.follow, args=(stop,), daemon=True)
    following.start()

    def wait_for(said: str) -> None:
        deadline = time.monotonic() + 20
        while said not in shelf.html(ENGLISH):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    before = shelf.version
    write("bell.txt", "The bell rings.")
    wait_for("bell.txt")
    assert shelf.version > before
    folder = rag.config.data_dir
    folder.rename(folder.with_name("away"))
    wait_for("does not exist")
    folder.with_name("away").rename(folder)
    write("lamp.txt", "The lamp is lit.")
    wait_for("lamp.txt")
    assert "does not exist" not in shelf.html(ENGLISH)
    stop.set()
    following.join(20)
    assert not following.is_alive()


def test_a_document_whose_name_is_not_utf8_is_deleted(rag: Rag) -> None:
    path = Path(os.fsdecode(os.fsencode(rag.config.data_dir) + b"/caf\xe9.txt"))
    path.write_text("The cafe is open.", encoding="utf-8")
    rag.sync()
    remove("caf\\xe9.txt", folder=rag.config.data_dir)
    assert not path.exists()


def test_an_empty_index_says_where_to_add_documents() -> None:
    html = empty(ENGLISH, readable=False)
    assert ENGLISH.empty_index in html
    assert "data-text" not in html


def test_an_index_that_cannot_be_used_is_said_on_the_page(config: Config) -> None:
    with Rag(config.model_copy(update={"embedder": "no-such-embedder"})) as rag:
        listing = Shelf(rag).look()
        assert "no-such-embedder" in listing.error
        assert listing.error in plain(Shelf(rag).html(ENGLISH))
        assert in_chinese(listing.error) in plain(Shelf(rag).html(CHINESE))
    assert in_chinese(listing.error) in plain(empty(CHINESE, readable=False, error=listing.error))


# where to search

SHELF = [state(name) for name in ("notes.txt", "handbook/leave.MD", "handbook/2024/pay.pdf", "手册/年假.md")]


def offered(html: str) -> list[tuple[str, str, str]]:
    """Return the value, the name and the number of documents of each box."""
    box = r'<li><label>.*?data-value="(.*?)".*?<span>(.*?)</span>(?:<small>(.*?)</small>)?</label></li>'
    return re.findall(box, html)


def test_folders_outermost_first_files_and_types_are_those_of_the_readable_documents() -> None:
    states = [*SHELF, state("broken/x.doc", reason="it is encrypted"), state("手册/LICENSE")]
    assert offered(choices(Scope(), states, ENGLISH)) == [
        ("handbook/", "handbook/", "2"),
        ("手册/", "手册/", "2"),
        ("handbook/2024/", "handbook/2024/", "1"),
        ("handbook/2024/pay.pdf", "handbook/2024/pay.pdf", ""),
        ("handbook/leave.MD", "handbook/leave.MD", ""),
        ("./notes.txt", "notes.txt", ""),
        ("手册/LICENSE", "手册/LICENSE", ""),
        ("手册/年假.md", "手册/年假.md", ""),
        ("md", ".md", "2"),
        ("txt", ".txt", "1"),
        ("pdf", ".pdf", "1"),
    ]


def test_of_thousands_of_folders_the_first_are_listed_and_any_is_found() -> None:
    states = [state(f"customers/{number:05}/letter.md") for number in range(10_000)]
    started = time.perf_counter()
    html = choices(Scope(), states, ENGLISH)
    assert time.perf_counter() - started < 2
    assert len(offered(html)) == 61
    assert ENGLISH.rows_shown.format(shown="60", count="20,001") in html
    found = offered(choices(Scope(), states, ENGLISH, find="07777 CUST"))
    assert [name for _, name, _ in found] == [
        "customers/07777/",
        "customers/07777/letter.md",
        ".md",
    ]
    assert ENGLISH.none_found in choices(Scope(), states, ENGLISH, find="<nowhere>")


def test_what_is_chosen_becomes_a_scope_and_can_be_taken_back() -> None:
    scope = Scope()
    for kind, value in (
        ("place", "handbook/"),
        ("place", "./notes.txt"),
        ("place", "handbook/"),
        ("type", "md"),
        ("since", "2024-02-29"),
        ("until", "2024-13-01"),
    ):
        scope = changed(scope, kind, value, on=True)
    places = ("./notes.txt", "handbook/")
    assert scope == Scope(places=places, types=("md",), since=date(2024, 2, 29))
    assert 'value="2024-02-29"' in days(scope, ENGLISH)
    assert choices(scope, SHELF, ENGLISH).count(" checked>") == 3
    scope = changed(changed(scope, "place", "handbook/", on=False), "since", "", on=False)
    assert scope == Scope(places=("./notes.txt",), types=("md",))
    assert changed(scope, "all", "", on=False) == Scope()


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (ENGLISH, "Searched in: notes.txt · 手册/ · .md · from 2024-01-31 · until 2024-02-01"),
        (CHINESE, "搜索范围：notes.txt · 手册/ · .md · 自 2024-01-31 起 · 至 2024-02-01 止"),
    ],
)
def test_what_is_chosen_is_said_beside_the_question_and_with_its_answer(texts: Texts, said: str) -> None:
    scope = Scope(
        places=("./notes.txt", "手册/"), types=("md",), since=date(2024, 1, 31), until=date(2024, 2, 1)
    )
    turn = Turn(number=1, question="Why?", scope=scope)
    assert said in plain(turn_html(turn, texts))
    chips = re.findall(r"<li[^>]*><span[^>]*>(.*?)</span>", chosen(scope, SHELF, texts))
    assert chips == said.replace("：", ": ").split(": ")[1].split(" · ")
    assert texts.scope_all not in chosen(scope, SHELF, texts)
    assert searched_in(Scope(), texts) == ""
    assert f"{texts.scope} {texts.scope_all}" in plain(chosen(Scope(), SHELF, texts))


def test_a_choice_that_no_document_is_in_any_more_is_marked() -> None:
    scope = Scope(places=("./leave.MD", "handbook/"), types=("doc", "md"), since=date(2024, 1, 1))
    gone = re.findall(r"<li class=gone><span[^>]*>(.*?)</span>", chosen(scope, SHELF, ENGLISH))
    assert gone == ["leave.MD", ".doc"]


@pytest.mark.parametrize(
    "make", [lambda scope: chosen(scope, SHELF, ENGLISH), lambda s: searched_in(s, ENGLISH)]
)
def test_a_name_cannot_break_out_of_the_choice(make: Callable[[Scope], str]) -> None:
    html = make(Scope(places=(HOSTILE,), types=(HOSTILE,))) + choices(Scope(), [state(HOSTILE)], ENGLISH)
    assert "<script" not in html
    assert "<img" not in html
    assert '"quoted"' not in html


async def test_questions_are_searched_for_where_was_chosen_until_a_new_conversation(
    rag: Rag, write: Callable[[str, str], Path]
) -> None:
    write("old/bell.txt", "The bell rings every ninety seconds when the lamp is out.")
    write("new/bell.txt", "The bell rings every sixty seconds when the lamp is out.")
    rag.sync()
    session = Session()
    for place in ("old/", "new/"):
        session.scope = Scope(places=(place,))
        turns = [turn async for turn in session.ask(rag, QUESTION)]
        assert {hit.passage.source for hit in turns[-1].hits} == {f"{place}bell.txt"}
    session.clear()
    assert session.scope == Scope()


async def test_a_scope_without_documents_says_so_in_the_pages_language(
    rag: Rag, write: Callable[[str, str], Path]
) -> None:
    write("new/bell.txt", "The bell rings every sixty seconds when the lamp is out.")
    rag.sync()
    for scope, english, chinese in (
        (Scope(places=("news/",)), "did you mean 'new/'?", "'news/' 中没有已索引的文档；您是指 'new/' 吗？"),
        (Scope(places=("./x",)), "lists them all", "'./x' 中没有已索引的文档；`rag status` 会列出全部"),
        (Scope(types=("pdf",)), "there are: txt", "没有 'pdf' 类型的已索引文档；现有：txt"),
        (Scope(since=date(2024, 2, 1), until=date(2024, 1, 1)), "swap them", "请对调"),
        (Scope(until=date(2001, 1, 1)), ENGLISH.scope_empty, CHINESE.scope_empty),
    ):
        session = Session()
        session.scope = scope
        last = [turn async for turn in session.ask(rag, QUESTION)][-1]
        assert english in plain(turn_html(last, ENGLISH))
        assert chinese in plain(turn_html(last, CHINESE))


# work in the background


async def collect(background: Background[int]) -> list[int]:
    return [item async for batch in background.batches() for item in batch]


async def test_what_is_emitted_arrives_in_order_and_whole() -> None:
    def work(emit: Emit[int]) -> None:
        for number in range(1000):
            emit(number)

    assert await collect(Background(work, name="count")) == list(range(1000))


async def test_an_error_arrives_after_what_came_before_it() -> None:
    def work(emit: Emit[int]) -> None:
        emit(1)
        raise EngineError("out of tokens")

    background: Background[int] = Background(work, name="fails")
    got: list[int] = []

    async def drain() -> None:
        async for batch in background.batches():
            got.extend(batch)

    with pytest.raises(RagError, match="out of tokens"):
        await drain()
    assert got == [1]


async def test_a_bug_ends_the_wait_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def work(emit: Emit[int]) -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        assert await collect(Background(work, name="buggy")) == []
    assert "buggy failed" in caplog.text


async def test_stopping_ends_the_wait_though_the_work_is_stuck() -> None:
    free, went_on = threading.Event(), []

    def work(emit: Emit[int]) -> None:
        free.wait()
        went_on.append(emit(1))

    background = Background(work, name="stuck")
    threading.Timer(0.05, background.stop).start()
    assert await asyncio.wait_for(collect(background), timeout=5) == []
    free.set()
    for _ in range(100):
        if went_on:
            break
        await asyncio.sleep(0.02)
    assert went_on == [False]


# conversations


class EndlessEngine:
    """Writes until it is closed, and tells that it was."""

    name, model, context, judges = "endless", "endless", 4096, False

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.prompts: list[Prompt] = []

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        self.prompts.append(prompt)
        self.closed.clear()
        try:
            while True:
                yield "word "
                self.closed.wait(0.01)
        finally:
            self.closed.set()

    def count_tokens(self, prompt: Prompt) -> int:
        return 10


@pytest.fixture
def endless(config: Config, write: Callable[[str, str], Path]) -> Iterator[tuple[Rag, EndlessEngine]]:
    write("a.txt", "The bell rings every ninety seconds when the lamp is out.")
    engine = EndlessEngine()
    with Rag(config, engine=engine) as rag:
        rag.sync()
        yield rag, engine


QUESTION = "When does the bell ring?"


async def test_a_question_is_answered_and_becomes_history(
    rag: Rag, write: Callable[[str, str], Path]
) -> None:
    write("a.txt", "The bell rings every ninety seconds when the lamp is out.")
    rag.sync()
    session = Session()
    for number in (1, 2):
        phases = [turn.phase async for turn in session.ask(rag, QUESTION)]
        assert (phases[0], phases[-1]) == ("searching", "done")
        assert [answer.question for answer in session.history()] == [QUESTION] * number
    assert not session.busy
    session.clear()
    assert session.history() == ()


async def test_stop_closes_the_engine_and_keeps_what_was_written(endless: tuple[Rag, EndlessEngine]) -> None:
    rag, engine = endless
    session = Session()
    async for turn in session.ask(rag, QUESTION):
        if turn.phase == "writing":
            session.stop()
    assert await asyncio.to_thread(engine.closed.wait, 5)
    assert session.turns[-1].phase == "stopped"
    assert session.turns[-1].text.startswith("word")
    assert session.history() == ()
    assert ENGLISH.stopped in turn_html(session.turns[-1], ENGLISH)


async def test_closing_the_stream_closes_the_engine(endless: tuple[Rag, EndlessEngine]) -> None:
    rag, engine = endless
    session = Session()
    async with aclosing(session.ask(rag, QUESTION)) as turns:
        async for turn in turns:
            if turn.phase == "writing":
                break
    assert await asyncio.to_thread(engine.closed.wait, 5)
    assert not session.busy


async def test_leaving_the_page_closes_the_engine(endless: tuple[Rag, EndlessEngine]) -> None:
    rag, engine = endless
    desk = Desk()
    async for turn in desk.session("tab").ask(rag, QUESTION):
        if turn.phase == "writing":
            await asyncio.to_thread(desk.leave, "tab")
    assert await asyncio.to_thread(engine.closed.wait, 5)
    assert desk.session("tab").turns == []


async def test_an_error_of_the_pipeline_ends_the_turn(rag: Rag) -> None:
    turns = [turn async for turn in Session().ask(rag, QUESTION)]
    assert turns[-1].phase == "failed"
    assert "no documents are indexed" in turn_html(turns[-1], ENGLISH)
    assert "还没有索引任何文档" in turn_html(turns[-1], CHINESE)


async def test_a_bug_in_the_engine_never_leaves_the_page_waiting(
    endless: tuple[Rag, EndlessEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    rag, engine = endless
    monkeypatch.setattr(engine, "count_tokens", lambda _: 1 / 0)
    turns = [turn async for turn in Session().ask(rag, QUESTION)]
    assert turns[-1].phase == "failed"
    assert ENGLISH.unexpected in turn_html(turns[-1], ENGLISH)


# serving


def test_a_port_in_use_is_named_with_its_setting(rag: Rag, config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port} .*RAG_PORT"):
            serve(rag, config.model_copy(update={"port": port}))


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:7860/"),
        ("0.0.0.0", "http://127.0.0.1:7860/"),
        ("::1", "http://[::1]:7860/"),
    ],
)
def test_the_address_is_one_that_a_browser_here_can_open(config: Config, host: str, shown: str) -> None:
    assert address(config.model_copy(update={"host": host})) == shown


ROUTES = ["/", "/config", "/gradio_api/queue/data?session_hash=x", "/gradio_api/heartbeat/x", "/no-such"]


async def statuses(rag: Rag, config: Config, host: str, *routes: str) -> list[int]:
    transport = httpx.ASGITransport(app=web_app(rag, config))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client:
        return [(await client.get(route, headers={"Host": host})).status_code for route in routes]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost@evil.example", ""]
)
async def test_a_foreign_name_that_points_here_is_refused_everywhere(
    rag: Rag, config: Config, host: str
) -> None:
    assert await statuses(rag, config, host, *ROUTES) == [400] * len(ROUTES)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7860", "127.0.0.1:9000", "[::1]:7860", "[::1]"])
async def test_this_machines_own_names_are_answered(rag: Rag, config: Config, host: str) -> None:
    assert await statuses(rag, config, host, "/", "/config") == [200, 200]


@pytest.mark.parametrize("settings", [{"root_path": "/kaoju"}, {"root_path": "/"}, {"host": "0.0.0.0"}])
async def test_behind_a_proxy_or_on_a_network_any_name_is_answered(
    rag: Rag, config: Config, settings: dict[str, str]
) -> None:
    assert await statuses(rag, config.model_copy(update=settings), "docs.example", "/") == [200]


def test_another_loopback_address_answers_to_itself(config: Config) -> None:
    hosts = known_hosts(config.model_copy(update={"host": "127.0.0.2"}))
    assert hosts is not None
    assert {"127.0.0.2", "localhost"} <= hosts


# the browser that the tests want


def make_browser(folder: Path, **scripts: str) -> str:
    """Return what `make browser` says where only the programs `scripts` are on the path; it must not fail."""
    make = shutil.which("make")
    assert make
    for name, text in {"id": "echo 0", **scripts}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    command = [make, "-s", "-C", str(ROOT), "browser"]
    environment = {"PATH": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_make_does_without_a_browser_that_cannot_be_installed(tmp_path: Path) -> None:
    assert "the browser tests are left out" in make_browser(tmp_path, **{"apt-get": "exit 100"})


def test_make_installs_a_browser_or_takes_the_one_there_is(tmp_path: Path) -> None:
    assert make_browser(tmp_path, **{"apt-get": "echo apt-get $*"}).endswith("chromium fonts-noto-cjk\n")
    assert make_browser(tmp_path, **{"apt-get": "exit 100", "google-chrome": ""}) == ""


def test_there_are_two_languages() -> None:
    assert list(LANGUAGES) == ["en", "zh"]


# why


def test_a_refusal_shows_what_no_passage_mentions_and_the_nearest_ones() -> None:
    near = [hit(f"{HOSTILE} {n}", marker=0, source=f"<i>{n}.md") for n in range(6)]
    turn = done("No.", *near, refused=True)
    assert turn.answer is not None
    turn = replace(turn, answer=replace(turn.answer, unmentioned=("Mars", "<b>")))
    for texts, said in ((ENGLISH, "No passage mentions: Mars, <b>"), (CHINESE, "没有段落提到：Mars、<b>")):
        html = turn_html(turn, texts)
        assert said in plain(html)
        assert texts.nearest in html
        rows = re.findall(r'<li><button[^>]*data-place="(\d)"><b>(.*?)</b>.*?<span>(.*?)</span>', html)
        assert [number for number, *_ in rows] == ["1", "2", "3", "4"]
        assert [unescape(name) for _, name, _ in rows] == [f"<i>{n}.md" for n in range(4)]
        assert set(re.findall(r"<(script|img|i|b [^>]*)", html)) == set()
        assert 'data-place="6"' in sources([turn], texts)
    assert "data-place" not in turn_html(done("Yes.", near[0]), ENGLISH)


def test_the_account_of_an_answer_is_folded_escaped_and_explains_its_terms() -> None:
    shown = replace(
        hit("one two", source='"><img src=x>.md'), ranks=Ranks(dense=2, lexical=1, fused=1), cut=7
    )
    unread = replace(hit("three", marker=0, source="b.md"), left_out="room")
    turn = done("One [1].", shown, unread, citations=(quote(shown, "one"),))
    assert turn.answer is not None
    told = replace(
        turn.answer,
        searched_for="<one>?",
        usage=Usage(prompt_tokens=9, answer_tokens=9),
        timings=Timings(retrieve=1.0, total=9.0),
    )
    for texts, labels in LABELS.items():
        html = account(replace(turn, answer=told), LANGUAGES[texts])
        assert html.startswith(f'<details class="why"><summary>{labels.why}</summary>')
        rows = [re.findall(r"<span>(.*?)</span>", row) for row in re.findall("<tr>.*?</tr>", html)][1:]
        assert rows == [
            [labels.given_cut.format(share=50), labels.yes, "1 (0.03)", "2 (0.80)", "1", "–"],
            [labels.left_out["room"], labels.no, "– (0.03)", "– (0.80)", "–", "–"],
        ]
        assert "<img" not in html
        assert labels.searched_for.format(question="&lt;one&gt;?") in html
        terms = re.findall(r'<abbr tabindex="0" title="([^"]+)" data-help="([^"]+)">([^<]+)</abbr>', html)
        assert len(terms) == html.count("<abbr")
        assert all(title == meant for title, meant, _ in terms)
        assert {labels.dense.name, labels.lexical.name, labels.search.name} <= {name for *_, name in terms}
    assert account(Turn(number=1, question="q"), ENGLISH) == ""
