"""engine=auto: the fastest engine that can run here, as measured once, by given figures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from rag.benchmark.fastest import TYPICAL, _groups, measure_fastest, to_table
from rag.benchmark.processes import Processes
from rag.benchmark.runners import Task, Timing
from rag.config import Config
from rag.doctor import examine
from rag.engines import ENGINES, chosen_engine, open_engine
from rag.engines.busy import Others, Spent, spent
from rag.engines.choice import (
    FILE,
    MODULES,
    Measured,
    Speed,
    holds_for,
    remember,
    unmeasured,
    versions_of,
    why_missing,
)
from rag.engines.low_bit.conversion import convert
from rag.errors import ConfigError, EngineError
from rag.models import find_model, lowbit_folder
from rag.timing import choose_engine
from tests.given_speeds import given
from tests.tiny_qwen2 import write_folder

PIP = ".venv/bin/pip install -c .constraints.txt"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Settings for the tiny model, converted, and an engine beside ipex that needs nothing."""
    for name in [name for name in ENGINES if name not in {"ipex", "echo"}]:
        monkeypatch.delitem(ENGINES, name)
    monkeypatch.setitem(ENGINES, "quick", "rag.engines.echo:EchoEngine")
    source = write_folder(tmp_path / "source")
    config = Config(models_dir=tmp_path / "models", model=str(source))
    convert(source, lowbit_folder(config.model, config), config.low_bit, lambda _: None)
    at_rest(monkeypatch)
    return config


def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clocks of the processors tell that this process alone works."""
    seconds = count(step=10.0)
    monkeypatch.setattr("rag.engines.busy.spent", lambda: Spent(now := next(seconds), now / 2, now / 2))


def beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = count(step=10.0)
    monkeypatch.setattr("rag.engines.busy.spent", lambda: Spent(now := next(seconds), now, now / 2))


def speed(name: str, first_token: float, decode_tps: float) -> Speed:
    return Speed(first_token=first_token, decode_tps=decode_tps, warm=True, versions=versions_of(name))


def measured(config: Config, **speeds: tuple[float, float]) -> Measured:
    given = {name: speed(name, *figures) for name, figures in speeds.items()}
    found = Measured(machine=holds_for(config), speeds=given, busy=False)
    remember(config, found)
    return found


def test_auto_is_the_default_and_ipex_where_nothing_was_measured(tiny: Config) -> None:
    assert tiny.engine == "auto"
    assert chosen_engine(tiny) == "ipex"
    assert open_engine(tiny).name == "ipex"


def test_the_soonest_end_of_the_answer_wins_not_the_soonest_beginning(tiny: Config) -> None:
    found = measured(tiny, ipex=(1.0, 5.0), quick=(3.0, 20.0))
    assert [found.speeds[name].seconds for name in ("ipex", "quick")] == [1 + 59 / 5, 3 + 59 / 20]
    assert chosen_engine(tiny) == "quick"
    assert open_engine(tiny).name == "echo"  # which "quick" is
    measured(tiny, ipex=(1.0, 5.0), quick=(9.0, 10.0))
    assert chosen_engine(tiny) == "ipex"


def test_one_that_judges_wins_over_one_that_is_faster(tiny: Config) -> None:
    quick, ipex = speed("quick", 1.0, 20.0), replace(speed("ipex", 5.0, 5.0), judges=True)
    remember(tiny, Measured(machine=holds_for(tiny), speeds={"quick": quick, "ipex": ipex}, busy=False))
    assert chosen_engine(tiny) == "ipex"
    settings = {"models_dir": tiny.models_dir, "model": tiny.model, "embedder": "hashing"}
    fact = next(each.fact for each in examine(settings) if each.subject == "engine")
    assert "of those that judge whether passages hold the answer (ipex) for" in fact


def test_an_adapter_is_merged_by_ipex_or_refused(tiny: Config) -> None:
    measured(tiny, ipex=(9.0, 1.0), quick=(1.0, 9.0))
    adapted = tiny.model_copy(update={"adapter": "somebody/lora"})
    assert chosen_engine(adapted) == "ipex"
    with pytest.raises(ConfigError, match="'quick' cannot merge adapter='somebody/lora'; use --engine ipex"):
        open_engine(adapted.model_copy(update={"engine": "quick"}))


def test_an_engine_that_was_named_is_used(tiny: Config) -> None:
    measured(tiny, ipex=(9.0, 1.0), quick=(1.0, 9.0))
    assert chosen_engine(tiny.model_copy(update={"engine": "ipex"})) == "ipex"


def other_processor(_: Config, monkeypatch: pytest.MonkeyPatch) -> Config | None:
    monkeypatch.setattr("rag.engines.cores.cpu_name", lambda: "a later one")
    return None


def other_version(_: Config, monkeypatch: pytest.MonkeyPatch) -> Config | None:
    monkeypatch.setattr("rag.engines.choice.versions_of", lambda name: {name: "2"})
    return None


def other_setting(config: Config, _: pytest.MonkeyPatch) -> Config | None:
    return config.model_copy(update={"reuse": "on" if config.reuse == "off" else "off"})


def other_model(config: Config, _: pytest.MonkeyPatch) -> Config | None:
    return config.model_copy(update={"model": "qwen2.5-coder-0.5b-instruct"})


def damaged(config: Config, _: pytest.MonkeyPatch) -> Config | None:
    (config.models_dir / FILE).write_text('{"speeds": {"quick": {}}}', encoding="utf-8")
    return None


def truncated(config: Config, _: pytest.MonkeyPatch) -> Config | None:
    file = config.models_dir / FILE
    file.write_text(file.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    return None


@pytest.mark.parametrize(
    "change", [other_processor, other_version, other_setting, other_model, damaged, truncated]
)
def test_what_was_measured_otherwise_does_not_count(
    change: Callable[[Config, pytest.MonkeyPatch], Config | None],
    tiny: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured(tiny, ipex=(9.0, 1.0), quick=(1.0, 9.0))
    assert chosen_engine(tiny) == "quick"
    assert chosen_engine(change(tiny, monkeypatch) or tiny) == "ipex"


def test_an_engine_whose_package_is_gone_is_passed_over(
    tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(tiny, ipex=(9.0, 1.0), quick=(1.0, 9.0))
    monkeypatch.setitem(MODULES, "quick", "no_such_package")
    assert chosen_engine(tiny) == "ipex"
    assert why_missing("quick", tiny) == f"it is not installed: {PIP} -e '.[quick]'"


def test_an_engine_whose_files_are_not_here_says_so(tiny: Config, tmp_path: Path) -> None:
    empty = tiny.model_copy(update={"models_dir": tmp_path / "none"})
    assert "is not converted to sym_int4: rag models pull" in why_missing("ipex", empty)
    assert why_missing("ipex", tiny) == ""


def test_llama_cpp_needs_a_gguf_file(tiny: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, "llamacpp", "json")
    assert "llama.cpp reads GGUF" in why_missing("llamacpp", tiny)


@pytest.mark.parametrize("name", ["echo", "openai", "hf"])
def test_what_has_no_weights_of_its_own_or_float_ones_is_never_chosen(
    name: str, tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, name, "rag.engines.echo:EchoEngine")
    measured(tiny, ipex=(9.0, 1.0), **{name: (0.1, 99.0)})
    assert chosen_engine(tiny) == "ipex"
    assert name not in unmeasured(tiny)


def test_measuring_remembers_the_fastest_and_why_others_failed(
    tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.benchmark.processes.serve", given)
    for name in ("slow", "brief"):
        monkeypatch.setitem(ENGINES, name, "rag.engines.echo:EchoEngine")
    found = measure_fastest(tiny)
    assert found.fastest == chosen_engine(tiny) == "quick"
    assert found.speeds["ipex"].seconds == 8 + 59 / 5
    assert found.failed == {"slow": "out of ink", "brief": "it wrote too little to tell its pace"}
    assert unmeasured(tiny) == []
    lines = to_table(found, tiny).splitlines()
    assert lines[1] == "quick        15.8 s: first token 4.0 s (passages read before), then 5.0 tokens/s"
    assert lines[2].startswith("ipex         19.8 s")
    assert lines[-1] == "engine=auto means quick from now on"


def test_when_none_answers_nothing_is_remembered(tiny: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.benchmark.processes.serve", given)
    for name in ("ipex", "quick"):
        monkeypatch.delitem(ENGINES, name)
    monkeypatch.setitem(ENGINES, "slow", "rag.engines.echo:EchoEngine")
    with pytest.raises(EngineError, match="slow cannot run: out of ink"):
        measure_fastest(tiny)
    assert not (tiny.models_dir / FILE).exists()


def test_set_up_measures_once_and_only_what_is_new(
    tiny: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rag.benchmark.processes.serve", given)
    measured(tiny, ipex=(30.0, 5.0))
    choose_engine(tiny, lambda _: None)
    assert "quick is the fastest engine here: 15.8 s" in capsys.readouterr().err
    told = json.loads((tiny.models_dir / FILE).read_text(encoding="utf-8"))
    assert told["speeds"]["ipex"]["first_token"] == 30.0  # as it was measured before
    choose_engine(tiny, lambda _: None)
    assert capsys.readouterr().err == ""


class Scripted(Processes):
    """Engines that answer with given paces, one a round, and note whose turn it was."""

    def __init__(self, paces: Mapping[str, Sequence[float]], turns: list[str]) -> None:
        super().__init__(pipes=dict.fromkeys(paces, cast("Connection", None)))
        self._paces = {name: iter(paces[name]) for name in paces}
        self._turns = turns

    def ask(self, name: str, task: Task) -> Timing | str:
        self._turns.append(name if task.answer_tokens == TYPICAL.answer_tokens else f"{name} warms up")
        pace = next(self._paces[name])
        return Timing(first_token=1 / pace, decode_tps=pace, total=9.0, answer_tokens=24, rss_mb=4.0)


def script(monkeypatch: pytest.MonkeyPatch, **paces: Sequence[float]) -> list[str]:
    """Let engines take these paces from the warm-up on; return what will be the order of their turns."""
    turns: list[str] = []

    @contextmanager
    def opened(engines: Sequence[str], config: Config) -> Iterator[Processes]:
        del config
        turns.append(f"open {' and '.join(engines)}")
        yield Scripted({name: paces[name] for name in engines}, turns)

    monkeypatch.setattr("rag.benchmark.fastest.opened", opened)
    return turns


def test_the_engines_take_turns_and_the_median_counts(tiny: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean would choose quick, and so would the first round or the last."""
    turns = script(monkeypatch, ipex=[1.0, 4.0, 10.0, 8.0], quick=[1.0, 5.0, 5.0, 90.0])
    found = measure_fastest(tiny)
    assert turns[0] == "open ipex and quick"
    assert turns[1:] == ["ipex warms up", "quick warms up", *["ipex", "quick"] * 3]
    assert [found.speeds[name].decode_tps for name in ("ipex", "quick")] == [8.0, 5.0]
    assert [found.speeds[name].first_token for name in ("ipex", "quick")] == [1 / 8, 1 / 5]
    assert found.fastest == "ipex"
    assert not found.busy


def test_where_memory_is_short_one_is_open_at_a_time(tiny: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = script(monkeypatch, ipex=[4.0] * 4, quick=[5.0] * 4)
    folder = lowbit_folder(tiny.model, tiny)
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    monkeypatch.setattr("rag.benchmark.fastest.free_memory", lambda: 2 * 4 * size - 1)
    assert measure_fastest(tiny).fastest == "quick"
    assert [turn for turn in turns if turn.startswith("open")] == ["open ipex", "open quick"]
    monkeypatch.setattr("rag.benchmark.fastest.free_memory", lambda: 2 * 4 * size)
    measure_fastest(tiny)
    assert "open ipex and quick" in turns


def test_unconverted_weights_count_as_they_are(tiny: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(lowbit_folder(tiny.model, tiny))
    source = find_model(tiny.model, tiny)
    assert source is not None
    size = sum(file.stat().st_size for file in source.glob("*.safetensors"))
    monkeypatch.setattr("rag.benchmark.fastest.free_memory", lambda: 2 * 4 * size - 1)
    assert _groups(["llamacpp", "openvino"], tiny) == [["llamacpp"], ["openvino"]]
    monkeypatch.setattr("rag.benchmark.fastest.free_memory", lambda: 2 * 4 * size)
    assert _groups(["llamacpp", "openvino"], tiny) == [["llamacpp", "openvino"]]


def test_what_was_measured_beside_other_work_is_measured_again_at_rest(
    tiny: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    beside_others(monkeypatch)
    monkeypatch.setattr("rag.engines.busy.LOOK", 0.0)
    turns = script(monkeypatch, ipex=[4.0] * 4, quick=[5.0] * 4)
    choose_engine(tiny, lambda _: None)
    assert chosen_engine(tiny) == "quick"
    settings = {"models_dir": tiny.models_dir, "model": tiny.model, "embedder": "hashing"}
    fact = next(each.fact for each in examine(settings) if each.subject == "engine")
    assert "other programs kept the processors busy" in fact
    assert fact.endswith("so does `rag benchmark --engines`")
    measured = len(turns)
    choose_engine(tiny, lambda _: None)
    assert len(turns) == measured  # they still do
    at_rest(monkeypatch)
    turns = script(monkeypatch, ipex=[9.0] * 4, quick=[5.0] * 4)
    capsys.readouterr()
    choose_engine(tiny, lambda _: None)
    assert "ipex is the fastest engine here" in capsys.readouterr().err
    assert chosen_engine(tiny) == "ipex"
    measured = len(turns)
    choose_engine(tiny, lambda _: None)
    assert len(turns) == measured


def test_why_another_engine_failed_is_not_forgotten(tiny: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(tiny, ipex=(1.0, 5.0))
    remember(tiny, replace(found, failed={"slow": "out of ink"}))
    script(monkeypatch, quick=[5.0] * 4)
    assert measure_fastest(tiny, engines=["quick"]).failed == {"slow": "out of ink"}


def test_what_this_process_and_its_children_do_is_not_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for ours, found in ((4.0, False), (3.1, False), (2.9, True)):
        clocks = iter([Spent(0.0, 0.0, 0.0), Spent(10.0, 4.0, ours)])
        monkeypatch.setattr("rag.engines.busy.spent", lambda clocks=clocks: next(clocks))
        assert Others().busy is found


def test_the_clocks_count_the_work_of_this_process_and_of_its_children() -> None:
    before = spent()
    child = "import time; start = time.process_time()\nwhile time.process_time() < start + .3: pass"
    subprocess.run([sys.executable, "-c", child], check=True)
    after = spent()
    assert after.ours - before.ours >= 0.29
    assert after.passed >= after.worked > 0


def test_where_the_system_tells_no_times_nothing_counts_as_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr("psutil.cpu_times", refuse)
    assert spent() == (0.0, 0.0, 0.0)
    assert not Others().busy


@pytest.mark.parametrize("settings", [{"measure_engines": False}, {"engine": "ipex"}])
def test_set_up_measures_nothing_where_nothing_is_to_be_chosen(
    settings: dict[str, Any], tiny: Config
) -> None:
    choose_engine(tiny.model_copy(update=settings), lambda _: None)
    assert not (tiny.models_dir / FILE).exists()


def test_the_doctor_says_which_engine_answers_and_why(tiny: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "warp", "nowhere")
    monkeypatch.setitem(MODULES, "warp", "no_such_package")
    settings = {"models_dir": tiny.models_dir, "model": tiny.model, "embedder": "hashing"}
    facts = {each.subject: each.fact for each in examine(settings)}
    assert facts["engine"].startswith("ipex, as nothing was measured here; `rag benchmark --engines`")
    assert facts["engine warp"] == f"cannot run: it is not installed: {PIP} -e '.[warp]'"
    measured(tiny, ipex=(9.0, 10.0), quick=(1.0, 10.0))
    facts = {each.subject: each.fact for each in examine(settings)}
    assert facts["engine"] == (
        "quick, the fastest here for a typical question: "
        "quick 6.9 s: first token 1.0 s (passages read before), then 10.0 tokens/s; "
        "ipex 14.9 s: first token 9.0 s (passages read before), then 10.0 tokens/s"
    )
