"""What the routes say without the LLM, in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rag.prompt import Language

SAYINGS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "documents": "{count} documents",
        "document": "1 document",
        "passages": "{count} passages",
        "passage": "1 passage",
        "mention": "{documents} mention “{topic}”:",
        "mentions": "{documents} mentions “{topic}”:",
        "at least": "At least {documents} mention “{topic}”:",
        "close": "Close in meaning, without all of these words:",
        "only close": "No document mentions “{topic}” in these words. Close in meaning:",
        "none": "No document mentions “{topic}”.",
        "more": "and {count} more",
        "indexed": "{documents} here: {types}; {passages} in all.",
        "failed": "Not readable: {count}; the list of documents says why.",
        "sampled": "Looked at: {read} of its {count} passages, evenly spread.",
        "titled": "**{title}:** ",
        "silent": "Nothing about “{topic}” was found in {name}.",
        "empty": "{name} holds no text.",
        "which": "Which document do you mean by “{name}”? Name one: {names}",
        "unknown": "No indexed document is called “{name}”.",
        "nothing": "No document is in what is searched.",
    },
    "zh": {
        "documents": "{count} 个文档",
        "document": "1 个文档",
        "passages": "{count} 个段落",
        "passage": "1 个段落",
        "mention": "{documents}提到“{topic}”：",
        "mentions": "{documents}提到“{topic}”：",
        "at least": "至少 {documents}提到“{topic}”：",
        "close": "意思相近，但没有全部用到这些词：",
        "only close": "没有文档用这些词提到“{topic}”。意思相近的有：",
        "none": "没有文档提到“{topic}”。",
        "more": "另有 {count} 个",
        "indexed": "共有 {documents}：{types}；合计 {passages}。",
        "failed": "无法读取：{count} 个；原因见文档列表。",
        "sampled": "看了其 {count} 个段落中均匀选取的 {read} 个。",
        "titled": "**{title}：**",
        "silent": "在{name}中没有找到关于“{topic}”的内容。",
        "empty": "{name}里没有文字。",
        "which": "您说的“{name}”是哪个文档？请指明一个：{names}",
        "unknown": "没有名为“{name}”的已索引文档。",
        "nothing": "搜索范围内没有文档。",
    },
}
SEPARATORS: Final[dict[Language, str]] = {"en": ", ", "zh": "、"}
MOST_NAMED: Final = 8  # of the documents that may be meant


def say(spoken: Language, saying: str, **parts: object) -> str:
    return SAYINGS[spoken][saying].format(**parts)


def counted(spoken: Language, thing: str, count: int) -> str:
    """Return how many there are of a thing: "1 passage", "3 passages"."""
    return say(spoken, thing if count == 1 else f"{thing}s", count=f"{count:,}")


def code(name: str) -> str:
    """Return a file's name so that nothing in it is read as Markdown."""
    name = " ".join(name.replace("`", "'").split())
    return f"`{name}`"


def joined(spoken: Language, names: Sequence[str]) -> str:
    listed = [code(name) for name in names[:MOST_NAMED]]
    rest = [say(spoken, "more", count=len(names) - MOST_NAMED)] if len(names) > MOST_NAMED else []
    return SEPARATORS[spoken].join([*listed, *rest])


def types(spoken: Language, counts: Mapping[str, int]) -> str:
    return SEPARATORS[spoken].join(f"{count:,} {ending or '—'}" for ending, count in counts.items())
