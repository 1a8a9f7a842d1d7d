from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.errors import InputError
from rag.evaluate.sets import Question, read_set, sample

SQUAD: dict[str, Any] = {
    "version": "v2.0",
    "data": [
        {
            "title": "Tea",
            "paragraphs": [
                {
                    "context": "The house opened in 1921.",
                    "qas": [
                        {
                            "id": "a",
                            "question": "When did it open?",
                            "answers": [
                                {"text": "1921", "answer_start": 20},
                                {"text": "1921", "answer_start": 20},
                            ],
                        },
                        {
                            "id": "b",
                            "question": "When did it close?",
                            "answers": [],
                            "plausible_answers": [{"text": "1921", "answer_start": 20}],
                            "is_impossible": True,
                        },
                        {"id": "c", "question": " ", "answers": [{"text": "1921", "answer_start": 20}]},
                    ],
                }
            ],
        }
    ],
}
CLAPNQ = {
    "id": "7",
    "input": "why did it open",
    "passages": [
        {"title": "Tea", "text": "It opened . For tea .", "sentences": ["It opened .", "For tea ."]}
    ],
    "output": [{"answer": "To sell tea.", "selected_sentences": ["For tea ."], "meta": {}}],
}


def written(folder: Path, *records: Any) -> Path:
    file = folder / "set.jsonl"
    file.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records), encoding="utf-8")
    return file


def test_what_asks_nothing_is_left_out(tmp_path: Path) -> None:
    assert [each.id for each in read_set(written(tmp_path, SQUAD)).questions] == ["a", "b"]


def test_squad_questions_know_their_paragraph_and_whether_they_have_an_answer(tmp_path: Path) -> None:
    found = read_set(written(tmp_path, SQUAD))
    opened, closed = found.questions
    assert found.texts == {"Tea/0000-000.txt": "The house opened in 1921."}
    assert (opened.document, opened.answers, opened.answerable) == ("Tea/0000-000.txt", ("1921",), True)
    assert (closed.answers, closed.answerable) == ((), False)


def test_clapnq_questions_carry_the_sentences_that_support_the_answer(tmp_path: Path) -> None:
    unanswerable = {**CLAPNQ, "id": "8", "output": [{"answer": "", "selected_sentences": []}]}
    answered, other = read_set(written(tmp_path, CLAPNQ, unanswerable)).questions
    assert (answered.answers, answered.quotes) == (("To sell tea.",), ("For tea .",))
    assert not other.answerable


def test_own_lines_name_documents_of_the_user(tmp_path: Path) -> None:
    lines = [
        {
            "question": "几天？",
            "answers": "二十四天",
            "document": "员工手册.md",
            "quote": "年假二十四天。",
            "page": 2,
        },
        {"question": "Who won?", "answerable": False},
        {"question": "Drafted", "answers": ["x"], "document": "a.md", "confirmed": False},
    ]
    found = read_set(written(tmp_path, *lines))
    assert found.questions == (
        Question(
            id="1",
            text="几天？",
            document="员工手册.md",
            answers=("二十四天",),
            quotes=("年假二十四天。",),
            page=2,
        ),
        Question(id="2", text="Who won?", document=""),
    )
    assert (found.unconfirmed, dict(found.texts)) == (1, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a question set"),
        ("[1, 2]", "line 1"),
        ('{"question": "a", "answers": ["b"], "document": "c"}\n{broken', "line 2, is not JSON"),
        ('{"question": "a", "answers": ["b"]}', "line 1, names no answers or no document"),
        ('{"title": "a"}', "line 1, has no question"),
        ('{"question": "a", "answers": [34], "document": "c"}', "line 1: answers and quote are texts"),
        ('{"question": "a", "answers": 5, "document": "c"}', "line 1: answers and quote are texts"),
        ('{"question": "a", "answers": ["b"], "document": "c", "quote": 5}', "answers and quote are texts"),
        ('{"question": "a", "answers": ["b"], "document": "c", "page": "9"}', "the page is a number"),
        (
            '{"data": [{"paragraphs": [{"context": "x"}]}]}',
            "damaged SQuAD JSON: KeyError('qas') in article 1",
        ),
        ('{"id": 1, "input": "a", "passages": []}', "line 1, is damaged CLAPNQ"),
    ],
)
def test_what_is_no_question_set_is_refused_by_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"set\.jsonl") as caught:
        read_set(file)
    assert said in str(caught.value)


def test_a_string_may_hold_any_line_separator_of_unicode(tmp_path: Path) -> None:
    said = "How\u2028fast\x85?"
    line = json.dumps({"question": said, "answerable": False}, ensure_ascii=False)
    (tmp_path / "set.jsonl").write_text(line + "\r\n", encoding="utf-8")
    assert [each.text for each in read_set(tmp_path / "set.jsonl").questions] == [said]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json cannot be read"):
        read_set(tmp_path / "nowhere.json")


def test_a_sample_holds_as_many_of_each_kind_and_repeats_by_seed() -> None:
    questions = [
        Question(id=str(i), text="?", document="a", answers=("x",) if i % 3 else ()) for i in range(300)
    ]
    drawn = sample(questions, size=20, seed=5)
    assert [sum(each.answerable == kind for each in drawn) for kind in (True, False)] == [20, 20]
    assert drawn == sample(questions, size=20, seed=5)
    assert drawn != sample(questions, size=20, seed=6)
    assert list(drawn) == sorted(drawn, key=lambda each: int(each.id))
    assert sample(questions, size=None, seed=5) == tuple(questions)
