"""Chinese: whether a question asks of the collection itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rag.collection.wishes import Wish
from rag.index.lexical import chinese_words

DOCUMENTS: Final = "(?:文档|文件|资料|pdf)"
WHICH: Final = f"(?:(?:哪些|哪几?(?:个|份|篇)|哪一(?:个|份|篇)|什么|(?:多少|几)(?:个|份|篇)?){DOCUMENTS})"
HERE: Final = (
    "(?:你们?|您|我们?|这里|那里|这儿|现在|目前|当前|库里|库中"
    "|(?:知识库|索引|资料库|文档库|文件夹)[里中]?面?)*"
)
OF: Final = "关于|有关(?!部门|单位|人员|规定|方面)"
TALK: Final = (
    "(?:提到|提及|提过|谈到|谈及|讲到|讲述|讲了|讲过|说到|说了|写到|写了|出现|规定了"
    f"|涉及|讨论|介绍|描述|记载|{OF}|包含|含有)"
)
POLITE: Final = re.compile(
    r"^(?:请问|请|麻烦|劳驾|能否|能不能|可否|可以|帮忙|帮我|给我|替我|为我|你能|你可以|我想知道|我想|告诉我|[,，\s])+"
)
TAIL: Final = re.compile(r"[\s?？。.!！,，吗呢吧啊呀]+$")
LIST: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        f"{HERE}(?:一共|总共|共|都|中)*(?:有|收录了?|索引了?|包含|能看到|读过|看过|读了|上传了|添加了|放了){WHICH}",
        f"{WHICH}(?:已经?)?(?:被)?(?:索引|收录)了?",
        f"(?:列出|列一下|列举|显示|看看|看一下|展示)(?:一下)?{HERE}(?:所有|全部|现有)?的?{DOCUMENTS}(?:列表|清单|目录)?",
        f"{DOCUMENTS}(?:列表|清单)",
        f"(?:这些|这批|所有|全部|我的|你的)的?{DOCUMENTS}(?:主要|大致|大概|都|分别|各)*"
        "(?:讲|说|写|介绍|谈|关于|是关于|涉及)(?:了|的|的是)?(?:些)?(?:什么|哪些)(?:内容|方面|主题)?(?:的)?",
    )
)
ABOUT: Final = f"(?:都|有)*{TALK}"
CONTENT: Final = "(?:(?:相关的?|的)(?:内容|信息|事情|问题|方面))?"
MENTION: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        f"(?:在|{HERE}有)?{WHICH}(?:里面?|中|当中|之中)?(?:是)?{ABOUT}(?P<topic>.+?){CONTENT}的?",
        f"(?:有没有|有无|是否有|有)(?:哪些|什么)?{DOCUMENTS}(?:里面?|中)?{ABOUT}(?P<topic>.+?){CONTENT}的?",
        f"(?:有没有|有无|是否有|找出|找到|列出|找一下|查找|搜索)(?:一下)?(?:所有|全部|哪些)?(?:的)?"
        f"{TALK}(?P<topic>.+?)的{DOCUMENTS}",
        f"(?:{HERE}有)?{WHICH}(?:[与和跟])(?P<topic>.+?)(?:有关|相关)(?:系|联)?的?",
        f"(?:{HERE}有)?哪些(?:关于|有关)(?P<topic>.+?)的{DOCUMENTS}",
        f"{HERE}(?:关于|提到|涉及|有关)(?P<topic>.+?)的{DOCUMENTS}有(?:哪些|多少(?:个|份|篇)?|几(?:个|份|篇))",
        f"(?P<topic>.+?)在{WHICH}(?:里面?|中)?(?:被)?(?:提到|提及|讲到|说到|谈到|出现)过?了?",
        f"(?P<topic>.+?)出现在{WHICH}(?:里面?|中)?过?了?",
        f"(?:在)?{WHICH}(?:里面?|中)(?:有|能找到|可以找到)(?:关于)?(?P<topic>.+?)的?(?:内容|信息|资料|说明)",
    )
)
NOT_A_TOPIC: Final = re.compile(  # no list tells what documents lack
    r"^(?:的|什么|哪些|谁|它|这个|那个|其他|其它)|需要|必须|应该|应当"
    r"|(?:但是?|而|却|又|并|，)(?:没有?|不|未)(?:有|被)?(?:提|讲|说|谈|涉及|包含|包括|含|出现)|除了.+(?:以外|之外|外)"
)
SHORT: Final = "(?:用(?:中文|英文|[一两二三四五几\\d]+句话)|简单|简要|简短|大致|大概|快速|帮忙|地|来)*"
GIST: Final = "(?:的)?(?:主要|核心|全部|大致|大概|整个)?(?:内容|要点|大意|大概|重点|主旨|概要|全文)?"
SUMMARY: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        f"{SHORT}(?:做一?个?)?(?:总结|概括|概述|归纳|摘要|综述|简述)(?:和?(?:概括|归纳))?(?:一下子?|下|出|一遍)?"
        f"(?P<name>.+?){GIST}",
        f"(?:把|将|对)(?P<name>.+?){GIST}{SHORT}(?:进行|做一?[个下]?|作一?个?)?"
        "(?:总结|概括|概述|归纳)(?:一下|下)?",
        "(?P<name>.+?)的(?:内容)?(?:摘要|概要|总结|概述)",
    )
)
TOLD: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        "(?P<name>.+?)(?:里面?|中)?(?:主要|大概|大致|到底|究竟|都|具体)*(?:讲|说|写|介绍|谈|讲述)(?:了|的|的是)?(?:些)?"
        "(?:什么|啥)(?:内容|东西|事)?的?",
        "(?P<name>.+?)的?(?:主要|核心)?(?:内容|大意|主旨|要点)(?:是什么|有哪些|是啥)",
        "(?P<name>.+?)是(?:关于|讲|说)(?:什么|啥)(?:内容|东西)?的?",
    )
)
SAID: Final = re.compile(
    "(?:那么?)?(?P<names>.+?)(?:里面?|中|上)?(?:对于?|关于|就)(?P<topic>.+?)(?:是|都|分别)*"
    "(?:(?:怎么|如何|怎样)(?:说|讲|写|规定)?|有(?:什么|哪些)|(?:说|讲|写)了?些?什么)的?(?:规定|内容|要求)?",
    re.IGNORECASE,
)
COMPARE: Final = re.compile(
    r"(?:对?比较?|对比|对照)(?:一下|一比|下)?(?P<both>.+)|(?P<apart>.+?)(?:有(?:什么|何|哪些|没有|啥)|之间的?|的|在)*"
    "(?:主要|最大|重要)?的?(?:区别|不同|差异|差别|异同|不一样)(?:是什么|有哪些|在哪里?|之处)?(?:的地方)?"
)
JOINT: Final = re.compile(r"\s*(?:和|与|跟|同|以及|及|、|vs\.?|对比)\s*")
ASPECT: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<name>.+?)(?:之间|两者)?",
        r"(?P<name>.+?)(?:之间|两者)?(?:在|关于|对于?|就)(?P<topic>.+?)(?:方面|问题|上面?|这方面)?(?:的|有)?(?:规定|要求|内容)?",
        r"(?P<name>.+?)(?:里面?|中)?的(?P<topic>.+?)",
    )
)


def read(question: str) -> Iterator[Wish]:
    """Yield the ways to read a question, the likeliest first."""
    asked = TAIL.sub("", POLITE.sub("", question))
    if any(pattern.fullmatch(asked) for pattern in LIST):
        yield Wish(kind="list")
    for pattern in MENTION:
        found = pattern.fullmatch(asked)
        topic = _topic(found["topic"]) if found else ""
        if topic and not NOT_A_TOPIC.search(topic):
            yield Wish(kind="mention", topic=topic)
    for patterns, sure in ((SUMMARY, True), (TOLD, False)):
        for pattern in patterns:
            if found := pattern.fullmatch(asked):
                for first, second in _pairs(found["name"]) if sure else ():
                    yield Wish(kind="about", names=(first, second), sure=False)
                yield Wish(kind="summary", names=(found["name"],), sure=sure)
    yield from _said(asked)
    yield from _compared(asked)


def _topic(said: str) -> str:
    """Return it without what belongs to the verb before it: 提到了, 提到过关于."""
    if said[:1] in {"了", "过"} and chinese_words(said)[0] == said[0]:
        said = said[1:]
    return re.sub(f"^(?:{OF})", "", said)


def _said(asked: str) -> Iterator[Wish]:
    if found := SAID.fullmatch(asked):
        for first, second in _pairs(found["names"]):
            yield Wish(kind="about", names=(first, second), topic=found["topic"])
        yield Wish(kind="about", names=(found["names"],), topic=found["topic"], sure=False)


def _compared(asked: str) -> Iterator[Wish]:
    found = COMPARE.fullmatch(asked)
    for first, second in _pairs(found["both"] or found["apart"]) if found else ():
        for pattern in ASPECT:
            if ended := pattern.fullmatch(second):
                topic = ended.groupdict().get("topic", "")
                yield Wish(kind="about", names=(first, ended["name"]), topic=topic, sure=False)


def _pairs(both: str) -> Iterator[tuple[str, str]]:
    for joint in JOINT.finditer(both):
        if joint.start() and joint.end() < len(both):
            yield both[: joint.start()], both[joint.end() :]
