"""Small tokenizers: byte-level with a family's special tokens, and a SentencePiece model."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

from rag.tokenizer.vocabularies import CONTROL, build_tokenizer, byte_characters

TEXT = """The Heron is a rowing boat for four people, and an hour of it costs twelve crowns.
The Kestrel is a sailing dinghy; the Egret is an electric launch, and half a day of it costs ninety crowns.
Answer the question from the passages. Who may row the boat? How many people can it carry at the most?
苍鹭号是一条四人划艇，每小时十二克朗。红隼号是一条帆船，白鹭号是电动艇，半天九十克朗。
请根据段落回答问题。谁可以划船？最多能载几个人？
"""
LLAMA3 = (
    *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eot_id|>", "<|eom_id|>"),
)
GLM4 = (
    *("<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"),
    *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
)


def byte_level(special: Sequence[str], cut: str) -> str:
    """Return a tokenizer.json of bytes and special tokens."""
    tokens = [*byte_characters(), *special]
    return build_tokenizer(tokens, [1] * 256 + [CONTROL] * len(special), [], cut)


@cache
def sentencepiece_model(
    *, kind: str = "bpe", rule: str = "identity", prefix: bool = True, reserved: bool = True
) -> bytes:
    """Return a small model with bytes to fall back on, trained on `TEXT`."""
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.splitlines()),
        model_writer=written,
        model_type=kind,
        vocab_size=420 if kind == "bpe" else 370,
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name=rule,
        remove_extra_whitespaces=rule != "identity",
        add_dummy_prefix=prefix,
        user_defined_symbols=["<reserved_106>", "<reserved_107>"] if reserved else [],
        minloglevel=2,
    )
    return written.getvalue()
