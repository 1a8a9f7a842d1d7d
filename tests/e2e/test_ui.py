"""The page in a real browser, served by `rag ui` as a process of its own, with the echo engine."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rag.config import Config
from rag.render.labels import LABELS
from rag.ui.languages import CHINESE, ENGLISH
from tests.drawn import drawn_pdf
from tests.reverse_proxy import reverse_proxy

pytestmark = pytest.mark.browser

ENGLISH_TEXT = (
    "# Harbour handbook\n\n## The light\n\nIf the lamp goes out, the keeper on watch rings the bell every "
    "ninety seconds until it is lit again. The spare wick is kept in the green cupboard beside the stairs.\n"
)
CHINESE_TEXT = (
    "# 灯塔守则\n\n## 值班\n\n若灯塔的灯熄灭，当班人员须每九十秒敲钟一次，直到灯重新点亮。"
    "备用灯芯放在绿色橱柜里。\n"
)
ENGLISH_QUESTION = "What does the keeper do when the lamp goes out?"
CHINESE_QUESTION = "灯塔的灯熄灭时当班人员怎么办？"
LONG_TEXT = "The endless litany of the lighthouse says: " + " ".join(f"verse{n}" for n in range(150)) + "."
LONG_QUESTION = "What does the endless litany of the lighthouse say?"

HOSTILE_TEXT = (
    "The zebra protocol: <script>window.hacked = 1</script> <img src=x onerror='window.hacked = 2'> "
    "![x](http://evil.example/x.png) [click](javascript:alert(1)) {{constructor}} ${window.hacked = 3}"
)
DOCUMENTS = {
    "harbour.md": ENGLISH_TEXT,
    "灯塔.md": CHINESE_TEXT,
    "<img src=x onerror=alert(9)>.txt": HOSTILE_TEXT,
}


@contextmanager
def serve(config: Config, *, pace: float = 0.04, **settings: str) -> Iterator[str]:
    """Sync and serve the page with `rag run` until the block ends, and interrupt it there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    given = {
        "engine": config.engine,
        "embedder": config.embedder,
        "model": config.model,
        "max_tokens": str(config.max_tokens),
        "data_dir": str(config.data_dir),
        "index_dir": str(config.index_dir),
        "echo_seconds_per_token": str(pace),
        "port": port,
    } | settings
    environment = os.environ | {f"RAG_{name.upper()}": value for name, value in given.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "rag", "run"],
        cwd=config.index_dir.parent,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield _address(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page over the documents that no test changes."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "data").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / "data" / name).write_text(text, encoding="utf-8")
    config = Config(engine="echo", embedder="hashing", data_dir=folder / "data", index_dir=folder / "index")
    with serve(config) as url:
        yield url


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise AssertionError("the page was never served")


@contextmanager
def tab(
    chromium: Any, url: str, *, locale: str = "en-US", width: int = 1280, height: int = 800
) -> Iterator[Any]:
    """Open the page in a browser of its own; whatever happens in it, no other host is asked."""
    context = chromium.new_context(locale=locale, viewport={"width": width, "height": height}, has_touch=True)
    page = context.new_page()
    hosts, trouble = set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.add_init_script("window.alert = (text) => { throw new Error(`alert: ${text}`) }")
    page.goto(url)
    page.wait_for_selector(".empty")
    yield page
    context.close()
    assert hosts - {None} == {"127.0.0.1"}  # None: data: and blob:
    assert trouble == []


def ask(page: Any, question: str) -> None:
    page.fill("#question textarea", question)
    page.press("#question textarea", "Enter")
    page.wait_for_function(
        "question => document.querySelector('#live .question')?.textContent === question", arg=question
    )


def answer(page: Any) -> str:
    page.wait_for_selector("#live .turn.done")
    return str(page.inner_text("#live .answer"))


@pytest.mark.parametrize(
    ("locale", "question", "said", "source", "texts"),
    [
        ("en-US", ENGLISH_QUESTION, "rings the bell every ninety seconds", "harbour.md", ENGLISH),
        ("zh-CN", CHINESE_QUESTION, "每九十秒敲钟一次", "灯塔.md", CHINESE),
    ],
)
def test_an_answer_streams_with_its_source_beside_it(
    chromium: Any, site: str, locale: str, question: str, said: str, source: str, texts: Any
) -> None:
    with tab(chromium, site, locale=locale) as page:
        assert page.get_attribute("#question textarea", "placeholder") == texts.placeholder
        assert page.inner_text("#ask") == texts.ask
        ask(page, question)
        page.wait_for_selector("#live .turn.writing")
        lengths = []
        while page.query_selector("#live .turn.writing"):
            lengths.append(len(page.inner_text("#live .answer")))
            page.wait_for_timeout(60)
        assert len(set(lengths)) >= 4
        assert lengths == sorted(lengths)
        assert said in answer(page)
        page.click("#live .chip")
        card = page.locator("#sources .card.found")
        assert source in card.inner_text()
        assert said in "".join(card.locator("mark").all_inner_texts())
        footer = page.inner_text("#live .made")
        assert "echo" in footer
        assert re.search(texts.total_time.format(seconds=r"\d+\.\d " + texts.seconds.split()[-1]), footer)


def lamps(path: Path) -> None:
    lines = [(60.0, 700.0 - 40 * at, f"The lamp number {at} burns oil.") for at in range(9)]
    path.write_bytes(drawn_pdf(lines))


def test_the_original_page_is_shown_below_the_passage_and_hidden_again(
    chromium: Any, config: Config, write: Callable[[str, str], Path]
) -> None:
    lamps(config.data_dir / "lamps.pdf")
    with serve(config) as url, tab(chromium, url) as page:
        ask(page, "What does the lamp number 3 burn?")
        answer(page)
        look = page.locator("#sources .card[open] .look").first
        assert look.inner_text() == ENGLISH.look
        look.click()
        page.wait_for_function("document.querySelector('#sources .original img')?.naturalWidth > 0")
        shown = page.locator("#sources .original img")
        width, height = shown.evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert height / width == pytest.approx(842 / 595, abs=0.01)
        assert look.inner_text() == ENGLISH.look_hide
        page.click("#bar [data-code=zh]")  # the cards are drawn anew
        page.wait_for_function(
            "text => document.querySelector('#sources .look').textContent === text", arg=CHINESE.look_hide
        )
        page.wait_for_function("document.querySelector('#sources .original img')?.naturalWidth > 0")
        look.click()
        assert page.locator("#sources .original").count() == 0
        (config.data_dir / "lamps.pdf").unlink()
        look.click()
        page.wait_for_function(
            "text => document.querySelector('#sources .original').textContent.startsWith(text)",
            arg=CHINESE.look_failed,
        )


@pytest.mark.model
def test_the_samples_are_answered_in_both_languages_on_real_weights(
    chromium: Any, real_config: Config
) -> None:
    with serve(real_config) as url, tab(chromium, url) as page:
        page.set_default_timeout(180_000)  # the first question waits for the models to load
        for question, fact, source in (
            ("How many pages an hour does the Amberline scanner make?", "620", "handbook.md"),
            ("云岫三号揉捻机每次最多投放多少鲜叶？", "四十二", "员工手册.md"),
        ):
            ask(page, question)
            assert fact in answer(page)
            page.click("#live .chip")
            card = page.locator("#sources .card.found")
            assert source in card.inner_text()
            assert fact in "".join(card.locator("mark").all_inner_texts())
            assert real_config.model in page.inner_text("#live .made")


def test_stop_ends_the_answer_and_frees_the_engine(
    chromium: Any, config: Config, write: Callable[[str, str], Path]
) -> None:
    write("litany.txt", LONG_TEXT)
    with serve(config, pace=0.5) as url, tab(chromium, url) as page:
        ask(page, LONG_QUESTION)
        page.wait_for_selector("#live .turn.writing")
        page.wait_for_timeout(500)
        page.click("#stop")
        page.wait_for_selector("#live .turn.stopped", timeout=5000)
        text = page.inner_text("#live .answer")
        assert text
        page.wait_for_timeout(800)
        assert page.inner_text("#live .answer") == text
        assert ENGLISH.stopped in page.inner_text("#live .made")
        started = time.monotonic()
        ask(page, LONG_QUESTION)
        page.wait_for_selector("#live .turn.writing")
        assert time.monotonic() - started < 25, "the engine was still writing the first answer"


def test_closing_the_tab_frees_the_engine_and_others_see_their_place(
    chromium: Any, config: Config, write: Callable[[str, str], Path]
) -> None:
    write("litany.txt", LONG_TEXT)
    with serve(config, pace=0.5) as url, tab(chromium, url) as second:
        with tab(chromium, url) as first:
            ask(first, LONG_QUESTION)
            first.wait_for_selector("#live .turn.writing")
            ask(second, LONG_QUESTION)
            second.wait_for_selector("#live .turn.queued")
            assert ENGLISH.queued.format(place=1) in second.inner_text("#live .waiting")
        second.wait_for_selector("#live .turn.writing", timeout=25_000)
        second.click("#stop")
        second.wait_for_selector("#live .turn.stopped")


def test_an_uploaded_file_is_kept_read_and_answered_from(chromium: Any, config: Config) -> None:
    with serve(config, pace=0.0, upload_mb="1") as url, tab(chromium, url) as page:
        page.click("[data-view=documents]")
        upload(page, ("large.txt", b"x" * 2_000_000))
        page.wait_for_selector("text=large.txt is larger than 1 MB")
        assert not (config.data_dir / "large.txt").exists()
        upload(page, ("huge.txt", b"x" * 2_000_000), ("small.txt", b"The mole is open to anglers."))
        page.wait_for_selector("text=1 added")
        assert (config.data_dir / "small.txt").exists()
        assert "huge.txt is larger than 1 MB" in page.inner_text("#documents-view .too-large")
        upload(page, ("../../手册.txt", b"The ferry to Norrland leaves at a quarter past seven."))
        page.wait_for_selector(".notice:has-text('手册.txt')")
        page.wait_for_selector("text=1 added")
        assert page.locator(".too-large").count() == 0
        assert (config.data_dir / "手册.txt").exists()
        upload(page, ("手册.txt", b"The canteen is closed on Thursdays in winter."))
        page.wait_for_selector("text=手册 (2).txt")
        upload(page, ("broken.pdf", b"%PDF-1.7 and then nothing that could be read"))
        page.wait_for_selector(".docs .failed .reason")
        assert "broken.pdf" in page.inner_text(".docs .failed")
        page.wait_for_timeout(2500)  # the list was drawn anew, but what was said of the upload stays
        assert ENGLISH.kept.format(name="broken.pdf") in page.inner_text("#documents")
        upload(page, (".broken.pdf", b"%PDF-1.7"))
        page.wait_for_selector(".notice:has-text('.broken.pdf is named like a hidden or temporary file')")
        assert ENGLISH.kept.format(name="broken.pdf") not in page.inner_text("#documents")
        page.click("[data-view=ask]")
        ask(page, "When does the ferry to Norrland leave?")
        assert "a quarter past seven" in answer(page)
        assert "手册.txt" in page.inner_text("#sources .card[open]")


def upload(page: Any, *files: tuple[str, bytes]) -> None:
    chosen = [{"name": name, "mimeType": "text/plain", "buffer": content} for name, content in files]
    page.set_input_files("input[type=file]", chosen)


@pytest.mark.parametrize(("locale", "texts"), [("en-US", ENGLISH), ("zh-CN", CHINESE)])
def test_the_documents_follow_the_folder_and_are_found(
    chromium: Any, config: Config, write: Callable[[str, str], Path], locale: str, texts: Any
) -> None:
    for number in range(230):
        write(f"note-{number:03}.md", f"# Note {number}\n\nThe bell {number} rings.\n")
    write("broken.pdf", "%PDF-1.4 nonsense")
    write("private.log", "x")
    write(".kaojuignore", "*.log\n")
    with serve(config) as url, tab(chromium, url, locale=locale) as page:
        page.click("[data-view=documents]")
        page.wait_for_selector(".docs li")
        assert page.locator(".docs li").count() == 200
        assert "broken.pdf" in page.locator(".docs li").first.inner_text()
        assert texts.state_failed in page.inner_text(".docs .failed .state")
        reason = page.inner_text(".docs .failed .reason")
        assert ("已损坏" in reason, "damaged" in reason) == (texts is CHINESE, texts is ENGLISH)
        page.wait_for_selector(f".totals:has-text('{texts.total_ignored.format(count=1)}')")
        page.click(".more")
        page.wait_for_function("document.querySelectorAll('.docs li').length === 231")
        page.fill("#find :is(input, textarea)", "note-22")
        page.wait_for_function("document.querySelectorAll('.docs li').length === 10")
        write("note-22x.md", "Put there by hand while the page is open.")
        page.wait_for_selector(".docs li:has-text('note-22x.md')")
        assert page.locator(".docs li").count() == 11


def test_a_document_is_deleted_after_a_question(
    chromium: Any, config: Config, write: Callable[[str, str], Path]
) -> None:
    write("harbour.md", ENGLISH_TEXT)
    write("灯塔.md", CHINESE_TEXT)
    with serve(config) as url, tab(chromium, url) as other, tab(chromium, url) as page:
        other.click("[data-view=documents]")
        other.wait_for_selector(".docs li:has-text('harbour.md')")
        asked: list[str] = []
        page.evaluate("window.confirm = (text) => { window.asked = text; return true; }")
        page.click("[data-view=documents]")
        page.click(".docs li:has-text('harbour.md') .delete")
        page.wait_for_selector("text=1 removed")
        asked.append(page.evaluate("window.asked"))
        assert asked == [ENGLISH.confirm_delete.format(name="harbour.md")]
        assert not (config.data_dir / "harbour.md").exists()
        assert page.locator(".docs li").count() == 1
        other.wait_for_selector(".docs li:has-text('harbour.md')", state="detached")


def test_nothing_in_a_document_runs_or_reaches_out(chromium: Any, site: str) -> None:
    with tab(chromium, site) as page:
        ask(page, "What is the zebra protocol?")
        assert "<script>window.hacked = 1</script>" in answer(page)
        assert "<img src=x onerror='window.hacked = 2'>" in page.inner_text("#sources blockquote")
        page.click("[data-view=documents]")
        page.wait_for_selector(".docs li:has-text('onerror')")
        assert page.evaluate("window.hacked") is None
        assert page.locator(":is(#live, #past, #sources, #documents) :is(script, img, a)").count() == 0


def test_the_language_is_switched_and_remembered(chromium: Any, site: str) -> None:
    with tab(chromium, site) as page:
        ask(page, ENGLISH_QUESTION)
        answer(page)
        page.click(".languages [data-code=zh]")
        page.wait_for_selector(f"#ask:has-text('{CHINESE.ask}')")
        assert CHINESE.cited in page.inner_text("#sources")
        assert "rings the bell" in page.inner_text("#live .answer")
        assert page.get_attribute("html", "lang") == "zh-CN"
        page.reload()
        page.wait_for_selector(f"text={CHINESE.empty_title}")


@pytest.mark.parametrize(("locale", "texts"), [("en-US", ENGLISH), ("zh-CN", CHINESE)])
def test_choosing_a_folder_changes_the_sources(
    chromium: Any, config: Config, write: Callable[[str, str], Path], locale: str, texts: Any
) -> None:
    question, sources = "How often does the keeper ring the bell?", "#sources .group:not([hidden])"
    for folder, count in (("old", "ninety"), ("new", "sixty")):
        write(f"{folder}/bell.md", f"The keeper rings the bell every {count} seconds.")
    with serve(config, pace=0.0) as url, tab(chromium, url, locale=locale, width=390) as page:
        assert f"{texts.scope} {texts.scope_all}" in page.inner_text("#scope")
        page.focus("#scope .where")
        page.keyboard.press("Enter")
        page.fill("#find-place :is(input, textarea)", "new")
        page.wait_for_selector("#choices [data-value='old/']", state="detached")
        page.check("#choices [data-value='new/']")
        page.wait_for_selector("#scope li:has-text('new/')")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.className") == "where"
        ask(page, question)
        assert "sixty" in answer(page)
        assert texts.searched_in.format(names="new/") in page.inner_text("#live .turn")
        assert "old/bell.md" not in page.text_content(sources)
        (config.data_dir / "new" / "bell.md").unlink()
        page.wait_for_selector(f"#scope .gone:has-text('{texts.scope_gone}')")
        page.click("#scope li button")
        page.wait_for_selector(f"#scope :text('{texts.scope_all}')")
        assert not page.locator("#choices :checked").count()
        ask(page, f"{question} ")
        assert "ninety" in answer(page)
        assert "old/bell.md" in page.text_content(sources)
        assert page.locator("#live .searched-in").count() == 0


def test_sources_of_an_earlier_answer_open_from_it(chromium: Any, site: str) -> None:
    with tab(chromium, site) as page:
        ask(page, ENGLISH_QUESTION)
        answer(page)
        ask(page, CHINESE_QUESTION)
        answer(page)
        page.set_viewport_size({"width": 1280, "height": 400})
        page.evaluate("window.scrollTo(0, 9999)")
        assert page.evaluate("window.scrollY") > 0
        assert page.locator("#bar").bounding_box()["y"] == 0
        shown = "#sources .group:not([hidden])"
        assert CHINESE_QUESTION in page.inner_text(shown)
        page.click("#past .chip")
        assert ENGLISH_QUESTION in page.inner_text(shown)
        page.click("#clear")
        page.wait_for_selector(".empty")
        assert page.locator(".turn").count() == 0


def test_a_card_that_was_opened_stays_open_when_the_sources_are_drawn_anew(chromium: Any, site: str) -> None:
    with tab(chromium, site) as page:
        ask(page, ENGLISH_QUESTION)
        page.wait_for_selector("#live .turn.writing")
        page.click("#sources .card:last-child summary")
        answer(page)
        page.wait_for_selector("#sources .card:not(.quiet)")  # what is cited is known last
        assert page.locator("#sources .card.quiet[open]").count() == 1
        page.click("#clear")
        page.wait_for_selector(".empty")
        ask(page, ENGLISH_QUESTION)
        answer(page)
        assert page.locator("#sources .card.quiet[open]").count() == 0


@pytest.mark.parametrize(
    ("locale", "question", "said", "texts"),
    [
        ("en-US", "Who invented the telescope on Mars?", "No passage mentions: telescope, Mars", ENGLISH),
        ("zh-CN", "火星上的咖啡机多少钱？", "没有段落提到：火星、咖啡机", CHINESE),
    ],
)
def test_why_is_read_and_explained_by_the_keyboard_alone(
    chromium: Any, site: str, locale: str, question: str, said: str, texts: Any
) -> None:
    labels = LABELS[texts.code]
    with tab(chromium, site, locale=locale, width=390, height=844) as page:
        ask(page, question)
        answer(page)
        assert said in page.inner_text("#live .turn.refused")
        assert not page.locator("#live .why .times").is_visible()
        page.focus("#live .why summary")
        page.keyboard.press("Enter")
        page.wait_for_selector("#live .why .times", state="visible")
        for _ in range(2):  # over the names of the columns, which are hidden
            page.keyboard.press("Tab")
        assert page.inner_text("#live .why .help") == labels.cited.help
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.tap("#live .near >> nth=1")
        page.wait_for_selector("#sources .card.found[data-place='2'] blockquote", state="visible")


def test_an_error_is_one_sentence_in_its_place(chromium: Any, config: Config) -> None:
    with serve(config) as url, tab(chromium, url) as page:
        assert ENGLISH.empty_index in page.inner_text(".empty")
        ask(page, "Is anybody there?")
        page.wait_for_selector("#live .turn.failed")
        assert "no documents are indexed" in page.inner_text("#live [role=alert]")
        page.fill("#question textarea", "x" * 100_000)
        page.press("#question textarea", "Enter")
        page.wait_for_selector("#live .turn.failed:has-text('100,000')")
        assert page.input_value("#question textarea") == "x" * 100_000  # to be shortened


def test_enter_with_nothing_to_ask_or_in_mid_answer_changes_nothing(
    chromium: Any, config: Config, write: Callable[[str, str], Path]
) -> None:
    write("litany.txt", LONG_TEXT)
    write("harbour.md", ENGLISH_TEXT)
    box = "#question textarea"
    with serve(config) as url, tab(chromium, url) as page:
        ask(page, ENGLISH_QUESTION)
        shown = answer(page), page.inner_text("#sources")
        for blank in ("", "  "):
            page.fill(box, blank)
            page.press(box, "Enter")
            page.wait_for_timeout(400)
            assert (page.inner_text("#live .answer"), page.inner_text("#sources")) == shown
        ask(page, LONG_QUESTION)
        page.wait_for_selector("#live .turn.writing")
        page.fill(box, "And then?")
        page.press(box, "Enter")
        page.wait_for_timeout(400)
        assert page.input_value(box) == "And then?"
        assert page.locator("#past .turn").count() == 1
        page.click("#clear")
        page.wait_for_timeout(1000)  # the old answer would have come back by now
        assert page.locator(".turn").count() == 0


def test_the_focus_goes_back_to_the_question(
    chromium: Any, config: Config, write: Callable[[str, str], Path]
) -> None:
    write("litany.txt", LONG_TEXT)
    box = "document.querySelector('#question textarea') === document.activeElement"

    def press(page: Any, button: str, then: str) -> None:
        page.focus(button)
        page.keyboard.press("Enter")
        page.wait_for_selector(then)
        page.wait_for_function(box)

    with serve(config) as url, tab(chromium, url) as page:
        page.fill("#question textarea", LONG_QUESTION)
        press(page, "#ask", "#live .turn.writing")
        press(page, "#stop", "#live .turn.stopped")
        press(page, "#clear", ".empty")
        press(page, ".examples button", "#live .turn.done")


@pytest.mark.parametrize(("height", "whole"), [(600, True), (330, False)])
def test_at_its_end_an_answer_is_in_view_from_its_beginning(
    chromium: Any, site: str, height: int, *, whole: bool
) -> None:
    with tab(chromium, site, height=height) as page:
        for question in (ENGLISH_QUESTION, CHINESE_QUESTION):
            ask(page, question)
            answer(page)
        page.wait_for_timeout(200)
        top, bottom, bar, foot = page.evaluate(
            """() => {
              const box = (selector) => document.querySelector(selector).getBoundingClientRect();
              const turn = box('#live .turn');
              return [turn.top, turn.bottom, box('#bar').bottom, box('#foot').top];
            }"""
        )
        assert page.evaluate("scrollY") > 0
        assert top >= bar - 1
        assert (bottom <= foot + 1, abs(top - bar) <= 1) == (whole, not whole)


def test_a_file_that_is_dropped_never_leads_away_from_the_page(chromium: Any, config: Config) -> None:
    drop = """selector => {
      const files = new DataTransfer();
      files.items.add(new File(['The ferry leaves at seven.'], 'ferry.txt'));
      const made = ['dragover', 'drop'].map((kind) =>
        new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: files }));
      return made.map((event) => !document.querySelector(selector).dispatchEvent(event));
    }"""
    with serve(config) as url, tab(chromium, url) as page:
        assert page.evaluate(drop, "#talk") == [True, True]
        page.click("[data-view=documents]")
        page.wait_for_timeout(400)
        assert list(config.data_dir.iterdir()) == []
        assert page.evaluate(drop, "#documents") == [True, True]
        page.wait_for_selector("text=1 added")
        assert [path.name for path in config.data_dir.iterdir()] == ["ferry.txt"]


def test_half_an_emoji_does_not_stop_the_page(chromium: Any, site: str) -> None:
    with tab(chromium, site) as page:
        page.evaluate(
            """question => {
              const box = document.querySelector('#question textarea');
              box.value = `${question} \\ud83d`;
              box.dispatchEvent(new Event('input', { bubbles: true }));
            }""",
            ENGLISH_QUESTION,
        )
        page.press("#question textarea", "Enter")
        assert "rings the bell" in answer(page)


@pytest.mark.parametrize("own_host", [False, True])
def test_the_page_works_below_a_reverse_proxys_path(
    chromium: Any, config: Config, write: Callable[[str, str], Path], *, own_host: bool
) -> None:
    write("harbour.md", ENGLISH_TEXT)
    lamps(config.data_dir / "lamps.pdf")
    with (
        serve(config, root_path="/kaoju") as url,
        reverse_proxy(urlsplit(url).port or 0, "/kaoju", own_host=own_host) as proxied,
        tab(chromium, proxied) as page,
    ):
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        ask(page, ENGLISH_QUESTION)
        page.wait_for_selector("#live .turn.writing")
        assert "rings the bell" in answer(page)
        ask(page, "What does the lamp number 3 burn?")
        answer(page)
        page.locator("#sources .group:not([hidden]) .card[open] .look").first.click()
        page.wait_for_function("document.querySelector('#sources .original img')?.naturalWidth > 0")
        page.click("[data-view=documents]")
        upload(page, ("note.txt", b"The ferry leaves at seven."))
        page.wait_for_selector("text=1 added")
        assert [each for each in asked if not each.startswith((proxied, "blob:"))] == []


def test_on_a_phone_nothing_is_wider_than_the_screen(chromium: Any, site: str) -> None:
    with tab(chromium, site, width=390, height=844) as page:
        ask(page, ENGLISH_QUESTION)
        answer(page)
        page.tap("#live .chip")
        page.wait_for_selector("#sources mark", state="visible")
        page.tap("#sources .close")
        page.wait_for_selector("#sources mark", state="hidden")
        page.tap("[data-view=documents]")
        page.wait_for_selector(".docs li")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
