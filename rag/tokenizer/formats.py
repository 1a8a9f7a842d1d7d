"""Chat formats of the families, for checkpoints that bring no template of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

DEFAULT_SYSTEM: Final = "You are a helpful assistant."  # as in Qwen2's own template
START: Final = "<|im_start|>"
END: Final = "<|im_end|>"
ENDS: Final = (END, "<|endoftext|>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A way of writing conversations, known by a token that no other's vocabulary has."""

    mark: str
    template: str
    ends: tuple[str, ...]  # tokens after which the assistant has said all
    system: str = ""  # where a prompt has no system message


# https://github.com/openai/openai-python/blob/v0.28.1/chatml.md
CHATML: Final = Format(
    mark=START,
    template=(
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    ends=ENDS,
    system=DEFAULT_SYSTEM,
)
# https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3/
LLAMA3: Final = Format(
    mark="<|start_header_id|>",
    template=(
        "{% for message in messages %}{% if loop.first %}<|begin_of_text|>{% endif %}"
        "<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n{{ message.content }}<|eot_id|>"
        "{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
    ),
    ends=("<|eot_id|>", "<|end_of_text|>", "<|eom_id|>"),
)
# https://github.com/THUDM/GLM-4
GLM4: Final = Format(
    mark="<sop>",
    template=(
        "[gMASK]<sop>{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    ),
    ends=("<|endoftext|>", "<|user|>", "<|observation|>"),
)
# https://github.com/THUDM/ChatGLM3/blob/main/PROMPT.md; an answer begins with a line for the name of a tool,
# which stays empty.
CHATGLM3: Final = Format(
    mark="[gMASK]",
    template=(
        "[gMASK]sop{% for message in messages %}<|{{ message.role }}|>\n {{ message.content }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    ),
    ends=("</s>", "<eos>", "<|user|>", "<|observation|>"),
)
# https://huggingface.co/baichuan-inc/Baichuan2-7B-Chat/blob/main/generation_utils.py
BAICHUAN: Final = Format(
    mark="<reserved_106>",
    template=(
        "{% for message in messages %}{% if message.role == 'user' %}<reserved_106>"
        "{% elif message.role == 'assistant' %}<reserved_107>{% endif %}{{ message.content }}{% endfor %}"
        "{% if add_generation_prompt %}<reserved_107>{% endif %}"
    ),
    ends=("</s>", "<reserved_106>"),
)
# https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-2/
LLAMA2: Final = Format(
    mark="</s>",
    template=(
        "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}"
        "{% set messages = messages[1:] %}{% endif %}{% for message in messages %}"
        "{% if message.role == 'user' %}<s>[INST] "
        "{% if loop.first and system %}<<SYS>>\n{{ system }}\n<</SYS>>\n\n{% endif %}"
        "{{ message.content }} [/INST]{% else %} {{ message.content }} </s>{% endif %}"
        "{% endfor %}"
    ),
    ends=("</s>",),
)
FORMATS: Final = (CHATML, LLAMA3, GLM4, CHATGLM3, BAICHUAN, LLAMA2)


def find_format(has_token: Callable[[str], bool]) -> Format | None:
    """Return the first format whose mark the vocabulary has."""
    return next((each for each in FORMATS if has_token(each.mark)), None)
