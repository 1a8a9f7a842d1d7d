"""Questions whose documents are left out of the index."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag.cli import main
from rag.config import Config
from rag.errors import InputError
from rag.evaluate import Plan, Variant, evaluate, parse_variant, read_set
from rag.evaluate.page import to_html
from rag.evaluate.report import to_json
from rag.evaluate.sets import Question, QuestionSet, sample
from rag.evaluate.withhold import withheld_from

NAMES = ("Lusong", "Aalness", "Brekkum", "Dunvik")
FACTS = {
    f"{name.lower()}.txt": f"The tea house of {name} opened in {1921 + 7 * i}."
    for i, name in enumerate(NAMES)
}


def own_set(folder: Path) -> Path:
    """One question about each document of the user's own folder."""
    file = folder / "mine.jsonl"
    lines = [
        {
            "question": f"When did the tea house of {name} open?",
            "answers": [str(1921 + 7 * i)],
            "document": f"{name.lower()}.txt",
        }
        for i, name in enumerate(NAMES)
    ]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return file


@pytest.fixture
def written(config: Config, write: Callable[[str, str], Path]) -> Config:
    for name, text in FACTS.items():
        write(name, text)
    return config


def told(config: Config, questions: QuestionSet, plan: Plan) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(to_json(evaluate(config, questions, plan)))["questions"]
    return records


@pytest.mark.parametrize("passage_tokens", ["", "passage_tokens=64"])
def test_a_withheld_document_is_not_found_and_its_question_has_no_answer(
    written: Config, tmp_path: Path, passage_tokens: str
) -> None:
    plan = Plan(
        size=2, withhold=2, variants=(Variant(name="as set"), parse_variant(passage_tokens or "top_k=2"))
    )
    records = told(written, read_set(own_set(tmp_path)), plan)
    asked = {each["document"] for each in records if not each["withheld"]}
    withheld = {each["document"] for each in records if each["withheld"]}
    assert asked | withheld == set(FACTS)
    assert not asked & withheld
    for each in records:
        assert each["answerable"] is not each["withheld"]
        assert not {cited["document"] for cited in each["citations"]} & withheld
        assert each["answers"] == [] or each["contained"] == 1.0


def test_the_texts_of_a_set_are_left_out_as_well(config: Config, tmp_path: Path) -> None:
    questions = read_set(own_set(tmp_path))
    with_texts = QuestionSet(name="texts", questions=questions.questions, texts=FACTS)
    report = evaluate(config, with_texts, Plan(size=3, withhold=1))
    assert report.made["withheld"] == 1
    assert report.made["n"] == 4
    refusal = report.variants["as set"]["refusal"]
    assert {name: figure.n for name, figure in refusal.items() if figure} == {
        "refused_unanswerable": 1,
        "refused_answerable": 3,
    }
    assert "no answer: its document was withheld" in to_html(report)


def test_a_copy_of_a_withheld_document_is_left_out_too(written: Config, tmp_path: Path) -> None:
    for name, text in FACTS.items():
        (written.data_dir / f"copy of {name}.md").write_text(text, encoding="utf-8")
    for each in told(written, read_set(own_set(tmp_path)), Plan(size=2, withhold=2)):
        assert each["answerable"] or each["document"][:-4] not in " ".join(
            cited["quote"].lower() for cited in each["citations"]
        )


def test_a_copy_that_another_question_needs_is_named(
    config: Config, write: Callable[[str, str], Path], tmp_path: Path
) -> None:
    for name in ("a.txt", "b.txt"):
        write(name, FACTS["lusong.txt"])
    file = tmp_path / "mine.jsonl"
    line = '{"question": "When did it open?", "answers": ["1921"], "document": "%s"}'
    file.write_text("\n".join(line % name for name in ("a.txt", "b.txt")), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"asks about '[ab]\.txt', of which '[ab]\.txt', to be withheld, is a copy"
    ):
        evaluate(config, read_set(file), Plan(size=1, withhold=1))


def test_a_withheld_document_that_is_not_there_is_named(written: Config, tmp_path: Path) -> None:
    questions = read_set(own_set(tmp_path))
    (withheld,) = withheld_from(questions, questions.questions[:3], count=1, seed=0)
    (written.data_dir / withheld.document).unlink()
    with pytest.raises(InputError, match=r"asks about 'dunvik\.txt', which is not in"):
        evaluate(written, QuestionSet(name="s", questions=(*questions.questions[:3], withheld)))


def test_what_is_drawn_keeps_its_documents_and_the_seed_decides() -> None:
    questions = QuestionSet(
        name="s",
        questions=tuple(
            Question(id=f"{document}-{number}", text="?", document=f"{document}", answers=("x",))
            for document in range(60)
            for number in range(3)
        ),
    )
    drawn = sample(questions.questions, size=30, seed=1)
    withheld = withheld_from(questions, drawn, count=40, seed=1)
    assert len({each.id for each in withheld}) == 40
    assert not {each.document for each in withheld} & {each.document for each in drawn}
    assert all(each.withheld and not each.answerable for each in withheld)
    assert withheld == withheld_from(questions, drawn, count=40, seed=1)
    assert withheld != withheld_from(questions, drawn, count=40, seed=2)


def test_a_paragraph_that_stands_twice_in_a_set_is_not_withheld() -> None:
    asked = Question(id="1", text="?", document="a", answers=("x",))
    same, other = (Question(id=name, text="?", document=name, answers=("x",)) for name in ("same", "other"))
    texts = {"a": "one", "same": "one", "other": "two"}
    questions = QuestionSet(name="s", questions=(asked, same, other), texts=texts)
    assert [each.id for each in withheld_from(questions, [asked], count=1, seed=0)] == ["other"]


def test_too_few_to_withhold_says_what_to_do(
    written: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--engine", "echo", "--embedder", "hashing", "--data-dir", str(written.data_dir)]
    assert main(["evaluate", str(own_set(tmp_path)), "--questions", "3", "--withhold", "2", *flags]) == 1
    assert (
        "mine has 1 answerable questions about documents that no question drawn is about, too few to "
        "withhold 2; withhold fewer, or draw fewer with --questions" in capsys.readouterr().err
    )


def test_withholding_without_answers_measures_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(own_set(tmp_path)), "--withhold", "1", "--retrieval-only"]) == 1
    assert "--retrieval-only leaves out" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--questions", "--withhold"])
def test_fewer_than_no_questions_is_a_wrong_command_line(
    tmp_path: Path, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", str(own_set(tmp_path)), f"{flag}=-5"])
    assert "'-5' is not a number from 0 on" in capsys.readouterr().err
