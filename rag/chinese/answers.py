"""Why a question was not answered."""

from __future__ import annotations

from typing import Final

ANSWERS: Final = {
    "no passage fits the question": "没有与问题相符的段落",
    "it is not clear which document is meant": "没有说明指的是哪个文档",
    "the model found no answer in the passages": "模型在段落中没有找到答案",
}
