"""Tokenizer and settings of multilingual-e5-small as a sentence-transformers folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FULLWIDTH_TILDE: Final = "\uff5e"  # nmt_nfkc leaves it alone, plain NFKC does not
SHELTER: Final = "\U0010fffd"  # private use: stands for the tilde while NFKC runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Shape of the model and ids of its special tokens."""

    hidden: int
    layers: int
    heads: int
    inner: int
    rows: int  # of the word embeddings, padding rows included
    positions: int
    types: int
    epsilon: float
    pieces: int
    bos: int
    eos: int
    pad: int
    unk: int
    text_bytes: int


def write_tokenizer(header: Shape, vocabulary: list[tuple[str, float]], target: Path) -> None:
    """Write the XLM-R tokenizer: SentencePiece's nmt_nfkc rule, runs of spaces joined, unigram pieces."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram

    bos, eos, pad, unk = (vocabulary[i][0] for i in (header.bos, header.eos, header.pad, header.unk))
    tokenizer = Tokenizer(Unigram(vocabulary, header.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Nmt(),
        normalizers.Replace(FULLWIDTH_TILDE, SHELTER),
        normalizers.NFKC(),
        normalizers.Replace(SHELTER, FULLWIDTH_TILDE),
        normalizers.Replace(Regex(" {2,}"), " "),
    ])  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, header.bos), (eos, header.eos)],
    )
    tokenizer.add_special_tokens([*(AddedToken(token, special=True) for token in (bos, pad, eos, unk)),
                                  AddedToken("<mask>", lstrip=True, special=True)])  # fmt: skip
    tokenizer.save(str(target / "tokenizer.json"), pretty=False)
    special = {
        "bos_token": bos, "cls_token": bos, "eos_token": eos, "sep_token": eos,
        "pad_token": pad, "unk_token": unk, "mask_token": "<mask>",
    }  # fmt: skip
    _write_json(target / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "XLMRobertaTokenizerFast", "model_max_length": header.positions,
                "clean_up_tokenization_spaces": False}  # fmt: skip
    _write_json(target / "tokenizer_config.json", {**special, **settings})


def write_configs(header: Shape, target: Path) -> None:
    """Write what transformers and sentence-transformers read: BERT, mean pooling, unit length."""
    bert = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": header.hidden,
        "initializer_range": 0.02,
        "intermediate_size": header.inner,
        "layer_norm_eps": round(header.epsilon, 18),
        "max_position_embeddings": header.positions,
        "num_attention_heads": header.heads,
        "num_hidden_layers": header.layers,
        "pad_token_id": header.pad,
        "torch_dtype": "float32",
        "type_vocab_size": header.types,
        "vocab_size": header.rows,
    }
    _write_json(target / "config.json", bert)
    kind = "sentence_transformers.models"
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"{kind}.{name}"}
        for i, (path, name) in enumerate(modules)
    ]
    _write_json(target / "modules.json", listed)
    _write_json(
        target / "sentence_bert_config.json", {"max_seq_length": header.positions, "do_lower_case": False}
    )
    pooling = {"word_embedding_dimension": header.hidden, "pooling_mode_mean_tokens": True}
    _write_json(target / "1_Pooling" / "config.json", pooling)
    _write_json(target / "2_Normalize" / "config.json", {})
    _write_json(target / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
