"""A question that leans on the conversation is searched for as what it means; any other as it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.config import Config
from rag.datatypes import Answer
from rag.follow_up import accepted, follow_up
from rag.pipeline import Rag
from rag.retrieve import retrieve

QUESTIONS = Path(__file__).parent / "questions"
CONVERSATIONS: list[dict[str, Any]] = [
    json.loads(line) for line in (QUESTIONS / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
]


def said(question: str, text: str = "", **fields: Any) -> Answer:
    return Answer(question=question, text=text, **fields)


def searched(question: str, *history: Answer) -> str:
    meant = follow_up(question, history)
    return meant.question if meant else ""


def turns(language: str, *, held_out: bool) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each later turn with what is searched for in its place."""
    for conversation in CONVERSATIONS:
        history: list[Answer] = []
        for turn in conversation["turns"]:
            if (conversation["language"], conversation["held_out"]) == (language, held_out) and history:
                yield turn, searched(turn["question"], *history)
            history.append(
                said(turn["question"], turn["answer"], searched_for=searched(turn["question"], *history))
            )


@pytest.mark.parametrize(
    ("language", "held_out", "least"),
    [("en", False, 40), ("zh", False, 39), ("en", True, 59), ("zh", True, 54)],
)
def test_of_all_turns_nearly_all_are_told_to_depend_or_not(
    language: str, *, held_out: bool, least: int
) -> None:
    right = [bool(query) == turn["depends"] for turn, query in turns(language, held_out=held_out)]
    assert len(right) == (60 if held_out else 40)
    assert sum(right) >= least


@pytest.mark.parametrize(
    "question",
    [
        "Why did the king leave when he lost his crown?",
        "How do employees submit their expenses?",
        "What happens to the deposit when the tenant leaves and it is lost?",
        "If it rains, does the tour of the castle go ahead?",
        "How long does it take to renew a passport?",
        "Is it possible to cancel an order after it has been shipped?",
        "Is it legal to record here?",
        "Is it raining in Paris?",
        "Is it cold in the hall?",
        "Can you elaborate on the warranty of the Heron?",
        "Are you sure that the Heron costs eleven crowns?",
        "What is the machine that makes tea called?",
        "And who is the director of the museum?",
        "Is there parking near the station?",
        "What is photosynthesis?",
        "国王为什么在他失去王冠时离开？",
        "公司对其员工有什么要求？",
        "其他部门的员工有多少？",
        "应该怎么申请年假？",
        "为什么天空是蓝色的呢？",
        "土耳其的首都是哪里？",
        "那么年假有几天？",
        "什么是考据？",
    ],
)
def test_a_question_that_names_what_it_means_is_left_alone(question: str) -> None:
    assert searched(question, said("How loud is the Vela?", "72 decibels.")) == ""


@pytest.mark.parametrize(
    "question",
    [
        *(
            "Why?",
            "How much?",
            "And in winter?",
            "What about children?",
            "Does the Heron?",
            "The night shift",
        ),
        *(
            "no, I meant the X300",
            "Sorry, I meant to Mexico",
            "not the Vela, the Heron",
            "Can you elaborate?",
        ),
        *(
            "Are you sure?",
            "What happens when they expire?",
            "不是，我问的是衣服",
            "确定吗？",
            "出处是哪里？",
        ),
        *("Who wrote it?", "Where do they live?", "Is it safe?", "What does that mean?", "Who else?"),
        *("What is the capacity?", "Which one is cheaper?", "Tell me more", "How many of those?"),
        *(
            "那女生呢",
            "为什么？",
            "然后呢？",
            "夜班",
            "价格是多少？",
            "它的优点是什么？",
            "他什么时候出生的？",
        ),
        *(
            "该公司的总部在哪里？",
            "是谁设计的？",
            "还需要什么？",
            "哪个更贵？",
            "第二个呢？",
            "多宽？",
            "為什麼？",
        ),
    ],
)
def test_a_question_that_leaves_out_what_it_means_is_searched_for_with_it(question: str) -> None:
    assert searched(question, said("How loud is the Vela?", "72 decibels."))
    assert searched(question) == "", "the first question of a conversation has nothing to lean on"


@pytest.mark.parametrize(
    ("before", "answer", "question", "meant"),
    [
        ("How much does the Heron cost?", "Eleven.", "And the Kestrel?", "How much does the Kestrel cost?"),
        ("When is it open in summer?", "At nine.", "And in winter?", "When is it open in winter?"),
        ("How often is the Vela descaled?", "", "How long does it take?", "How long does the Vela take?"),
        ("Is a café in the hall?", "", "Does it open late?", "Is a café in the hall? Does it open late?"),
        ("Who founded the museum?", "Ada Thorne did [1].", "When was she born?", "When was Ada Thorne born?"),
        ("Who founded the museum?", "Ada Thorne [1].", "What are her books?", "What are Ada Thorne's books?"),
        ("The Heron or the Kestrel?", "", "Is the latter fast?", "Is the Kestrel fast?"),
        ("Compare Heron and Kestrel", "", "Is the first one bigger?", "Is Heron bigger?"),
        (
            "What is the difference between the blue room and the red room?",
            "",
            "How many seats does the latter have?",
            "How many seats does the red room have?",
        ),
        (
            "How do single tickets differ from season tickets?",
            "",
            "What do the former cost?",
            "What do single tickets cost?",
        ),
        (
            "What are War and Peace and Anna Karenina about?",
            "",
            "Who wrote the latter?",
            "What are War and Peace and Anna Karenina about? Who wrote the latter?",
        ),
        ("请比较年假和产假", "", "前者有几天？", "年假有几天？"),
        ("请假和旷工有什么区别？", "", "前者怎么算？", "请假怎么算？"),
        ("下载和上传有什么区别？", "", "前者怎么做？", "下载怎么做？"),
        ("What is the difference between cats and dogs?", "", "Do the former bite?", "Do cats bite?"),
        (
            "Which are let?",
            "The Heron, the Kestrel and the Egret [1].",
            "Is the third one big?",
            "Is the Egret big?",
        ),
        ("有哪些茶？", "龙井、碧螺春和普洱。[1]", "最后一种怎么泡？", "普洱怎么泡？"),
        (
            "Which are let?",
            "The Heron, the Kestrel.",
            "Is there another?",
            "Which are let? The Heron, the Kestrel. Is there another?",
        ),
        ("How much is the Vela?", "", "What is it used for?", "What is the Vela used for?"),
        ("How much is the Vela?", "", "Is it free for students?", "Is the Vela free for students?"),
        ("How much is the Vela?", "", "Is it open to the public?", "Is the Vela open to the public?"),
        ("How much is the Vela?", "", "What happens if it breaks?", "What happens if the Vela breaks?"),
        ("Who is Jane Smith?", "The Sales Manager.", "Where does she live?", "Where does Jane Smith live?"),
        ("Who is the director?", "Ada Thorne", "Where was she born?", "Where was Ada Thorne born?"),
        ("Does the Heron float?", "Yes", "How much is it?", "How much is the Heron?"),
        ("张三是谁？", "工程师。", "他住在哪里？", "张三住在哪里？"),
        ("导演是谁？", "王芳", "她几岁？", "王芳几岁？"),
        ("Who is Head of Finance?", "Anna Berg", "When did she join?", "When did Anna Berg join?"),
        ("董事长是谁？", "王芳。", "她住在哪里？", "王芳住在哪里？"),
        ("Who is HR Director?", "Ada Thorne", "Where does she live?", "Where does Ada Thorne live?"),
        ("戊戌变法是谁发起的？", "康有为。", "他是哪里人？", "康有为是哪里人？"),
        ("哪些品牌最好？", "华为、小米和苹果。", "第一个怎么样？", "华为怎么样？"),
        ("红楼梦的作者是谁？", "作者是曹雪芹。", "他还写过什么？", "曹雪芹还写过什么？"),
        ("公司有哪些部门？", "公司有财务部、人事部和技术部。", "第一个在几楼？", "财务部在几楼？"),
        ("男生跑多远？", "一千米。", "那女生呢？", "女生跑多远？"),
        ("KJ-500的功率是多少？", "66 W", "那KJ-300呢？", "KJ-300的功率是多少？"),
        ("PM2.5是多少？", "35", "PM10呢？", "PM2.5是多少？ PM10呢？"),
        ("KJ-500的滤芯QH-F5多少钱？", "239元", "那QH-F3呢？", "KJ-500的滤芯QH-F3多少钱？"),
        ("龙井产于哪里？", "杭州。", "它多少钱一斤？", "龙井多少钱一斤？"),
        ("桥是谁修的？", "林知远[1]。", "他是哪里人？", "林知远是哪里人？"),
        ("龙井和普洱有什么不同？", "", "后者怎么泡？", "普洱怎么泡？"),
        ("桥有多长？", "很长，一百二十八米。", "为什么？", "桥有多长？ 为什么？"),
    ],
)
def test_what_is_meant_is_put_in_where_only_one_thing_can_be(
    before: str, answer: str, question: str, meant: str
) -> None:
    assert searched(question, said(before, answer)) == meant
    found = follow_up(question, [said(before, answer)])
    assert found is not None
    assert found.whole == (question not in meant and "When is it" not in meant)


@pytest.mark.parametrize(
    ("before", "answer", "question"),
    [
        ("Who founded the Lusong tea house?", "Lin Yue", "When did she sell it?"),
        ("Who founded the Lusong tea house?", "Lin Yue", "What did he do there?"),
        ("Which?", "The Heron, the Kestrel and the Egret.", "Is the second one as fast as the third one?"),
        ("鹿松茶馆是谁开的？", "林月", "她什么时候把它卖掉的？"),
        ("苍鹭有多重？", "很重。", "它比这个重吗？"),
        ("When does the London office open?", "At nine.", "Who runs it?"),
        ("How big is the Tower Bridge museum?", "Big.", "When was it built?"),
        ("Is parking available? Where?", "Behind the hall.", "How much is it?"),
        ("有哪些茶？", "龙井、碧螺春和普洱。[1]", "第二种和第三种有什么区别？"),
    ],
)
def test_what_points_at_two_things_is_only_looked_for(before: str, answer: str, question: str) -> None:
    meant = follow_up(question, [said(before, answer)])
    assert meant is not None
    assert not meant.whole


def test_a_conversation_goes_on_from_what_was_searched_for() -> None:
    first = said("How much does the Heron cost?", "Eleven crowns. [1]")
    second = said("And the Kestrel?", "Nineteen. [2]", searched_for="How much does the Kestrel cost?")
    assert searched("Does it need a licence?", first, second) == "Does the Kestrel need a licence?"


@pytest.mark.timeout(5)
@pytest.mark.parametrize("piece", ["it ", "the ", "and ", "他", "什么", "The Heron ", "? ", "A"])
def test_a_question_as_long_as_can_be_asked_is_understood_quickly(piece: str) -> None:
    question = (piece * 4000)[:4000]
    assert searched(question, said("How much does the Heron cost?")) == ""
    assert len(searched("Does it?", said(question, question))) < 700


def test_a_refused_answer_says_nothing_of_what_is_meant() -> None:
    refused = said("Who rules Ruritania?", "The Documents Do Not Say.", refused=True)
    assert searched("Where was he born?", refused) == "Who rules Ruritania? Where was he born?"


def test_a_long_conversation_is_searched_for_with_its_first_and_last_question_only() -> None:
    history = [said("How deep is Lake Orrin?", "Ninety metres.")]
    for number in range(30):
        asked = f"Why so{' so' * number}?"
        history.append(said(asked, "It is.", searched_for=searched(asked, *history)))
    query = searched("Why?", *history)
    assert query.startswith("How deep is Lake Orrin?")
    assert len(query) < 350


@pytest.mark.parametrize(
    ("rewritten", "taken"),
    [
        ('"How much does the Egret cost?"\nIt costs 90.', "How much does the Egret cost?"),
        ("How much does the Titanic cost?", ""),
        ("第三条船多少钱？", ""),
        ("The third one is the Egret.", ""),
        ("How much is it?", ""),
        ("", ""),
    ],
)
def test_what_the_llm_makes_of_it_is_taken_only_if_every_word_was_said(rewritten: str, taken: str) -> None:
    history = [said("Which boats are there?", "The Heron, the Kestrel and the Egret. [1]")]
    assert accepted(rewritten, "How much does the third one cost?", history) == taken


@pytest.mark.model
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_searched_for_finds_what_the_question_alone_does_not(
    real_config: Config, language: str, tmp_path: Path
) -> None:
    config = real_config.model_copy(
        update={"data_dir": QUESTIONS / "documents", "index_dir": tmp_path, "passage_tokens": 48}
    )
    with Rag(config) as rag:
        rag.sync()

        def finds(query: str, wanted: str) -> bool:
            hits = retrieve(query, index=rag.index, embedder=rag.embedder, top_k=4)
            return any(wanted in " ".join(hit.passage.text.split()) for hit in hits)

        asked = [
            each for held in (False, True) for each in turns(language, held_out=held) if each[0]["depends"]
        ]
        raw = [finds(turn["question"], turn["finds"]) for turn, _ in asked]
        rewritten = [finds(query or turn["question"], turn["finds"]) for turn, query in asked]
    assert sum(raw) / len(raw) < 0.85
    assert sum(rewritten) / len(rewritten) >= 0.9
