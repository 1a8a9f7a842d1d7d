"""The benchmark's prompts, its report, and a real run."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from rag.benchmark import benchmark, flaw
from rag.benchmark.cases import CASES, LENGTHS, PASSAGES, Case
from rag.benchmark.page import to_html
from rag.benchmark.processes import DIED
from rag.benchmark.prompts import make_prompt
from rag.benchmark.report import Figure, Report, Row, to_json
from rag.benchmark.runners import KEEPS_NOTHING, RUNNERS, Ours, Task, Timing, serve
from rag.benchmark.table import ratios, to_table
from rag.config import Config
from rag.datatypes import Generation, Prompt, Reading, Usage
from rag.engines.echo import EchoEngine
from rag.engines.low_bit.conversion import convert, read_manifest
from rag.engines.low_bit.decoder import Decoder, States
from rag.engines.low_bit.kernels import Kernels
from rag.engines.low_bit.matmul import Matmul
from rag.errors import ConfigError, EngineError, MissingExtraError, ModelError
from rag.models import lowbit_folder
from rag.reuse import states_folder
from rag.tokenizer.chat import ChatTokenizer
from rag.tokenizer.vocabularies import build_tokenizer
from tests.tiny_qwen2 import MERGES, TOKENS, TYPES, write_folder

COLD, AGAIN, WARM = (
    Case(name="cold", passages=2, answer_tokens=3, reuse="none"),
    Case(name="again", passages=2, answer_tokens=3, reuse="prefix"),
    Case(name="warm", passages=2, answer_tokens=3, reuse="passages"),
)
SHORT = Case(name="short", prompt_tokens=900, answer_tokens=3, reuse="none")


@pytest.fixture
def tokenizer(tmp_path: Path) -> ChatTokenizer:
    path = tmp_path / "tokenizer.json"
    path.write_text(build_tokenizer(TOKENS, TYPES, MERGES), encoding="utf-8")
    return ChatTokenizer(path)


@pytest.fixture
def tiny(tmp_path: Path) -> Config:
    """Settings for the tiny model, converted."""
    source = write_folder(tmp_path / "source")
    config = Config(models_dir=tmp_path / "models", model=str(source))
    convert(source, lowbit_folder(config.model, config), config.low_bit, lambda _: None)
    return config


def shared(left: list[int], right: list[int]) -> int:
    return next((i for i, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), len(left))


def counted(tokenizer: ChatTokenizer) -> Callable[[Prompt], int]:
    return lambda prompt: len(tokenizer.render(prompt).tokens)


def test_a_prompt_fills_its_size_and_each_begins_differently(tokenizer: ChatTokenizer) -> None:
    first, second = (
        tokenizer.render(make_prompt(SHORT, number, counted(tokenizer)).prompt) for number in (1, 2)
    )
    assert 820 < len(first.tokens) <= 900
    assert shared(first.tokens, second.tokens) < 16


def test_a_reusing_case_asks_another_question_of_the_same_passages(tokenizer: ChatTokenizer) -> None:
    first, second = (
        tokenizer.render(make_prompt(case, 1, counted(tokenizer)).prompt) for case in (COLD, AGAIN)
    )
    assert first.tokens != second.tokens
    assert first.passages == second.passages
    assert shared(first.tokens, second.tokens) > first.passages[-1].places.stop


def test_a_passage_read_alone_is_the_one_that_the_prompt_shows(tokenizer: ChatTokenizer) -> None:
    asked = make_prompt(WARM, 3, counted(tokenizer))
    whole = tokenizer.render(asked.prompt)
    alone = [tokenizer.render(each) for each in asked.alone]
    read = [each.passages[0] for each in alone]
    assert [shown.text for shown in read] == [shown.text for shown in whole.passages]
    assert [len(shown.places) for shown in read] == [len(shown.places) for shown in whole.passages]
    assert all(each.tokens[: each.constant] == whole.tokens[: whole.constant] for each in alone)
    assert all("List every entry" not in each.messages[-1].text for each in asked.alone)


def test_the_sweeps_grow_as_their_names_say(tokenizer: ChatTokenizer) -> None:
    assert [case.prompt_tokens for case in LENGTHS] == [256, 512, 1024, 2048, 4096]
    assert [case.passages for case in PASSAGES if case.reuse == "passages"] == [1, 2, 4, 8]
    shown = [len(make_prompt(case, 1, counted(tokenizer)).alone) for case in PASSAGES]
    assert shown == [1, 1, 2, 2, 4, 4, 8, 8]


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'vllm' is not one of .*ipex, .*ipex-stock, llamacpp-plain"):
        benchmark(Config(), engines=["vllm"])


def row(case: str, engine: str, first: float, **changes: Any) -> Row:
    fields: dict[str, Any] = {
        "model": "tiny",
        "prompt_tokens": 963,
        "answer_tokens": 61,
        "reuse": "none",
        "first_token": Figure(median=first, min=first - 0.5, max=first + 0.5),
        "decode_tps": Figure(median=10.0, min=9.5, max=12.5),
        "total": Figure(median=first + 6, min=first + 5, max=first + 7),
        "rss_mb": 1234.5,
    }
    return Row(case=case, engine=engine, **{**fields, **changes})


def test_the_table_shows_each_case_and_what_did_not_run() -> None:
    rows = (row("cold", "ipex", 10.5, cached_tokens=3),)
    table = to_table(Report(machine="A CPU", rounds=3, rows=rows, skipped={"llamacpp-plain": "not here"}))
    lines = table.splitlines()
    assert lines[0] == "A CPU"
    assert "cold: tiny, 963 prompt tokens" in lines
    assert "ipex               10.50 [ 10.00 -  11.00]    10.00" in table
    assert lines[-1] == "llamacpp-plain did not run: not here"


RUN = (
    row("cold", "ipex", 12.0),
    row("cold", "llamacpp-plain", 20.0),
    row("warm", "ipex", 2.0, reuse="passages", prompt_tokens=960),
    row("warm", "llamacpp-plain", 16.0, answer_tokens=31),
)


def test_the_ratios_are_of_one_run_and_of_answers_of_one_length() -> None:
    own, rival, _ = ratios(Report(machine="A CPU", rounds=3, rows=RUN))
    assert own == "warm, ipex: the first token 6.0 times sooner than its own full reading"
    assert rival == (
        "warm, ipex: the first token 8.0 times sooner than llamacpp-plain's, "
        "the whole answer of 31 tokens 3.8 times"  # (16 + 30 / 10) / (2 + 30 / 10)
    )


def test_without_a_cold_prompt_as_long_there_is_no_ratio_to_it() -> None:
    rows = (row("cold", "ipex", 12.0, prompt_tokens=500), RUN[2])
    assert ratios(Report(machine="A CPU", rounds=3, rows=rows)) == []


def test_the_json_is_a_list_of_the_rows() -> None:
    told = json.loads(to_json(Report(machine="A CPU", rounds=3, rows=RUN)))
    assert [(each["engine"], each["reuse"]) for each in told][2] == ("ipex", "passages")
    assert list(told[0]) == [
        "case", "engine", "model", "prompt_tokens", "answer_tokens", "reuse", "first_token", "decode_tps",
        "total", "rss_mb",
    ]  # fmt: skip
    assert told[2]["first_token"] == {"median": 2.0, "min": 1.5, "max": 2.5}


def test_the_page_draws_the_figures_and_takes_no_text_for_markup() -> None:
    sizes = zip(LENGTHS[2:], (1000, 2000, 4000), strict=True)
    grown = [row(case.name, "ipex", n / 100, prompt_tokens=n) for case, n in sizes]
    page = to_html(Report(machine="<b>", rounds=3, rows=(*RUN, *grown), skipped={"x": "<script>"}))
    assert "<b>" not in page
    assert "<script>" not in page
    assert page.count('aria-label="How cost grows with the prompt"') == 1
    assert "How cost grows with the passages" not in page
    # 4000 tokens take 40 s, the most of both axes; 2000 and 20 s lie in the middle
    assert "336.0 206.0L616.0 56.0" in page
    assert "8.0 times sooner than llamacpp-plain&#x27;s" in page


@pytest.mark.parametrize(
    ("case", "cached", "kept", "said"),
    [
        (COLD, 16, False, ""),
        (COLD, 17, False, "it knew 17 tokens of a prompt that should have been new"),
        (WARM, 500, True, ""),
        (WARM, 499, True, "knew only 499 of 1000 tokens"),
        (WARM, 0, False, ""),
        (AGAIN, 990, False, ""),
    ],
)
def test_a_timing_that_is_not_what_the_case_is_about_does_not_count(
    case: Case, cached: int, said: str, *, kept: bool
) -> None:
    timing = Timing(
        first_token=1, decode_tps=2, total=3, answer_tokens=3, rss_mb=4, cached_tokens=cached, kept=kept
    )
    found = flaw(case, timing, 1000)
    assert said in found
    assert bool(found) == bool(said)


@pytest.mark.filterwarnings("ignore")  # what ipex-llm and transformers say when imported is not ours to mend
def test_the_stock_model_is_the_same_model(tmp_path: Path) -> None:
    from rag.benchmark.stock import stock_model

    convert(write_folder(tmp_path / "source"), tmp_path / "out", "sym_int8", lambda _: None)
    ours = Decoder(tmp_path / "out", read_manifest(tmp_path / "out"), Matmul(Kernels("avx"), 1))
    ids = list(range(40, 60))
    with torch.inference_mode():
        want = stock_model(tmp_path / "out")(torch.tensor([ids])).logits[0, -1]
        got = deque(ours.forward(ids, States(ours, 32), range(len(ids))), maxlen=1).pop()[-1]
    torch.testing.assert_close(got, want, rtol=1e-3, atol=0.05)
    assert got.argmax() == want.argmax()


@pytest.mark.model
def test_a_real_run_gives_figures_and_what_was_read_before_is_not_read_again(
    real_config: Config, tmp_path: Path
) -> None:
    mine = real_config.model_copy(update={"index_dir": tmp_path})
    report = benchmark(mine, engines=["ipex"], cases=[COLD, AGAIN, WARM], rounds=1)
    cold, again, warm = report.rows
    assert (cold.reuse, again.reuse, warm.reuse) == ("none", "prefix", "passages")
    assert 450 < cold.prompt_tokens < 600
    assert cold.cached_tokens < 16
    assert 0.9 * again.prompt_tokens < again.cached_tokens < again.prompt_tokens
    assert 400 < warm.cached_tokens < again.cached_tokens
    assert cold.total.median > cold.first_token.median
    assert 300 < cold.rss_mb < 2500
    assert "ipex-llm 2.2.0" in report.machine
    assert not states_folder(mine).exists()


@pytest.mark.model
def test_rivals_run_plainly_on_the_same_weights_in_the_same_run(real_config: Config, tmp_path: Path) -> None:
    mine = real_config.model_copy(update={"index_dir": tmp_path})
    names = ["llamacpp", "llamacpp-plain", "openvino-plain"]
    report = benchmark(mine, engines=names, cases=[COLD, WARM], rounds=1)
    rows = {(row.engine, row.case): row for row in report.rows}
    assert {engine for engine, _ in rows} == set(names)
    ours = rows["llamacpp", WARM.name]
    assert (ours.reuse, ours.cached_tokens > 400) == ("passages", True)
    for rival in names[1:]:
        cold, warm = rows[rival, COLD.name], rows[rival, WARM.name]
        assert (cold.reuse, warm.reuse) == ("none", "none")
        assert (cold.prompt_tokens, warm.prompt_tokens) == (
            rows["llamacpp", COLD.name].prompt_tokens,
            ours.prompt_tokens,
        )
        assert warm.answer_tokens == ours.answer_tokens
        assert warm.cached_tokens < 16


def test_a_model_that_is_not_converted_is_an_error(tmp_path: Path) -> None:
    config = Config(models_dir=tmp_path, model="qwen2.5-coder-0.5b-instruct")
    with pytest.raises(ModelError, match="rag models pull"):
        benchmark(config, cases=CASES)


def test_without_llama_cpp_the_reason_is_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(MissingExtraError, match=r"-e '\.\[llamacpp\]'"):
        RUNNERS["llamacpp-plain"](Config())


def stand_in(engine: str, settings: dict[str, Any], pipe: Connection) -> None:
    """Behave as the process of an engine: two of them badly."""
    del settings
    if engine == "ipex-stock":
        os._exit(3)
    pipe.send("")
    while True:
        pipe.recv()
        if engine == "llamacpp-plain":
            pipe.send("out of ink")
        else:
            pipe.send(Timing(first_token=1.0, decode_tps=2.0, total=3.0, answer_tokens=3, rss_mb=4.0))


def test_an_engine_that_dies_or_fails_leaves_the_others_their_figures(
    tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.benchmark.processes.serve", stand_in)
    engines = ["ipex-stock", " llamacpp-plain", "ipex "]
    report = benchmark(tiny, engines=engines, cases=[COLD], rounds=2)
    assert [(row.engine, row.total.median) for row in report.rows] == [("ipex", 3.0)]
    assert report.skipped == {"ipex-stock": DIED, "llamacpp-plain": "warm-up: out of ink"}


def test_when_every_engine_fails_their_reasons_are_the_error(
    tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.benchmark.processes.serve", stand_in)
    with pytest.raises(EngineError, match=r"ipex-stock cannot run: its process died.*out of ink"):
        benchmark(tiny, engines=["ipex-stock", "llamacpp-plain"], cases=[COLD], rounds=1)


def test_what_goes_wrong_while_answering_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def speak(prompt: Prompt, tokens: int) -> Iterator[object]:
        yield prompt
        raise ValueError(f"{tokens} are too many")

    monkeypatch.setitem(RUNNERS, "ipex", lambda _: speak)
    ours, theirs = Pipe()
    ours.send(Task(prompt=Prompt(messages=()), answer_tokens=7))
    thread = Thread(target=serve, args=("ipex", {}, theirs))
    thread.start()
    assert [ours.recv(), ours.recv()] == ["", "7 are too many"]
    ours.close()
    thread.join()


@pytest.mark.parametrize("rounds", [0, -1])
def test_less_than_one_round_is_refused(rounds: int) -> None:
    with pytest.raises(ConfigError, match=f"{rounds} rounds measure nothing"):
        benchmark(Config(), rounds=rounds)


def test_an_engine_that_fails_one_case_keeps_its_other_figures(
    tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.benchmark.processes.serve", stumble)
    report = benchmark(tiny, engines=["ipex"], cases=[COLD, AGAIN], rounds=2)
    assert [each.case for each in report.rows] == ["again"]
    assert report.skipped == {"ipex": "cold: no room"}


def stumble(engine: str, settings: dict[str, Any], pipe: Connection) -> None:
    """Behave as an engine that fails at the second prompt."""
    pipe.send("")
    for number in count():
        pipe.recv()
        timing = Timing(first_token=1.0, decode_tps=2.0, total=3.0, answer_tokens=3, rss_mb=4.0)
        pipe.send("no room" if number == 1 else timing)


class Keeper(EchoEngine):
    """Keeps passages, and notes what it was given to read."""

    keeps = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def read(self, prompt: Prompt) -> Generator[Reading, None, bool]:
        self.seen.append(prompt.messages[-1].parts[0].splitlines()[0])
        yield Reading(done=1, total=1)
        return "page 9" not in self.seen[-1]

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        self.seen.append(prompt.messages[-1].parts[-1].strip())
        return super().stream(prompt, options)


def test_passages_are_read_the_last_first_and_something_else_is_asked_before_the_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keeper = Keeper()
    monkeypatch.setattr("rag.benchmark.runners.open_engine", lambda _: keeper)
    ours = Ours(Config())
    asked = make_prompt(WARM, 5, keeper.count_tokens)
    assert ours.read(asked.alone)
    list(ours(asked.prompt, 3))
    assert keeper.seen[:3] == ["[1] log 5, page 2", "[1] log 5, page 1", "Count from one to three."]
    assert keeper.seen[3].startswith("List every entry of log 5")


def test_without_room_for_the_passages_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper()
    monkeypatch.setattr("rag.benchmark.runners.open_engine", lambda _: keeper)
    nine = replace(WARM, passages=9)
    with pytest.raises(EngineError, match="raise reuse_gb"):
        Ours(Config()).read(make_prompt(nine, 5, keeper.count_tokens).alone)


def test_an_engine_that_keeps_nothing_is_asked_cold_or_not_at_all() -> None:
    asked = make_prompt(WARM, 5, EchoEngine().count_tokens)
    ours, theirs = Pipe()
    thread = Thread(target=serve, args=("echo", {"engine": "echo"}, theirs))
    thread.start()
    assert ours.recv() == ""
    task = Task(prompt=asked.prompt, answer_tokens=5, alone=asked.alone)
    ours.send(task)
    timing = ours.recv()
    assert (timing.kept, timing.answer_tokens) == (False, 5)
    ours.send(replace(task, keepers_only=True))
    assert ours.recv() == KEEPS_NOTHING
    ours.close()
    thread.join()
