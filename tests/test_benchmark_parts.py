"""The benchmark's other cases, small and real: start, sync, retrieval; and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.benchmark.every import ALL, MEASURES, Order, measure
from rag.benchmark.folder import DOCUMENTS, QUESTION, write_documents
from rag.benchmark.report import Report
from rag.benchmark.retrieval import measure_retrieval
from rag.benchmark.runners import _time
from rag.benchmark.start import FIRST, MEMORY, READY, WHOLE, ask_anew, measure_start
from rag.benchmark.sync import measure_sync
from rag.cli import main
from rag.config import Config
from rag.datatypes import Finish, Usage
from rag.errors import ConfigError, EngineError
from rag.pipeline import Rag
from rag.timing import NAMES

SAMPLES = Path(__file__).parent.parent / "data"


def median_of(report: Report, name: str) -> float:
    return next(fact.figure.median for fact in report.facts if fact.name == name)


@pytest.mark.parametrize(("finish", "pace"), [("stop", 2 / 0.4), ("length", 2 / 0.2)])
def test_the_end_of_an_answer_is_a_token_that_takes_its_time(
    finish: Finish, pace: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two words and the end come .2 seconds apart."""
    clock = iter([0.0, 1.0, 1.2, 1.4])
    monkeypatch.setattr("rag.benchmark.runners.time.perf_counter", lambda: next(clock))
    timing = _time(
        iter(["two", " words", Usage(prompt_tokens=9, answer_tokens=3, finish=finish)]), kept=False
    )
    assert (timing.first_token, timing.answer_tokens) == (1.0, 3)
    assert timing.decode_tps == pytest.approx(pace)


def test_memory_is_told_where_no_file_tells_the_most() -> None:
    """In a small process: of a large one, pages of files may go meanwhile."""
    code = (
        "from pathlib import Path\n"
        "from rag.benchmark import runners\n"
        "most = runners.peak_mb()\n"
        "runners.STATUS = Path('/nothing')\n"
        "now = runners.peak_mb()\n"
        "held = bytearray(200_000_000)\n"
        "held[::4096] = b'x' * len(held[::4096])\n"
        "print(most, now, runners.peak_mb())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    most, now, then = map(float, run.stdout.split())
    assert 10 < now < 1.1 * most
    assert then - now == pytest.approx(200, abs=20)


def test_a_sync_of_the_users_documents_is_timed_and_touches_no_index_of_theirs(
    config: Config, write: Callable[[str, str], Path]
) -> None:
    for number in range(3):
        write(f"{number}.txt", f"The boat {number} carries {number} crates.")
    report = measure_sync(config, rounds=1)
    assert (median_of(report, "documents"), median_of(report, "passages")) == (3, 3)
    whole = median_of(report, "everything")
    assert median_of(report, "a document") == pytest.approx(whole / 3)
    assert median_of(report, "speed") == pytest.approx(3 / whole)
    assert not config.index_dir.exists()


def test_without_documents_a_sync_is_timed_on_made_ones(config: Config) -> None:
    assert median_of(measure_sync(config, rounds=1), "documents") == DOCUMENTS
    assert list(config.data_dir.iterdir()) == []


def test_the_made_documents_hold_the_answer_to_the_made_question(config: Config) -> None:
    write_documents(config.data_dir)
    with Rag(config) as rag:
        rag.sync()
        best = rag.ask(QUESTION).hits[0]
    assert best.passage.source == "boat-08.md"
    assert "carries 43 crates" in best.passage.text


def test_each_question_of_a_retrieval_is_timed(tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("How many days of leave?\n年假有多少天？\n", "utf-8")
    config = Config(embedder="hashing", data_dir=SAMPLES, engine="echo")
    report = measure_retrieval(config, passages=120, questions=questions)
    assert (median_of(report, "passages"), median_of(report, "questions")) == (120, 2)
    timed = next(fact.figure for fact in report.facts if fact.name == "a question")
    assert 0 < timed.min <= timed.median <= timed.max


def test_a_start_is_timed_until_the_answer_in_a_process_of_its_own(config: Config) -> None:
    report = measure_start(config, ["echo", "warp"], rounds=1)
    moments = [median_of(report, f"echo: {what}") for what in (READY, FIRST, WHOLE)]
    assert 0 < moments[0] < moments[1] <= moments[2]
    assert median_of(report, f"echo: {MEMORY}") > 20
    assert median_of(report, "the index of the documents made") > 0.01
    assert list(report.skipped) == ["warp"]


def test_a_start_that_fails_says_why(config: Config) -> None:
    with pytest.raises(EngineError, match="no documents are indexed"):
        ask_anew(config)


@pytest.mark.parametrize("case", ["engines", "start", "sync", "retrieval", "index"])
def test_what_measures_nothing_is_refused(case: str, config: Config) -> None:
    order = Order(rounds=0, passages=0, engines=["echo"])
    with pytest.raises(ConfigError, match="measure nothing"):
        measure(case, config, order, lambda _: None)


def test_every_case_has_a_name_on_the_command_line() -> None:
    assert (*MEASURES, ALL) == NAMES


def test_of_all_cases_one_that_fails_leaves_the_others_their_figures(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in MEASURES.keys() - {"sync", "embedding", "index"}:
        monkeypatch.delitem(MEASURES, name)
    done = measure(ALL, config, Order(rounds=1), lambda _: None)
    assert {fact.case for fact in done.report.facts} == {"sync"}
    assert "runs in one way only" in done.report.skipped["embedding"]
    assert "50 are needed to mix" in done.report.skipped["index"]
    assert "index did not run" in done.table


def test_the_command_writes_the_table_the_json_and_the_page(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "figures.json", tmp_path / "page.html"
    flags = ["--engine", "echo", "--models-dir", str(tmp_path), "--engines", "echo", "--rounds", "1"]
    assert main(["benchmark", *flags, "--json", str(file), "--html", str(page)]) == 0
    rows = json.loads(file.read_text(encoding="utf-8"))
    assert [each["case"] for each in rows] == ["cold", "same passages, another question", "passages warm"]
    assert [each["reuse"] for each in rows] == ["none", "prefix", "none"]  # echo keeps nothing
    assert [each["answer_tokens"] for each in rows] == [24, 24, 60]
    assert page.read_text(encoding="utf-8").count("<svg") == 9
    assert "passages warm: " in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_found_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--engines", "echo", "--html", str(tmp_path / "none" / "page.html")]
    assert main(["benchmark", *flags]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_the_choice_of_an_engine_goes_into_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "--engines", "--json", str(tmp_path / "file.json")]) == 1
    assert "name the engines after --engines" in capsys.readouterr().err
