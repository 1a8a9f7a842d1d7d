"""Tokenizers built from other forms, against the libraries that the forms belong to."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from tokenizers import Tokenizer

from rag.datatypes import Message, Prompt
from rag.errors import ModelError
from rag.tokenizer.chat import ChatTokenizer
from rag.tokenizer.tiktoken_file import from_tiktoken, is_tiktoken
from rag.tokenizer.vocabularies import (
    CONTROL,
    added_tokens,
    build_tokenizer,
    byte_characters,
    from_gguf,
    from_sentencepiece,
)
from tests.tiny_vocabularies import TEXT, sentencepiece_model

TEXTS = [
    *TEXT.splitlines(),
    "An  unknown word: Zwölf Boxkämpfer, 𝔘nicode, 鱻, emoji 🛶 and\ttabs\nlines",
    " begins and ends with spaces  ",
    "   ",
    "12345",
    "<unk> </s> <reserved_106> <0x0A>",
]


def write(folder: Path, **settings: Any) -> Path:
    path = folder / "tokenizer.model"
    path.write_bytes(sentencepiece_model(**settings))
    return path


@pytest.mark.parametrize("settings", [{"prefix": True}, {"prefix": False}])
@pytest.mark.parametrize("text", TEXTS)
def test_text_is_cut_as_sentencepiece_cuts_it(text: str, settings: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path, **settings)
    theirs: Any = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ours = Tokenizer.from_str(from_sentencepiece(path, {}, ()))
    ours.encode_special_tokens = True
    if "<" not in text:
        assert ours.encode(text, add_special_tokens=False).ids == theirs.encode(text)
    assert ours.decode(ours.encode(text, add_special_tokens=False).ids) == theirs.decode(theirs.encode(text))


def test_characters_are_normalised_as_the_model_says(tmp_path: Path) -> None:
    path = write(tmp_path, rule="nmt_nfkc")
    theirs: Any = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ours = Tokenizer.from_str(from_sentencepiece(path, {}, ()))
    for text in ("ｆｏｕｒ ｂｏａｔｓ", "the   Heron   is", "①② ﬁ"):
        assert ours.encode(text, add_special_tokens=False).ids == theirs.encode(text)


def test_a_special_token_written_like_a_piece_of_text_is_another_token(tmp_path: Path) -> None:
    """As ChatGLM3's `sop` and `eop` may be."""
    path = write(tmp_path)
    model: Any = sentencepiece.SentencePieceProcessor(model_file=str(path))
    (tmp_path / "tokenizer.json").write_text(from_sentencepiece(path, {}, ("sop", "eop")), encoding="utf-8")
    settings = {"template": "eop{{ messages[0].content }}", "tokens": {}, "ends": ["</s>"], "system": ""}
    (tmp_path / "chat.json").write_text(json.dumps(settings))
    tokenizer = ChatTokenizer(tmp_path / "tokenizer.json")
    piece = model.piece_to_id("eop")
    assert piece != model.unk_id()
    prompt = Prompt(messages=(Message(role="user", parts=("people, eop",)),))
    assert tokenizer.render(prompt).tokens == [421, *model.encode("people, eop")]
    assert tokenizer.decoder().feed(piece) == "eop"
    assert tokenizer.decoder().feed(421) == ""


def gguf_metadata(path: Path, **more: Any) -> dict[str, Any]:
    model: Any = sentencepiece.SentencePieceProcessor(model_file=str(path))
    every = range(model.vocab_size())
    kinds = {"is_unknown": 2, "is_control": 3, "is_unused": 5, "is_byte": 6}
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [model.id_to_piece(number) for number in every],
        "tokenizer.ggml.scores": [model.get_score(number) for number in every],
        "tokenizer.ggml.token_type": [
            next((kind for name, kind in kinds.items() if getattr(model, name)(number)), 1)
            for number in every
        ],
        **more,
    }


def test_a_gguf_file_of_a_sentencepiece_model_gives_the_same_tokenizer(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert from_gguf(gguf_metadata(path), path) == from_sentencepiece(path, {}, ())
    unprefixed = write(tmp_path, prefix=False)
    metadata = gguf_metadata(unprefixed, **{"tokenizer.ggml.add_space_prefix": False})
    assert from_gguf(metadata, unprefixed) == from_sentencepiece(unprefixed, {}, ())


def test_what_comes_on_top_of_the_vocabulary_is_special(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<|late|>": 430}))
    told = {"added_tokens_decoder": {"0": {"content": "<unk>"}, "422": {"content": "<|told|>"}}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told))
    tokenizer = Tokenizer.from_str(from_sentencepiece(path, added_tokens(tmp_path), ("[gMASK]", "sop")))
    assert [tokenizer.token_to_id(token) for token in ("[gMASK]", "sop", "<|told|>", "<|late|>")] == [
        *(420, 421, 422, 430)
    ]
    assert tokenizer.encode("[gMASK]sop<|late|>", add_special_tokens=False).ids == [420, 421, 430]
    assert 0 not in tokenizer.encode("鱻").ids, "bytes, not the unknown token"


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, kind="unigram")
    with pytest.raises(ModelError, match=r"tokenizer\.model does not merge pairs"):
        from_sentencepiece(path, {}, ())
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"tokenizer\.model is no SentencePiece model"):
        from_sentencepiece(path, {}, ())


def byte_level_metadata(cut: str) -> dict[str, Any]:
    tokens = [*byte_characters(), "<|eot_id|>", "12", "123", "Ġz", "zq"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": cut,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * 256 + [CONTROL] + [1] * 4,
        "tokenizer.ggml.merges": ["1 2", "12 3", "Ġ z"],
    }


@pytest.mark.parametrize(
    ("cut", "text", "want"),
    [
        ("llama-bpe", "12345 zq zq", ["123", "4", "5", "Ġz", "q", "Ġz", "q"]),
        ("llama-bpe", "zq", ["zq"]),  # a word that is a token, though no merge makes it
        ("chatglm-bpe", "12345zq", ["123", "4", "5", "z", "q"]),
        ("qwen2", "123", ["1", "2", "3"]),  # each digit stands alone
        ("qwen2", "e\u0301", ["Ã", "©"]),  # composed
        ("llama-bpe", "e\u0301", ["e", "Ì", "\u0123"]),
    ],
)
def test_byte_level_text_is_cut_as_its_family_cuts_it(cut: str, text: str, want: list[str]) -> None:
    ours = Tokenizer.from_str(from_gguf(byte_level_metadata(cut), Path("tiny.gguf")))
    assert ours.encode(text, add_special_tokens=False).tokens == want


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ModelError, match=r"tokenizer of tiny\.gguf is of type 'jais'; known are 'llama' and"):
        from_gguf(byte_level_metadata("jais"), Path("tiny.gguf"))
    with pytest.raises(ModelError, match="is of type 'bert'"):
        from_gguf({**byte_level_metadata("qwen2"), "tokenizer.ggml.model": "bert"}, Path("tiny.gguf"))


def test_bytes_and_spaces_of_sentencepiece_become_text(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(from_sentencepiece(write(tmp_path), {}, ()), encoding="utf-8")
    settings = {"template": "{{ messages[0].content }}", "tokens": {}, "ends": ["</s>"], "system": ""}
    (tmp_path / "chat.json").write_text(json.dumps(settings))
    tokenizer = ChatTokenizer(tmp_path / "tokenizer.json")
    text = "The Heron 🛶 costs\n鱻 twelve"
    decoder = tokenizer.decoder()
    assert "".join(decoder.feed(number) for number in tokenizer.encode(f" \n {text}")) == text


def test_merging_never_makes_a_special_token_of_plain_text(tmp_path: Path) -> None:
    """A vocabulary may have the pieces of one, and a rule that joins them."""
    tokens = [*byte_characters(), "</", "s>", "</s>"]
    merges = ["< /", "s >", "</ s>"]
    (tmp_path / "tokenizer.json").write_text(build_tokenizer(tokens, [1] * 258 + [CONTROL], merges))
    settings = {"template": "{{ messages[0].content }}", "tokens": {}, "ends": ["</s>"], "system": ""}
    (tmp_path / "chat.json").write_text(json.dumps(settings))
    tokenizer = ChatTokenizer(tmp_path / "tokenizer.json")
    numbers = tokenizer.encode("a</s>b")
    assert tokens.index("</s>") not in numbers
    assert "".join(map(tokenizer.decoder().feed, numbers)) == "a</s>b"


def test_a_file_in_tiktokens_form_merges_as_its_ranks_say(tmp_path: Path) -> None:
    """As GLM-4's own tokenizer.model is; the merges that it does not tell are found again."""
    characters = byte_characters()
    merges = ["t h", "h e", "th e", "Ġ the", "a n", "an d", "Ġ and", "the n", "1 2"]
    joined = [merge.replace(" ", "") for merge in merges]
    added = {270: "[gMASK]", 271: "<sop>"}
    tokens = [*characters, *joined]
    lines = [
        b"%s %d" % (b64encode(bytes(characters.index(character) for character in token)), number)
        for number, token in enumerate(tokens)
    ]
    path = tmp_path / "tokenizer.model"
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert is_tiktoken(path)
    told = {"added_tokens_decoder": {str(number): {"content": token} for number, token in added.items()}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told))
    ours = Tokenizer.from_str(from_tiktoken(path, added_tokens(tmp_path), "glm4"))
    known = Tokenizer.from_str(build_tokenizer(tokens, [1] * len(tokens), merges, "glm4"))
    for text in ("the then and theand 12 苍", "hethe"):
        assert ours.encode(text).ids == known.encode(text).ids
    assert ours.encode("[gMASK]<sop>").ids == [270, 271]
    assert not is_tiktoken(write(tmp_path))
