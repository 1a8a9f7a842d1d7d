"""The words around an answer in a terminal or a notebook and in the account of it, in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rag.chinese import in_chinese
from rag.datatypes import LeftOut
from rag.prompt import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A name for something, and what it means for who does not know it."""

    name: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What is said in one language; names in braces are filled in when shown."""

    code: Language
    searched_for: str
    unsupported: str
    sources: str
    nearest: str
    unmentioned: str
    joint: str  # between the words of a list
    quote: str
    seconds: str
    made: str
    made_unasked: str
    made_listed: str
    one_place: dict[str, str]  # by what is counted
    places: dict[str, str]
    at: str
    doubtful: str
    also: str
    remarks: str
    remark_joint: str
    why: str
    refused: str
    unsure: str
    chance: str
    passage: Term
    given: Term
    cited: Term
    dense: Term
    lexical: Term
    covered: Term
    fused: Term
    reranked: Term
    log_odds: Term
    given_whole: str
    given_cut: str
    left_out: dict[LeftOut, str]
    yes: str
    no: str
    time: str
    queued: Term
    rewrite: Term
    search: Term
    read: Term
    write: Term
    total: Term


ENGLISH: Final = Labels(
    code="en",
    searched_for="Searched for: {question}",
    unsupported="[?] No passage holds this sentence: check it before you rely on it.",
    sources="Sources",
    nearest="Nearest passages",
    unmentioned="No passage mentions: {words}",
    joint=", ",
    quote="“{text}”",
    seconds="{value} s",
    made=(
        "{model} on {engine} · {new} of {prompt} tokens read, {written} written"
        " · first word after {first}, {total} in all"
    ),
    made_unasked="refused without asking the model: {reason} · {total}",
    made_listed="told from the index, without the model · {total}",
    one_place={
        "page": "page {first}",
        "slide": "slide {first}",
        "sheet": "sheet {first}",
        "": "cells {first}",
    },
    places={
        "page": "pages {first}–{last}",
        "slide": "slides {first}–{last}",
        "sheet": "sheets {first}–{last}",
    },
    at=", ",
    doubtful="read by OCR, may contain errors",
    also="also {names}",
    remarks=" ({remarks})",
    remark_joint="; ",
    why="Why this answer",
    refused="Why it was refused: {reason}.",
    unsure="Sentences that no passage holds: {count}; they are marked.",
    chance="By the model's state, the chance that the passages hold the answer: {value:.0%}.",
    passage=Term(name="Passage", help="A piece of a document that the search found."),
    given=Term(
        name="Shown to the model",
        help="Whether the language model that writes the answer could read the passage, and how much of it.",
    ),
    cited=Term(name="Cited", help="Whether a sentence of the answer was found to stand in the passage."),
    dense=Term(
        name="By meaning",
        help="The place in the search by meaning, 1 being the best, and how near passage and question are in "
        "meaning: at most 1. A dash: not among the first.",
    ),
    lexical=Term(
        name="By words",
        help="The place in the search by the question's words, 1 being the best, and its score (BM25), for "
        "which a rare word counts more. A dash: not among the first.",
    ),
    covered=Term(
        name="Question's words in it",
        help="How many of the question's words stand in the passage; a rare word counts more.",
    ),
    fused=Term(
        name="Both together",
        help="The place when both searches are put together, 1 being the best, and the score behind it.",
    ),
    reranked=Term(
        name="Read again",
        help="The place after the first passages were compared with the question anew, and that score.",
    ),
    log_odds=Term(
        name="Holds the answer",
        help="The chance that the passage holds the answer, by the state of the language model that read it.",
    ),
    given_whole="whole",
    given_cut="{share}% of it",
    left_out={
        "room": "no: no room was left",
        "behind": "no: it fits much less than the best",
        "unfit": "no: none fits the question",
        "unread": "no: another holds the answer",
        "doubted": "read, but not sure enough",
    },
    yes="yes",
    no="no",
    time="Time",
    queued=Term(name="waiting", help="Until the questions of others were answered."),
    rewrite=Term(name="rewriting", help="Saying what a follow-up question means."),
    search=Term(name="search", help="Finding the passages."),
    read=Term(name="reading", help="The language model reading the passages and the question."),
    write=Term(name="writing", help="The language model writing the answer."),
    total=Term(name="in all", help="Without the waiting."),
)

CHINESE: Final = Labels(
    code="zh",
    searched_for="搜索的是：{question}",
    unsupported="[?] 没有段落可以佐证此句，引用前请核实。",
    sources="出处",
    nearest="最接近的段落",
    unmentioned="没有段落提到：{words}",
    joint="、",
    quote="“{text}”",
    seconds="{value} 秒",
    made="{model}（{engine}）· 读取 {new} / {prompt} 个词元，写出 {written} 个 · 首字 {first}，共 {total}",
    made_unasked="未询问模型：{reason} · {total}",
    made_listed="由索引直接得出，未询问模型 · {total}",
    one_place={
        "page": "第 {first} 页",
        "slide": "幻灯片 {first}",
        "sheet": "工作表 {first}",
        "": "单元格 {first}",
    },
    places={
        "page": "第 {first}–{last} 页",
        "slide": "幻灯片 {first}–{last}",
        "sheet": "工作表 {first}–{last}",
    },
    at="，",
    doubtful="由 OCR 识别，可能有误",
    also="亦见于 {names}",
    remarks="（{remarks}）",
    remark_joint="；",
    why="为什么是这个回答",
    refused="未作答的原因：{reason}。",
    unsure="没有段落可以佐证、已作标记的句子：{count} 个。",
    chance="据模型内部状态，段落中有答案的可能性：{value:.0%}。",
    passage=Term(name="段落", help="检索到的文档片段。"),
    given=Term(name="给模型看", help="撰写回答的语言模型能否读到这个段落，读到多少。"),
    cited=Term(name="被引用", help="回答中是否有句子出自这个段落。"),
    dense=Term(
        name="按语义",
        help="在语义检索中的名次（1 为最佳），以及段落与问题的语义接近程度（最大为 1）。横线：不在前列。",
    ),
    lexical=Term(
        name="按字词",
        help="在字词检索中的名次（1 为最佳）及得分（BM25），越罕见的词分量越重。横线：不在前列。",
    ),
    covered=Term(name="含问题字词", help="问题中的字词有多少出现在段落中，越罕见的词分量越重。"),
    fused=Term(name="综合", help="两种检索合并后的名次（1 为最佳），以及据以排序的得分。"),
    reranked=Term(name="复核", help="将排在前面的段落与问题重新比对后的名次及得分。"),
    log_odds=Term(name="含有答案", help="据读过该段落的语言模型的内部状态，段落中含有答案的可能性。"),
    given_whole="全部",
    given_cut="{share}%",
    left_out={
        "room": "否：篇幅已满",
        "behind": "否：远不如最相关的段落",
        "unfit": "否：都与问题不符",
        "unread": "否：别的段落里有答案",
        "doubted": "读过，但把握不够",
    },
    yes="是",
    no="否",
    time="用时",
    queued=Term(name="排队", help="等待他人的问题得到回答。"),
    rewrite=Term(name="改写", help="弄清追问所指。"),
    search=Term(name="检索", help="查找段落。"),
    read=Term(name="阅读", help="语言模型阅读段落和问题。"),
    write=Term(name="撰写", help="语言模型写出回答。"),
    total=Term(name="共", help="不含排队。"),
)

LABELS: Final[dict[Language, Labels]] = {"en": ENGLISH, "zh": CHINESE}


def told(said: str, labels: Labels) -> str:
    """Return a reason, which is made in English, in the labels' language."""
    return in_chinese(said) if labels.code == "zh" else said
