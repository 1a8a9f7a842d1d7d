"""The probe that reads off the model's state whether a prompt holds the answer, and how it is calibrated."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rag.cli import main
from rag.config import Config
from rag.datatypes import Generation, Message, Prompt, Reading, Usage
from rag.engines.answerable import FILE, Looked, Probe, probed_layer, read_probe, write_probe
from rag.engines.echo import EchoEngine
from rag.engines.ipex import IpexEngine
from rag.engines.low_bit.conversion import convert
from rag.errors import ConfigError, InputError, ModelError
from rag.evaluate.calibrate import Example, calibrate, calibrated, examples_of, to_table
from rag.evaluate.sets import Question, QuestionSet
from rag.models import FALLBACK_MODEL, lowbit_folder
from rag.pipeline import Rag
from tests import tiny_qwen2

PROMPT = Prompt(messages=(Message(role="user", parts=("How high is the lamp?",)),))
LAYERS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiny")
    source = tiny_qwen2.write_folder(root / "source", num_hidden_layers=LAYERS)
    convert(source, root / "sym_int8", "sym_int8", lambda _: None)
    return root / "sym_int8"


def looked(engine: IpexEngine) -> Looked:
    def whole() -> Iterator[Reading]:
        found.append((yield from engine.look(PROMPT)))

    found: list[Looked] = []
    assert all(isinstance(event, Reading) for event in whole())
    return found[0]


def written(engine: IpexEngine, least: float | None) -> tuple[str, Usage]:
    events = list(engine.stream(PROMPT, Generation(max_tokens=4, least_answerable=least)))
    assert isinstance(events[-1], Usage)
    return "".join(each for each in events if isinstance(each, str)), events[-1]


def test_the_layer_looked_at() -> None:
    assert probed_layer(28) == 18  # of the 1.5B model
    assert probed_layer(LAYERS) == 3
    assert probed_layer(1) == 0


def test_the_state_is_that_of_the_last_token_as_transformers_computes_it(folder: Path) -> None:
    engine = IpexEngine(folder, model="tiny")
    seen = looked(engine)
    theirs = tiny_qwen2.hugging_face_model(num_hidden_layers=LAYERS)
    tokens = torch.tensor([engine._tokenizer.render(PROMPT).tokens])
    with torch.inference_mode():
        hidden = theirs(tokens, output_hidden_states=True).hidden_states
    similar = torch.nn.functional.cosine_similarity(torch.from_numpy(seen.state), hidden[4][0, -1], dim=0)
    assert seen.layer == 3
    assert float(similar) > 0.99  # the weights here have 8 bits; the layers beside are below 0.9
    again = looked(engine).state  # of which all but one token was kept
    assert float(np.corrcoef(again, seen.state)[0, 1]) > 0.99


@pytest.mark.parametrize("bias", [-50.0, 50.0])
def test_a_prompt_without_an_answer_costs_no_word(folder: Path, bias: float) -> None:
    seen = looked(IpexEngine(folder, model="tiny"))
    probe = Probe(layer=seen.layer, weights=np.random.default_rng(0).normal(size=128) * 0.01, bias=bias)
    expected = bias + float(probe.weights @ seen.state)
    write_probe(folder / FILE, probe)
    try:
        engine = IpexEngine(folder, model="tiny")
        (text, usage), (unasked, _) = written(engine, 0.0), written(engine, None)
    finally:
        (folder / FILE).unlink()
    assert usage.answerable == pytest.approx(expected, abs=1e-2)
    assert unasked
    assert (text, usage.finish, usage.answer_tokens) == (
        ("", "unanswerable", 0) if bias < 0 else (unasked, "length", 4)
    )


def beginning(engine: IpexEngine, question: str, *refusals: str) -> str:
    prompt = Prompt(messages=(Message(role="user", parts=(question,)),))
    options = Generation(max_tokens=1, least_answerable=0.0, refusals=refusals)
    return "".join(each for each in engine.stream(prompt, options) if isinstance(each, str))


def test_a_model_that_has_an_answer_does_not_refuse(folder: Path) -> None:
    """Only its state decides then; without a probe its word counts."""
    engine = IpexEngine(folder, model="tiny")
    question = next(each for each in "abcdefghijklmnopqrstuvwxyz" if beginning(engine, each).isalnum())
    usual = beginning(engine, question)
    assert beginning(engine, question, usual) == usual
    write_probe(folder / FILE, Probe(layer=3, weights=np.zeros(128), bias=1.0))
    try:
        judged = IpexEngine(folder, model="tiny")
        assert beginning(judged, question) == usual
        assert beginning(judged, question, usual) != usual
    finally:
        (folder / FILE).unlink()


def test_without_a_probe_nothing_is_told(folder: Path) -> None:
    _, usage = written(IpexEngine(folder, model="tiny"), 0.0)
    assert (usage.answerable, usage.answer_tokens) == (None, 4)


def test_a_probe_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_probe(tmp_path / FILE, Probe(layer=3, weights=np.array([0.5, -2.0]), bias=-1.5))
    probe = read_probe(tmp_path, {})
    assert probe is not None
    assert probe.layer == 3
    assert probe.log_odds(np.array([2.0, 1.0], dtype=np.float32)) == -1.5 + 1.0 - 2.0
    assert read_probe(tmp_path / "elsewhere", {"sha256": "0" * 64}) is None


@pytest.mark.parametrize("data", [b"", b"not a probe", b"\xff" * 64])
def test_a_damaged_probe_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(ModelError, match=rf"{FILE} is damaged: .*; delete it and run `rag calibrate`"):
        read_probe(tmp_path, {})


def made_up(apart: float, *, count: int = 120) -> list[Example]:
    """States whose first number tells the kinds apart by so many standard deviations."""
    states = np.random.default_rng(1).normal(size=(count, 8)).astype(np.float32)
    states[::2, 0] += apart
    return [
        Example(
            looked=Looked(layer=18, state=state),
            answerable=number % 2 == 0,
            document=f"{number // 3}.txt",
            spoken="zh" if number % 4 > 1 else "en",
            elsewhere=number % 4 > 2,
        )
        for number, state in enumerate(states)
    ]


def test_documents_of_a_folder_are_held_out_together() -> None:
    """Their topic would betray them: each folder here is of one kind."""
    topics = np.random.default_rng(2).normal(size=(20, 8)).astype(np.float32) * 5
    alike = [
        replace(
            each,
            document=f"{number % 20}/{number}.txt",
            answerable=number % 20 < 10,
            looked=Looked(layer=18, state=each.looked.state + topics[number % 20]),
        )
        for number, each in enumerate(made_up(0.0, count=400))
    ]
    assert all(curve.area < 0.9 for curve in calibrated(alike).curves.values())


def test_what_can_be_told_apart_is() -> None:
    examples = made_up(9.0)
    calibration = calibrated(examples)
    assert all((calibration.probe.log_odds(each.looked.state) > 0) == each.answerable for each in examples)
    assert {kind: curve.area for kind, curve in calibration.curves.items()} == {
        "en, without an answer in their document": 1.0,
        "zh, shown another document": 1.0,
    }
    assert [right for _, right, _ in calibration.curves["zh, shown another document"].points] == [1.0] * 5
    assert (
        "zh, shown another document: 30 answerable, 30 unanswerable questions, area under the curve 1.000"
        in to_table(calibration)
    )


def test_what_cannot_be_told_apart_is_not_claimed_to_be() -> None:
    """Judged on what was held out: the probe itself could learn this little by heart."""
    for curve in calibrated(made_up(0.0, count=400)).curves.values():
        assert 0.35 < curve.area < 0.65


def test_too_few_questions_are_refused() -> None:
    with pytest.raises(InputError, match="30 answerable and 30 unanswerable questions are too few"):
        calibrated(made_up(9.0, count=60))


def test_an_engine_that_cannot_be_looked_at_is_named(config: Config) -> None:
    question = Question(id="1", text="How high?", document="a.txt", answers=("six",))
    made = QuestionSet(name="made", questions=(question,), texts={"a.txt": "It is six metres high."})
    with pytest.raises(ConfigError, match="the echo engine tells nothing of its state"):
        calibrate(config, [made])


class Looking(EchoEngine):
    """Notes the passages that it is shown; its state tells nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[str, ...]] = []

    def look(self, prompt: Prompt) -> Generator[Reading, None, Looked]:
        yield Reading(done=1, total=1)
        self.shown.append(tuple(part.split()[1] for part in prompt.messages[-1].parts[:-1]))
        return Looked(layer=0, state=np.zeros(1, dtype=np.float32))


def looked_at(config: Config, *questions: Question) -> tuple[list[Example], list[tuple[str, ...]]]:
    """Return the examples made of the questions, and the documents shown for each."""
    engine = Looking()
    with Rag(config, engine=engine) as rag:
        rag.sync()
        examples = list(examples_of(rag, QuestionSet(name="lamps", questions=questions), lambda _: None))
    return examples, engine.shown


def lamp(number: int, *, answerable: bool) -> Question:
    """Ask about a lamp; each has a folder of its own."""
    return Question(
        id=f"{number} {answerable}",
        text=f"How high is the lamp of harbour {number}?",
        document=f"harbour{number}/lamp.txt",
        answers=("metres",) if answerable else (),
    )


@pytest.fixture
def lamps(config: Config, write: Callable[[str, str], Path]) -> Config:
    for number in range(4):
        write(f"harbour{number}/lamp.txt", f"The lamp of harbour {number} is {number + 5} metres high.")
    return config


@pytest.mark.parametrize("first", [True, False])
def test_every_second_answerable_question_is_put_with_another_document(lamps: Config, *, first: bool) -> None:
    """However the kinds follow one another: here they alternate."""
    kinds = (first, not first)
    questions = [lamp(number, answerable=kind) for number in range(4) for kind in kinds]
    examples, shown = looked_at(lamps, *questions)
    other = [
        (each.document, passage) for each, passage in zip(examples, shown, strict=True) if each.elsewhere
    ]
    assert [document for document, _ in other] == ["harbour1/lamp.txt", "harbour3/lamp.txt"]
    assert all(passage != (document,) for document, passage in other)
    own = [
        (each.document, passage) for each, passage in zip(examples, shown, strict=True) if not each.elsewhere
    ]
    assert own == [(question.document, (question.document,)) for question in questions]
    assert [each.answerable for each in examples if not each.elsewhere] == [*kinds] * 4
    assert not any(each.answerable for each in examples if each.elsewhere)


def test_what_is_shown_another_document_is_held_out_with_its_own(lamps: Config) -> None:
    """A question without a document, which no folder can hold out, goes with the passage that it is shown."""
    unknown = Question(id="-", text="How high is the lamp of harbour 2?", document="")
    examples, shown = looked_at(lamps, lamp(0, answerable=True), lamp(1, answerable=True), unknown)
    assert [(each.document, each.elsewhere) for each in examples] == [
        ("harbour0/lamp.txt", False),
        ("harbour1/lamp.txt", False),
        ("harbour1/lamp.txt", True),
        ("harbour2/lamp.txt", False),
    ]
    assert shown[2] != ("harbour1/lamp.txt",)
    assert shown[3] == ("harbour2/lamp.txt",)


def test_a_copy_is_no_other_document(lamps: Config, write: Callable[[str, str], Path]) -> None:
    """It is found under the name of the first, unless one asks for its own."""
    write("a.txt", (lamps.data_dir / "harbour1" / "lamp.txt").read_text(encoding="utf-8"))
    examples, shown = looked_at(lamps, lamp(0, answerable=True), lamp(1, answerable=True))
    assert [each.elsewhere for each in examples] == [False, False, True]
    assert shown[1] == ("harbour1/lamp.txt",)
    assert shown[2][0] not in {"a.txt", "harbour1/lamp.txt"}


def test_a_document_that_is_missing_is_named(lamps: Config) -> None:
    missing = lamp(9, answerable=True)
    with pytest.raises(InputError, match=r"question 9 True asks about 'harbour9/lamp\.txt', which is not in"):
        calibrate(lamps, [QuestionSet(name="lamps", questions=(missing,))])


def test_the_probe_is_made_for_the_model_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no hub can be reached another stands in for the default."""
    monkeypatch.setattr("rag.models.chosen_model", lambda _: FALLBACK_MODEL)
    made = calibrated(made_up(1.0, count=200))
    monkeypatch.setattr("rag.evaluate.calibrate.calibrate", lambda *_, **__: made)
    questions = tmp_path / "set.jsonl"
    questions.write_text('{"question": "How fast?", "answerable": false}\n', encoding="utf-8")
    folder = lowbit_folder(FALLBACK_MODEL, Config(models_dir=tmp_path))
    folder.mkdir(parents=True)
    assert main(["calibrate", str(questions), "--models-dir", str(tmp_path)]) == 0
    assert f"{FALLBACK_MODEL} uses it" in capsys.readouterr().out
    assert (folder / FILE).is_file()
