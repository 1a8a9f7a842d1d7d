"""Each family against transformers' own model of it, from each form of its checkpoints."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from rag.config import Config
from rag.datatypes import Generation, Message, Prompt, Usage
from rag.engines import hf_weights
from rag.engines.ipex import IpexEngine
from rag.engines.llama.library import Llama
from rag.engines.llamacpp import LlamaCppEngine
from rag.engines.low_bit.conversion import convert, read_manifest
from rag.engines.low_bit.decoder import Decoder, States, rotate
from rag.engines.low_bit.kernels import Kernels, usable_variants
from rag.engines.low_bit.matmul import Matmul
from rag.errors import ModelError
from rag.reuse.quantised import quantised, restore
from rag.weights.sources import open_source
from tests import tiny_models as tiny
from tests.tiny_vocabularies import sentencepiece_model

TOKENS = list(range(40, 240))  # far enough that slow rotations matter
HEADS = {"q_proj": 4, "k_proj": 2}
LINEAR = {"type": "linear", "factor": 4.0}
WIDE_HEADS = {"head_dim": 64}
Write = Callable[[Path, Any], Path]


def folder_of(config: Mapping[str, Any], arrange: Callable[[Any], tiny.Weights] = tiny.own_weights) -> Write:
    return lambda path, model: tiny.write_folder(path / "source", config, arrange(model))


def gguf_of(
    architecture: str,
    arrange: Callable[[Any], tiny.Weights] = tiny.own_weights,
    more: Callable[[Any], None] = lambda _writer: None,
    config: Mapping[str, Any] = tiny.LLAMA,
) -> Write:
    return lambda path, model: tiny.write_gguf(
        path / "tiny.gguf", architecture, arrange(model), config=config, more=more
    )


def as_llama_cpp(model: Any) -> tiny.Weights:
    heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
    return tiny.regrouped(tiny.own_weights(model), heads)


def with_factors(model: Any) -> tiny.Weights:
    """Return Llama 3.1's weights as llama.cpp's converter writes them: its scaling is a tensor of factors."""
    usual = 10000.0 ** (-torch.arange(0, 32, 2) / 32)
    return {**as_llama_cpp(model), "rope_freqs.weight": usual / model.model.rotary_emb.inv_freq}


def stretched(writer: Any) -> None:
    import gguf

    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(4.0)


MHA = {**tiny.LLAMA, "num_key_value_heads": 4}
LLAMA3 = {**tiny.LLAMA, "rope_scaling": tiny.LLAMA3_ROPE}
TIED = {**tiny.LLAMA, "tie_word_embeddings": True, "rope_scaling": LINEAR}
WIDE = {**tiny.LLAMA, **WIDE_HEADS}
OLD = {key: value for key, value in MHA.items() if key not in {"rope_theta", "num_key_value_heads"}}
UNBIASED = {**tiny.GLM, "attention_bias": False}
CASES: dict[str, tuple[dict[str, Any], bool, Write]] = {
    # name: transformers' model, whether its head is normalised, our source
    "llama": (tiny.LLAMA, False, folder_of(tiny.LLAMA)),
    "llama, old config": (MHA, False, folder_of(OLD)),
    "llama 3.1": (LLAMA3, False, folder_of(LLAMA3)),
    "llama, tied and stretched": (TIED, False, folder_of(TIED)),
    "llama, wide heads": (WIDE, False, folder_of(WIDE)),
    "llama gguf": (tiny.LLAMA, False, gguf_of("llama", as_llama_cpp)),
    "llama 3.1 gguf": (LLAMA3, False, gguf_of("llama", with_factors)),
    "llama, tied and stretched gguf": (TIED, False, gguf_of("llama", as_llama_cpp, stretched)),
    "glm": (tiny.GLM, False, folder_of(tiny.GLM)),
    "glm gguf": (tiny.GLM, False, gguf_of("chatglm", config=tiny.GLM)),
    "glm without biases": (UNBIASED, False, folder_of(UNBIASED)),
    "glm4": (tiny.GLM4, False, folder_of(tiny.GLM4)),
    "glm4 gguf": (tiny.GLM4, False, gguf_of("glm4", config=tiny.GLM4)),
    "chatglm3": (tiny.GLM, False, folder_of(tiny.CHATGLM, tiny.chatglm_weights)),
    "chatglm3 gguf": (tiny.GLM, False, gguf_of("chatglm", tiny.chatglm_weights, config=tiny.GLM)),
    "baichuan2": (MHA, True, folder_of(tiny.BAICHUAN, tiny.baichuan_weights)),
    "baichuan2 gguf": (MHA, True, gguf_of("baichuan", as_llama_cpp, config=MHA)),
}


def converted(source: Path, target: Path) -> Decoder:
    convert(source, target, "sym_int8", lambda _: None)
    return Decoder(target, read_manifest(target), Matmul(Kernels(usable_variants()[0]), 2, ((1, "float32"),)))


def logits(model: Decoder, tokens: list[int], states: States, past: int = 0) -> torch.Tensor:
    with torch.inference_mode():
        return deque(model.forward(tokens, states, range(past, past + len(tokens))), maxlen=1).pop()[-1]


@pytest.mark.parametrize("case", CASES)
def test_logits_equal_those_of_transformers(case: str, tmp_path: Path) -> None:
    config, has_normalised_head, write = CASES[case]
    ours = converted(write(tmp_path, tiny.random_model(**config)), tmp_path / "out")
    theirs = tiny.in_eight_bits(tiny.random_model(**config), has_normalised_head=has_normalised_head)
    with torch.inference_mode():
        want = theirs(torch.tensor([TOKENS])).logits[0, -1]
    states = States(ours, 256)
    logits(ours, TOKENS[:150], states)
    torch.testing.assert_close(logits(ours, TOKENS[150:], states, 150), want, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("case", [case for case in CASES if case.endswith(" gguf")])
def test_plain_transformers_runs_each_familys_gguf_file(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf_weights, "cpu_features", frozenset)  # float32
    config, has_normalised_head, write = CASES[case]
    theirs = tiny.random_model(**config)
    source = write(tmp_path, theirs)
    if case == "chatglm3 gguf":  # its matrices are one, for which transformers has no class
        with pytest.raises(ModelError, match="a family that transformers does not have; choose another"):
            hf_weights.load(source)
        return
    if has_normalised_head:
        theirs.lm_head.weight.data = normalize(theirs.lm_head.weight.data)
    with torch.inference_mode():
        ours, want = (model(torch.tensor([TOKENS])).logits for model in (hf_weights.load(source), theirs))
    torch.testing.assert_close(ours, want, rtol=1e-4, atol=1e-3)


TALL = {**MHA, "num_hidden_layers": 32}  # by its layers llama.cpp tells Baichuan's 7B from 13B


@pytest.mark.parametrize("case", [case for case in CASES if case.endswith(" gguf")])
def test_llama_cpp_runs_each_familys_gguf_file(case: str, tmp_path: Path) -> None:
    config, has_normalised_head, write = CASES[case]
    if has_normalised_head:
        config, write = TALL, gguf_of("baichuan", as_llama_cpp, config=TALL)
    theirs = tiny.random_model(**config)
    llama = Llama(write(tmp_path, theirs), cells=512, sequences=1, threads=1, layer=None)
    with torch.inference_mode():
        want = theirs(torch.tensor([TOKENS])).logits[0]
    error = np.abs(llama.read(TOKENS, 0, 0, rows=len(TOKENS)) - want.numpy()).max()
    assert error < (0.3 if has_normalised_head else 0.04) < 7 < want.abs().max()  # 32 layers in halves, or 2


def test_a_head_that_llama_cpp_would_leave_too_long_is_refused(tmp_path: Path) -> None:
    model = tiny.random_model(**TALL)
    for name, normalised in (("raw", False), ("normalised", True)):
        if normalised:
            model.lm_head.weight.data = normalize(model.lm_head.weight.data)
        (tmp_path / name).mkdir()
        path = gguf_of("baichuan", as_llama_cpp, config=TALL)(tmp_path / name, model)
        config = Config(engine="llamacpp", model=str(path), models_dir=tmp_path / "models", reuse="off")
        if normalised:
            assert LlamaCppEngine.open(config).model == str(path)
        else:
            with pytest.raises(ModelError, match=r"head of Baichuan 2 .* use --engine ipex or --engine hf"):
                LlamaCppEngine.open(config)


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("llama 3.1", {"rope_scaling": None}),
        ("llama, tied and stretched", {"rope_scaling": {"type": "linear", "factor": 3.9}}),
        ("glm", {"partial_rotary_factor": 1.0}),
        ("glm without biases", {"architectures": ["LlamaForCausalLM"]}),
        ("chatglm3", {"rope_ratio": 50}),
        ("baichuan2", {"vocab_size": 64_000}),  # that of the first Baichuan, whose head is plain
    ],
)
def test_what_a_family_does_otherwise_matters(case: str, change: dict[str, Any], tmp_path: Path) -> None:
    """So that the comparison above would tell."""
    config, _, write = CASES[case]
    source = write(tmp_path, tiny.random_model(**config))
    told = json.loads((source / "config.json").read_text())
    want = logits(
        converted(source, tmp_path / "out"), TOKENS, States(converted(source, tmp_path / "out"), 256)
    )
    (source / "config.json").write_text(json.dumps({**told, **change}))
    if change.get("architectures"):
        unstacked(source)
    other = converted(source, tmp_path / "other")
    assert float((logits(other, TOKENS, States(other, 256)) - want).abs().max()) > 0.05


def unstacked(source: Path) -> None:
    """Write GLM's weights under Llama's names."""
    from safetensors.torch import load_file, save_file

    weights = load_file(source / "model.safetensors")
    for name in [name for name in weights if "gate_up" in name]:
        gate, up = weights.pop(name).chunk(2)
        for part, tensor in (("gate_proj", gate), ("up_proj", up)):
            weights[name.replace("gate_up_proj", part)] = tensor.contiguous()
    save_file(weights, source / "model.safetensors")


@pytest.mark.parametrize("case", ["glm", "chatglm3", "llama 3.1"])
def test_keys_turn_back_to_no_place_and_to_another(case: str, tmp_path: Path) -> None:
    """What was read of a passage at one place is what would have been read at another."""
    config, _, write = CASES[case]
    model = converted(write(tmp_path, tiny.random_model(**config)), tmp_path / "out")
    here, there, restored = (States(model, 512) for _ in range(3))
    passage = TOKENS[:60]
    with torch.inference_mode():
        deque(model.forward(passage, here, range(60)), maxlen=0)
        deque(model.forward(passage, there, range(60), range(100, 160)), maxlen=0)
    keys = rotate(here.keys[:, :, :60], *with_back(model, range(60)))
    other = rotate(there.keys[:, :, :60], *with_back(model, range(100, 160)))
    torch.testing.assert_close(keys[0], other[0], rtol=1e-3, atol=1e-3)  # the first layer has seen no other
    restore(quantised(here, range(60), model), restored, range(60), range(100, 160), model)
    error = (restored.keys[0, :, :60] - there.keys[0, :, :60]).abs().max()
    assert float(error) < 0.02 * float(there.keys[0, :, :60].abs().max())


def with_back(model: Decoder, places: range) -> tuple[torch.Tensor, torch.Tensor]:
    cosines, sines = model.angles(places)
    return cosines, -sines


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({**tiny.BAICHUAN, "num_hidden_layers": 40}, r"13B, whose attention is biased by distance \(ALiBi\)"),
        ({**tiny.LLAMA, "attention_bias": True}, "has True as attention_bias, but only False runs here"),
        ({**tiny.LLAMA, "hidden_act": "gelu"}, "asks for the activation 'gelu'"),
        ({**tiny.LLAMA, "rope_scaling": {"rope_type": "longrope"}}, "rope_scaling of type 'longrope'"),
        ({**tiny.CHATGLM, "add_bias_linear": True}, "has True as add_bias_linear"),
        ({**tiny.CHATGLM, "multi_query_attention": False}, "has False as multi_query_attention"),
        ({**tiny.LLAMA, "architectures": ["MixtralForCausalLM"]}, "only Qwen2ForCausalLM, LlamaForCausalLM"),
        ({**tiny.LLAMA, "architectures": None}, "names None; only Qwen2ForCausalLM"),
    ],
)
def test_a_folder_that_cannot_run_is_refused_by_name(
    config: dict[str, Any], said: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=rf"config\.json .*{said}"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("architecture", "more", "said"),
    [
        ("llama", {"llama.expert_count": 8}, "is a mixture of experts"),
        ("baichuan", {"baichuan.block_count": 40}, r"13B, whose attention is biased by distance \(ALiBi\)"),
        ("llama", {"blk.0.attn_q_norm.weight": 0}, "holds blk.0.attn_q_norm.weight, which no family"),
        ("falcon", {}, "of type 'falcon'; only qwen2, llama, baichuan, chatglm, glm4 run here"),
    ],
)
def test_a_gguf_file_that_cannot_run_is_refused_by_name(
    architecture: str, more: dict[str, int], said: str, tmp_path: Path
) -> None:
    def add(writer: Any) -> None:
        for key, value in more.items():
            if key.startswith("blk."):
                writer.add_tensor(key, np.zeros(32, np.float32))
                continue
            if f"{architecture}.block_count" == key:
                writer.kv_data[0].pop(key)
            writer.add_uint32(key, value)

    path = tiny.write_gguf(tmp_path / "odd.gguf", architecture, {}, more=add)
    with pytest.raises(ModelError, match=rf"odd\.gguf .*{said}"):
        open_source(path)


def test_chatglm3_answers_from_its_own_files_alone(tmp_path: Path) -> None:
    """From tokenizer.model to text: its first word is that of transformers for the same tokens."""
    roles = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
    vocabulary = 420 + len(("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", *roles))
    model = tiny.random_model(**{**tiny.GLM, "vocab_size": vocabulary})
    told = {**tiny.CHATGLM, "padded_vocab_size": vocabulary, "eos_token_id": 2}
    source = tiny.write_folder(tmp_path / "source", told, tiny.chatglm_weights(model))
    (source / "tokenizer.json").unlink()
    (source / "tokenizer.model").write_bytes(sentencepiece_model())
    convert(source, tmp_path / "out", "sym_int8", lambda _: None)
    engine = IpexEngine(tmp_path / "out", model="tiny")
    prompt = Prompt(messages=(Message(role="user", parts=("Who may row ", "the boat?")),))
    *pieces, usage = engine.stream(prompt, Generation(max_tokens=1))
    tokens = engine._tokenizer.render(prompt).tokens
    with torch.inference_mode():
        want = tiny.in_eight_bits(model)(torch.tensor([tokens])).logits[0, -1].topk(2)
    assert want.values[0] - want.values[1] > 0.1, "the kernel's rounding decides nothing"
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    assert text == engine._tokenizer.decoder().feed(int(want.indices[0])) != ""
    assert isinstance(usage, Usage)
    assert usage.prompt_tokens == len(tokens)
    assert engine._tokenizer.ends == {2, 420 + 6, 420 + 8}  # of what it says, and the two who may speak next
