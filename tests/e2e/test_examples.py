"""The examples run as their docstrings say: the scripts as processes, the pages in a real browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from examples.console_streaming import SYSTEM, ModelChat
from examples.low_bit_save_load import QUESTION as LOW_BIT_QUESTION
from rag.config import Config
from rag.datatypes import Generation, Prompt, Usage
from rag.engines.low_bit.conversion import is_converted
from rag.models import lowbit_folder
from rag.pipeline import Rag
from rag.ui.languages import CHINESE, ENGLISH
from tests.tiny_qwen2 import write_folder

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
BELL = "the keeper on watch rings the bell every ninety seconds until it is lit again"
QUESTION = "What does the keeper do when the lamp goes out?"
CHINESE_QUESTION = "云岫三号揉捻机每次最多投放多少鲜叶？"
SCANNER = "How many pages an hour does the Amberline scanner make?"
LITANY = "The endless litany of the lighthouse says: " + " ".join(f"verse{n}" for n in range(400)) + "."
MARKUP = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    "![x](http://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "**loud** `${window.hacked = 3}` {{constructor}}",
)
DOCUMENTS = {
    "harbour.md": f"# Harbour handbook\n\nIf the lamp goes out, {BELL}. The wick lies in the cupboard.\n",
    "litany.txt": LITANY,
    "<img src=x onerror=alert(9)>.txt": f"The zebra protocol: {' '.join(MARKUP)}",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with documents in data/."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "data").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / "data" / name).write_text(text, encoding="utf-8")
    return folder


def variables(**settings: object) -> dict[str, str]:
    """Return the environment for a script with the echo engine and the hashing embedder, or what is given."""
    given = {"engine": "echo", "embedder": "hashing"} | settings
    return {
        **os.environ,
        **{f"RAG_{name.upper()}": str(value) for name, value in given.items()},
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def real(config: Config) -> dict[str, str]:
    names = ("engine", "embedder", "model", "max_tokens", "data_dir", "index_dir")
    return variables(**{name: getattr(config, name) for name in names})


def run(script: str, *arguments: str | Path, cwd: Path, env: Mapping[str, str], said: str = "") -> str:
    """Return what the script prints; it ends well, and nothing but progress is on standard error."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments],
        cwd=cwd,
        env=env,
        input=said,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if not re.match(r"(Reading|Converting)\b.* of ", line)]
    assert (done.returncode, told) == (0, [])
    return done.stdout


def test_every_example_is_in_the_readme() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [path.name for path in EXAMPLES.iterdir() if path.suffix in {".py", ".ipynb"}]
    assert len(files) == 6
    assert [name for name in files if f"examples/{name}`" not in text] == []


def test_what_the_examples_need_is_an_extra_and_in_the_tests() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = extras["optional-dependencies"]
    assert extras["examples"]
    assert set(extras["examples"]) <= set(extras["dev"])


def test_a_single_answer_names_its_sources(folder: Path) -> None:
    printed = run("single_answer.py", QUESTION, cwd=folder, env=variables())
    asked, answered = printed.split(QUESTION)
    assert "13 written" in asked  # the echo engine without passages says the question again
    assert BELL in answered
    assert f"[1] harbour.md: 'If the lamp goes out, {BELL}.'" in answered


@pytest.mark.model
def test_the_model_answers_by_itself_and_from_the_documents(real_config: Config, tmp_path: Path) -> None:
    printed = run("single_answer.py", CHINESE_QUESTION, cwd=tmp_path, env=real(real_config))
    by_itself, from_documents = printed.split(CHINESE_QUESTION)
    assert "language" in by_itself.partition("sentence.")[2]
    assert "四十二" in from_documents
    assert re.search(r"^\[\d\] 员工手册\.md: ", from_documents, re.MULTILINE)


def test_the_console_streams_and_ends_with_the_input(folder: Path) -> None:
    printed = run("console_streaming.py", cwd=folder, env=variables(), said="Good morning.\n\nAnd again.\n")
    assert printed == "\n> Good morning.\n\n> \n> And again.\n\n> \n"


def test_ctrl_c_stops_an_answer_and_the_chat_goes_on(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, EXAMPLES / "console_streaming.py", "--documents"],
        cwd=folder,
        env=variables(echo_seconds_per_token=0.02),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as chat:
        assert chat.stdin is not None
        assert chat.stdout is not None
        chat.stdin.write("What does the endless litany of the lighthouse say?\n")
        chat.stdin.flush()
        printed = ""
        while "verse3" not in printed:
            printed += chat.stdout.read(1)
        chat.send_signal(signal.SIGINT)
        rest, told = chat.communicate(f"{QUESTION}\n", timeout=60)
    assert chat.returncode == 0
    assert "Traceback" not in told
    stopped, answered = rest.split("\n(stopped)\n")
    assert "verse399" not in stopped
    assert BELL in answered
    assert "[1] harbour.md" in answered


class Recorder:
    """An engine that keeps what it is asked, and counts a token for each character."""

    name = model = "recorder"
    judges = False

    def __init__(self, context: int) -> None:
        self.context = context
        self.prompts: list[list[str]] = []

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Usage]:
        del options
        self.prompts.append([message.text for message in prompt.messages])
        yield from ("so ", f"{len(self.prompts)}")
        yield Usage(prompt_tokens=1, answer_tokens=2)

    def count_tokens(self, prompt: Prompt) -> int:
        return sum(len(message.text) for message in prompt.messages)


def test_the_console_gives_the_model_what_was_said_before_as_far_as_there_is_room(config: Config) -> None:
    system = str(SYSTEM.content)
    engine = Recorder(context=config.max_tokens + len(system) + 32)
    chat = ModelChat(Rag(config, engine=engine))
    assert ["".join(chat.stream(f"question {n}")) for n in (1, 2, 3)] == ["so 1", "so 2", "so 3"]
    assert engine.prompts[1] == [system, "question 1", "so 1", "question 2"]
    assert engine.prompts[2] == [system, "question 2", "so 2", "question 3"]


def test_low_bit_weights_are_saved_and_loaded_again(tmp_path: Path) -> None:
    printed = run(
        *("low_bit_save_load.py", "--model", write_folder(tmp_path / "tiny"), "--folder", tmp_path / "int4"),
        cwd=tmp_path,
        env=variables(models_dir=tmp_path / "models"),
    )
    assert re.search(r"^Saved in sym_int4 in \d+\.\d s: 0 MB in ", printed, re.MULTILINE)
    assert is_converted(tmp_path / "int4", tmp_path / "tiny", "sym_int4")
    assert "Loaded again it said the same." in printed


@pytest.mark.model
def test_the_low_bit_weights_of_a_real_model_answer(real_config: Config, tmp_path: Path) -> None:
    folder = lowbit_folder(real_config.model, real_config)
    printed = run(
        *("low_bit_save_load.py", "--model", real_config.model, "--folder", folder),
        cwd=tmp_path,
        env=real(real_config),
    )
    assert re.search(r"^Saved in sym_int4 before: [3-5]\d\d MB", printed, re.MULTILINE)
    assert len(re.findall(r"^Loaded in \d+\.\d s$", printed, re.MULTILINE)) == 2
    assert "language" in printed.partition(LOW_BIT_QUESTION)[2].casefold()
    assert "Loaded again it said the same." in printed


def test_the_notebook_runs_from_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    settings = variables(data_dir=ROOT / "data", index_dir=tmp_path / "index")
    places = {name: str(tmp_path / name) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
    for name, value in (settings | places).items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(EXAMPLES / "walkthrough.ipynb", as_version=4)  # type: ignore[no-untyped-call]  # it has no types
    committed = printed_by(notebook)
    resources = {"metadata": {"path": str(EXAMPLES)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    for text in (committed, printed_by(notebook)):
        assert "4 added, 0 unchanged" in text
        assert "checked: True" in text
        assert "620 pages an hour" in text
        assert "340 volumes" in text
    assert "The documents do not answer this question." in committed


def printed_by(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} == {"stream"}
    return "".join(output.text for output in outputs)


@contextmanager
def served(*command: str | Path, folder: Path, **more: object) -> Iterator[str]:
    """Serve a page from the folder until the block ends, and interrupt it there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=variables(port=port, echo_seconds_per_token=0.03) | {"STREAMLIT_SERVER_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if "http://" in line)
        assert f"http://127.0.0.1:{port}" in line
        requests.get(f"http://127.0.0.1:{port}", timeout=60).raise_for_status()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert "Traceback" not in rest


@contextmanager
def tab(chromium: Any, url: str, locale: str, composer: str) -> Iterator[Any]:
    """Open a page whose composer is ready; whatever happens in it, it asks no other host and runs nothing."""
    context = chromium.new_context(locale=locale, viewport={"width": 1000, "height": 800})
    page = context.new_page()
    hosts, trouble = set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(url)
    page.wait_for_selector(composer, timeout=60_000)
    yield page
    assert page.evaluate("window.hacked") is None
    context.close()
    assert hosts - {None} == {"127.0.0.1"}
    assert trouble == []


def lengths_until(page: Any, shown: str, text: Callable[[], str]) -> list[int]:
    """Return how long the text was, now and then, until something is shown."""
    lengths = []
    while page.locator(shown).count() == 0:
        lengths.append(len(text()))
        page.wait_for_timeout(80)
    return lengths


@pytest.mark.browser
def test_the_gradio_page_streams_with_sources_and_stops(chromium: Any, folder: Path) -> None:
    composer = "#question textarea"

    def ask(page: Any, question: str) -> None:
        page.fill(composer, question)
        page.press(composer, "Enter")

    with (
        served(EXAMPLES / "gradio_chat.py", folder=folder) as url,
        tab(chromium, url, "en-US", f"{composer}[placeholder='{ENGLISH.placeholder}']") as page,
    ):
        ask(page, QUESTION)
        page.wait_for_selector(".turn.writing")
        lengths = lengths_until(page, ".turn.done", lambda: page.inner_text(".turn .said"))
        assert len(set(lengths)) >= 3
        assert lengths == sorted(lengths)
        assert BELL in page.inner_text(".turn .said")
        page.click(".turn details:has-text('harbour.md') summary")
        assert BELL in page.inner_text(".turn details[open] mark")
        ask(page, "Where is it?")
        page.wait_for_selector(".turn.done >> nth=1")
        assert f"{QUESTION} Where is it?" in page.inner_text(".turn >> nth=1")

        ask(page, "What does the endless litany of the lighthouse say?")
        page.wait_for_selector(".turn.writing:has-text('verse3')")
        page.fill(composer, "What is the zebra protocol?")
        page.wait_for_selector(".turn.writing:has-text('verse9')")
        page.click("#stop")
        page.wait_for_selector(f".turn.stopped:has-text('{ENGLISH.stopped}')")
        page.press(composer, "Enter")
        page.wait_for_selector(".turn.done >> nth=2", timeout=20_000)
        page.click(".turn.done >> nth=2 >> summary")
        for text in MARKUP:
            assert text in page.inner_text(".turn.done >> nth=2 >> .said")
            assert text in page.inner_text("details[open] blockquote >> nth=-1")
        assert "<img src=x onerror=alert(9)>.txt" in page.inner_text("details[open] summary >> nth=-1")
        assert page.locator("#talk :is(script, img, a, strong)").count() == 0


@pytest.mark.browser
def test_the_streamlit_page_streams_with_sources_and_remembers(chromium: Any, folder: Path) -> None:
    composer = "[data-testid=stChatInputTextArea]"
    messages = "[data-testid=stChatMessage]"
    sources = "[data-testid=stExpander]"

    def ask(page: Any, question: str) -> None:
        page.fill(composer, question)
        page.press(composer, "Enter")

    def last(page: Any) -> str:
        return str(page.locator(messages).last.inner_text())

    with served("-m", "streamlit", "run", EXAMPLES / "streamlit_app.py", folder=folder) as url:
        with tab(chromium, url, "zh-CN", f"{composer}[placeholder='{CHINESE.placeholder}']") as page:
            ask(page, QUESTION)
            page.wait_for_selector(f"{messages} >> nth=1")
            lengths = lengths_until(page, sources, lambda: last(page))
            assert len(set(lengths)) >= 3
            assert BELL in last(page)
            assert CHINESE.sources_of.format(count=2) in last(page)
            page.locator(sources).last.locator("summary").click()
            page.wait_for_selector(f"{sources} :text('harbour.md')")
            ask(page, "Where is it?")
            page.wait_for_selector(f"{messages} >> nth=3")
            page.locator(messages).last.locator(sources).wait_for()
            assert page.locator(messages).count() == 4
            assert page.locator(sources).count() == 2
            assert f"{QUESTION} Where is it?" in last(page)
            page.click(f"button:has-text('{CHINESE.clear}')")
            page.wait_for_selector(messages, state="detached")
        with tab(chromium, url, "en-US", f"{composer}[placeholder='{ENGLISH.placeholder}']") as page:
            ask(page, "What is the zebra protocol?")
            page.wait_for_selector(sources)
            page.locator(sources).locator("summary").click()
            page.wait_for_selector(f"{sources} :text('onerror=alert(9)')")
            shown = page.locator(messages).last
            for text in MARKUP:
                assert shown.inner_text().count(text) >= 2  # in the answer, and in what it quotes
            assert shown.locator(":is(script, img, a, strong)").count() == 0


def test_the_streamlit_page_can_be_started_as_any_script(folder: Path) -> None:
    with served(EXAMPLES / "streamlit_app.py", folder=folder) as url:
        assert "Streamlit" in requests.get(url, timeout=60).text
