"""Between languages: in what script a text is, and how a question would stand in the other.

Every cosine between two languages is lower than one within a language, whatever the texts say: asked in
Chinese in a folder of both, hardly an English passage is among the first 30. A few everyday sentences, told
in both, show by how much and in which direction (the self-language bias of Yang et al. 2021; such texts are
the cohort of score normalisation, Auckenthaler et al. 2000). Turned in that direction a question finds
passages of the other language: of 120 questions over 512 paragraphs .96 of the right ones are among the
first 30, else .32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from rag.datatypes import Vector, Vectors
from rag.embed import Embedder

Script: TypeAlias = Literal["han", "latin"]

HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
WORD: Final = re.compile(rf"{HAN.pattern}|[^\W\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
LONG_WORD: Final = re.compile(r"[^\W\d_\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]{3,}")  # not kg or dB
WORDS_ONLY: Final = frozenset({"hashing"})  # embedders that never match across scripts
EVERYDAY: Final = (
    ("The museum is closed on Mondays and on public holidays.", "博物馆每周一和法定节假日闭馆。"),
    ("Water boils at a lower temperature high in the mountains.", "在高山上，水的沸点比较低。"),
    (
        "The king died without an heir, and war broke out among his cousins.",
        "国王死后没有继承人，他的堂兄弟之间爆发了战争。",
    ),
    (
        "Click the button on the right to save the file under another name.",
        "点击右边的按钮，把文件另存为其他名称。",
    ),
    ("Sales rose by eight percent in the second quarter.", "第二季度的销售额增长了百分之八。"),
    ("The tenant shall pay the rent before the fifth day of each month.", "承租人应于每月五日前支付租金。"),
    (
        "She scored twice in the final and was named player of the year.",
        "她在决赛中两度得分，并当选年度最佳球员。",
    ),
    ("Take one tablet after meals, three times a day.", "每日三次，每次一片，饭后服用。"),
    ("The river flows through four provinces before it reaches the sea.", "这条河流经四个省，最后注入大海。"),
    ("The function returns an empty list when nothing matches.", "没有匹配项时，该函数返回空列表。"),
    (
        "The birds nest in tall trees and feed on insects and fruit.",
        "这种鸟在高大的树上筑巢，以昆虫和果实为食。",
    ),
    ("His third novel was translated into eleven languages.", "他的第三部小说被翻译成十一种语言。"),
    ("The committee approved the minutes of the previous meeting.", "委员会通过了上次会议的纪要。"),
    ("Add the flour, stir well, and bake for half an hour.", "加入面粉，搅拌均匀，烘烤半小时。"),
    ("The line was extended to the airport, with six new stations.", "这条线路延伸到机场，新设六个车站。"),
    ("Students must register for courses in the first week of term.", "学生须在开学第一周内选课。"),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cohort:
    """Texts of both scripts that answer no question, as vectors."""

    vectors: dict[Script, Vectors]

    def turned(self, question: Vector, script: Script) -> Vector:
        """Return a question of this script as if it had been asked in the other."""
        other: Script = "latin" if script == "han" else "han"
        moved = question + self.vectors[other].mean(axis=0) - self.vectors[script].mean(axis=0)
        return np.asarray(moved / np.linalg.norm(moved), dtype=np.float32)

    def cosines(self, question: Vector, script: Script) -> list[float]:
        return [float(cosine) for cosine in self.vectors[script] @ question]


_KNOWN: Final[WeakKeyDictionary[Embedder, Cohort]] = WeakKeyDictionary()


def cohort(embedder: Embedder) -> Cohort:
    """Return the everyday texts as this embedder sees them; the first time takes a third of a second."""
    known = _KNOWN.get(embedder)
    if known is None:
        latin, han = zip(*EVERYDAY, strict=True)
        known = Cohort(vectors={"latin": embedder.embed_passages(latin), "han": embedder.embed_passages(han)})
        _KNOWN[embedder] = known
    return known


def script_of(text: str) -> Script:
    """Return the script of most of the words: a Chinese character says about as much as a Latin word.

    Numbers and units are in neither, or a table of them would not be in the language of its names.
    """
    characters = len(HAN.findall(text))
    return "han" if characters and characters >= len(LONG_WORD.findall(text)) else "latin"
