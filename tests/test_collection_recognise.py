"""A question about the collection itself is told from one about what the documents say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.collection.names import Names
from rag.collection.recognise import LONGEST, recognise
from rag.collection.topics import alternatives
from rag.collection.wishes import Everything, Mentions, Sides, Summary, Task, Unclear
from rag.datatypes import Answer, Citation
from rag.index.rows import Titled

SET = Path(__file__).parent / "questions" / "collection.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in SET.read_text(encoding="utf-8").splitlines()]
FILES = {
    "handbook.md": "Lantern Quay Library Cooperative: staff handbook",
    "员工手册.md": "青石渡茶厂员工手册",
    "学生手册.docx": "",
    "boathouse.pdf": "The boathouse: rules and equipment",
    "reports/Annual Report 2023.pdf": "",
    "reports/annual_report_2024.pdf": "Annual report for 2024",
    "coffee.md": "Coffee",
    "tea.md": "Tea",
    "茶.md": "",
    "咖啡.md": "",
    "安澜桥.md": "安澜桥",
    "赵州桥.md": "赵州桥",
    "a/plan.txt": "",
    "b/plan.txt": "",
}


def names(files: dict[str, str] = FILES) -> Names:
    return Names(
        [Titled(source=source, content=source, passages=1, title=title) for source, title in files.items()]
    )


def asked(question: str, *history: Answer, files: dict[str, str] = FILES) -> Task | None:
    return recognise(question, history, lambda: names(files))


def wanted(row: dict[str, Any]) -> Task | None:
    kinds: dict[str | None, Task | None] = {
        None: None,
        "everything": Everything(),
        "mentions": Mentions(topic=row["topic"]),
        "summary": Summary(source=(*row["documents"], "")[0]),
        "sides": Sides(sources=tuple(row["documents"]), topic=row["topic"]),
    }
    return kinds[row["asks"]]


def cites(*documents: str) -> Answer:
    citations = (
        Citation(marker=at, document=name, page=None, quote="x", start=0, end=1)
        for at, name in enumerate(documents, start=1)
    )
    return Answer(question="How much?", text="x", citations=tuple(citations))


def test_the_set_is_half_of_other_questions_in_both_languages() -> None:
    for language in ("en", "zh"):
        kinds = [row["asks"] for row in ROWS if row["language"] == language]
        assert (len(kinds), kinds.count(None)) == (40, 20)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["question"])
def test_each_question_of_the_set_is_told(row: dict[str, Any]) -> None:
    assert asked(row["question"]) == wanted(row)


def test_an_ordinary_wording_never_asks_for_the_names_of_documents() -> None:
    def unasked() -> Names:
        raise AssertionError("the index was asked")

    for question in ("How many days of leave?", "Who keeps the documents?", "年假有几天？", "谁保管文件？"):
        assert recognise(question, (), unasked) is None


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("HANDBOOK.MD", "handbook.md"),
        ("ｈａｎｄｂｏｏｋ．ｍｄ", "handbook.md"),
        ("the file handbook.md", "handbook.md"),
        ("“Annual Report 2023”", "reports/Annual Report 2023.pdf"),
        ("annual-report 2024", "reports/annual_report_2024.pdf"),
        ("reports/annual_report_2024.pdf", "reports/annual_report_2024.pdf"),
        ("staff handbook", "handbook.md"),
        ("《員工手冊》", "员工手册.md"),
        ("青石渡茶厂 员工手册", "员工手册.md"),
        ("员工手册文件", "员工手册.md"),
    ],
)
def test_a_name_is_found_however_it_is_written(name: str, source: str) -> None:
    assert names().find(name) == (source,)


@pytest.mark.parametrize("name", ["", "handbook of boats", "the", "report", "手册", "nothing.md"])
def test_a_name_that_no_document_has_is_not_found(name: str) -> None:
    assert names().find(name) == ()


def test_files_of_the_same_content_are_one_document() -> None:
    both = [Titled(source=source, content="c", passages=1, title="Rules") for source in ("a.md", "b.md")]
    assert Names(both).find("Rules") == ("a.md",)


@pytest.mark.parametrize(
    "question", ["Summarise this file", "总结一下这份文件", "What is this document about?"]
)
def test_this_file_is_the_one_that_the_last_answer_cites(question: str) -> None:
    assert asked(question, cites("tea.md"), cites("coffee.md")) == Summary(source="coffee.md")
    assert asked(question, files={"only.md": ""}) == Summary(source="only.md")
    for history in ((), (cites("tea.md", "coffee.md"),)):
        assert isinstance(asked(question, *history), Unclear)


@pytest.mark.parametrize(
    ("question", "topic"),
    [("And what does it say about leave?", "leave"), ("它里面关于年假怎么规定的？", "年假")],
)
def test_it_is_the_document_that_the_last_answer_cites(question: str, topic: str) -> None:
    assert asked(question, cites("handbook.md")) == Sides(sources=("handbook.md",), topic=topic)
    assert asked(question) is None
    assert asked(question, cites("handbook.md", "tea.md")) is None


def test_a_name_of_several_documents_is_asked_back() -> None:
    assert asked("Summarise plan.txt") == Unclear(name="plan.txt", known=("a/plan.txt", "b/plan.txt"))
    assert asked("Summarise b/plan.txt") == Summary(source="b/plan.txt")


def test_a_file_that_is_not_there_is_told_so() -> None:
    assert asked("Summarise missing.pdf") == Unclear(name="missing.pdf", unknown=True)
    assert asked("What is missing.pdf about?") is None


def test_things_that_files_are_named_after_are_no_documents_unless_written_as_such() -> None:
    assert asked("Compare coffee and tea") is None
    assert asked("Compare coffee.md and tea.md") == Sides(sources=("coffee.md", "tea.md"))
    assert asked("安澜桥和赵州桥有什么区别？") is None
    assert asked("《安澜桥》和《赵州桥》有什么区别？") == Sides(sources=("安澜桥.md", "赵州桥.md"))


@pytest.mark.parametrize(
    "question",
    [
        "日志写在哪个文件里？",
        "数据库密码保存在哪个文件中？",
        "Which documents mention leave but not overtime?",
        "Which documents mention neither leave nor pay?",
        "哪些文档提到年假但没有提到加班？",
        "除了请假以外哪些文档提到年假？",
    ],
)
def test_no_list_tells_where_a_file_is_written_or_what_documents_lack(question: str) -> None:
    assert not isinstance(asked(question), Mentions)


def test_what_may_be_mentioned_can_have_a_no_in_it() -> None:
    assert asked("哪些文档提到不可抗力？") == Mentions(topic="不可抗力")
    assert asked("年假在哪些文档中提到？") == Mentions(topic="年假")
    assert asked("Which documents mention unpaid leave?") == Mentions(topic="unpaid leave")
    assert asked("哪些文档提到解除对外担保？") == Mentions(topic="解除对外担保")
    assert asked("哪些文档提到合并未分配利润？") == Mentions(topic="合并未分配利润")
    paid = "leave with and without pay"
    assert asked(f"Which documents mention {paid}?") == Mentions(topic=paid)


def test_pdfs_are_documents_of_that_kind_alone() -> None:
    assert asked("List all pdfs") == asked("有哪些PDF？") == Everything(kind="pdf")
    assert asked("Which PDFs mention the boathouse?") == Mentions(topic="the boathouse", kind="pdf")
    assert asked("哪些pdf提到了船屋？") == Mentions(topic="船屋", kind="pdf")
    assert asked("Which documents mention PDF files?") == Mentions(topic="PDF files")


def test_a_thing_with_a_dot_is_no_file_unless_there_are_such_files() -> None:
    for question in (
        "Summarise Node.js",
        "Summarise the changes in Node.js",
        "总结一下Node.js",
        "概述ASP.NET",
    ):
        assert asked(question) is None
    scripts = {**FILES, "server.js": ""}
    assert asked("Summarise main.js", files=scripts) == Unclear(name="main.js", unknown=True)


@pytest.mark.parametrize(
    "question", ["这里" * 2000, "which documents " * 200, "和" * 290, "的" * 290 + "区别"]
)
def test_a_hostile_question_costs_little(question: str) -> None:
    assert asked(question[: 2 * LONGEST]) is None
    assert asked(question[:LONGEST]) is None


@pytest.mark.parametrize(
    ("question", "task"),
    [
        ("Summarise coffee.md and tea.md", Sides(sources=("coffee.md", "tea.md"))),
        ("总结coffee.md和tea.md", Sides(sources=("coffee.md", "tea.md"))),
        ("Summarise coffee.md in three sentences", Summary(source="coffee.md")),
        ("Summarise coffee.md in Chinese", Summary(source="coffee.md")),
        ("用三句话总结coffee.md", Summary(source="coffee.md")),
        ("简述员工手册", Summary(source="员工手册.md")),
        ("What is in coffee.md?", Summary(source="coffee.md")),
        ("Give me the key points of coffee.md", Summary(source="coffee.md")),
        ("What does coffee.md contain?", Summary(source="coffee.md")),
        ("What does coffee contain?", None),
        ("What is in coffee?", None),
        ("Which document is about to expire?", None),
        ("Which files are about 10 MB?", None),
        ("Which documents mention 30 days' notice?", Mentions(topic="30 days' notice")),
        ("Which documents mention to-do lists?", Mentions(topic="to-do lists")),
        ("Which documents mention courses in English?", Mentions(topic="courses in English")),
        ("哪些文档提到了解决方案？", Mentions(topic="解决方案")),
        ("哪些文档提到过分？", Mentions(topic="过分")),
        ("哪些文档提到过敏？", Mentions(topic="过敏")),
        ("哪些文档提到过期药品？", Mentions(topic="过期药品")),
        ("哪些文档提到个人信息？", Mentions(topic="个人信息")),
        ("哪些文档提到有关部门？", Mentions(topic="有关部门")),
        ("哪些文档提到过加班的内容？", Mentions(topic="加班")),
    ],
)
def test_what_is_asked_of_documents_is_told_from_what_is_asked_of_things(
    question: str, task: Task | None
) -> None:
    assert asked(question) == task


@pytest.mark.parametrize(
    ("topic", "found"),
    [
        ("overtime or parental leave", ["overtime", "parental leave"]),
        ("tea, coffee and milk", ["tea coffee and milk"]),
        ("tea, coffee or milk", ["tea", "coffee", "milk"]),
        ("both overtime and leave", ["overtime and leave"]),
        ("the word overtime", ["overtime"]),
        ("terms of service", ["terms of service"]),
        ("the terms of service", ["the terms of service"]),
        ("word processing", ["word processing"]),
        ("1,200 employees", ["1200 employees"]),
        ("加班和年假", ["加班 年假"]),
        ("加班或出差", ["加班", "出差"]),
        ("年假、加班和出差", ["年假 加班 出差"]),
        ("年假、加班", ["年假", "加班"]),
        ("和平", ["和平"]),
        ("员工的福利", ["员工 福利"]),
        ("加班这个词", ["加班"]),
    ],
)
def test_a_topic_is_one_or_another_or_several_at_once(topic: str, found: list[str]) -> None:
    assert alternatives(topic) == tuple(found)
