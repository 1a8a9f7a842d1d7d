"""The hf engine gives what transformers itself does, and reads nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from rag.config import Config
from rag.datatypes import Generation, Message, Prompt, Reading, Usage
from rag.engines import hf_weights, open_engine
from rag.engines.answerable import Probe
from rag.engines.cores import cpu_features
from rag.engines.hf import FIRST_CHUNK, HfEngine
from rag.engines.hf_weights import HALVES, find_weights, load
from rag.errors import EngineError, ModelError
from rag.models import lowbit_folder
from rag.setup import model_findings, prepare
from rag.tokenizer.chat import ChatTokenizer
from tests.tiny_qwen2 import hugging_face_model, write_folder, write_gguf

LONG = "The prompt of this test is read in several chunks, since it has more bytes than the first chunk."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("model") / "tiny", model_type="qwen2")


@pytest.fixture(autouse=True)
def _float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """In halves, the choices of random weights would depend on how many tokens are read at a time."""
    monkeypatch.setattr(hf_weights, "cpu_features", frozenset)


def settings(folder: Path) -> Config:
    return Config(engine="hf", model=str(folder), models_dir=folder.parent / "models", threads=1)


@pytest.fixture
def engine(folder: Path) -> HfEngine:
    opened = open_engine(settings(folder))
    assert isinstance(opened, HfEngine)
    return opened


def user(text: str) -> Prompt:
    return Prompt(messages=(Message(role="user", parts=(text,)),))


def answer(engine: HfEngine, text: str, **options: Any) -> tuple[str, Usage]:
    events = list(engine.stream(user(text), Generation(**{"max_tokens": 12, **options})))
    assert isinstance(events[-1], Usage)
    return "".join(event for event in events if isinstance(event, str)), events[-1]


def generated(network: Any, tokenizer: ChatTokenizer, text: str, count: int) -> str:
    """Return the greedy answer of transformers' own generate()."""
    tokens = tokenizer.render(user(text)).tokens
    with torch.inference_mode():
        whole = network.generate(
            torch.tensor([tokens]),
            attention_mask=torch.ones(1, len(tokens), dtype=torch.long),
            max_new_tokens=count,
            do_sample=False,
            repetition_penalty=1.0,
            eos_token_id=sorted(tokenizer.ends),
            pad_token_id=0,
        )[0, len(tokens) :]
    decoder = tokenizer.decoder()
    return "".join(decoder.feed(int(token)) for token in whole)


def reference() -> Any:
    return hugging_face_model(model_type="qwen2")


@pytest.mark.parametrize("text", ["Hi", "你好", "Count: one, two"])
def test_its_greedy_text_is_that_of_generate(engine: HfEngine, folder: Path, text: str) -> None:
    tokenizer = find_weights(str(folder), Config()).tokenizer
    want = generated(reference(), tokenizer, text, 12)
    assert want
    assert answer(engine, text)[0] == want


@pytest.mark.model
@pytest.mark.parametrize("text", ["中国的首都是哪里？", "Repeat: red, green, blue, red, green, blue, red"])
def test_with_real_weights_it_says_what_generate_does(
    real_hf: HfEngine, real_config: Config, text: str
) -> None:
    found = find_weights(real_config.model, real_config)
    want = generated(load(found.path), found.tokenizer, text, 8)
    assert answer(real_hf, text, max_tokens=8)[0] == want


@pytest.fixture(scope="module")
def real_hf(real_config: Config) -> HfEngine:
    return cast("HfEngine", open_engine(real_config.model_copy(update={"engine": "hf", "threads": 1})))


def test_a_gguf_file_gives_the_same_network(folder: Path, tmp_path: Path) -> None:
    ours, theirs = load(write_gguf(tmp_path / "tiny.gguf")), load(folder)
    tokens = torch.arange(40)[None]
    with torch.inference_mode():
        assert torch.equal(ours(tokens).logits, theirs(tokens).logits)
        assert torch.equal(theirs(tokens).logits, reference()(tokens).logits)


def test_tied_weights_of_a_gguf_file_are_one(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", tie_word_embeddings=True)
    network = load(path)
    assert network.lm_head.weight is network.model.embed_tokens.weight
    want = hugging_face_model(tie_word_embeddings=True)
    tokens = torch.arange(40)[None]
    with torch.inference_mode():
        assert torch.equal(network(tokens).logits, want(tokens).logits)


def test_what_two_prompts_share_is_read_once(engine: HfEngine, folder: Path) -> None:
    answer(engine, f"{LONG} And then?")
    events = list(engine.stream(user(f"{LONG} And why?"), Generation(max_tokens=12)))
    shared = len(LONG) + len(" And ")
    assert cast(Usage, events[-1]).cached_tokens >= shared
    first = next(event for event in events if isinstance(event, Reading))
    assert first.done > shared
    fresh = open_engine(settings(folder))
    assert (
        "".join(each for each in events if isinstance(each, str))
        == answer(cast(HfEngine, fresh), f"{LONG} And why?")[0]
    )


def test_the_same_prompt_again_is_known_but_for_its_last_token(engine: HfEngine) -> None:
    first, usage = answer(engine, LONG)
    again, later = answer(engine, LONG)
    assert again == first
    assert (usage.cached_tokens, later.cached_tokens) == (0, later.prompt_tokens - 1)


def test_a_long_prompt_is_read_in_chunks_between_which_it_can_be_stopped(engine: HfEngine) -> None:
    events = cast("Generator[Any]", engine.stream(user(LONG), Generation(max_tokens=12)))
    first = next(events)
    assert first.done == FIRST_CHUNK < first.total == engine.count_tokens(user(LONG))
    events.close()
    again, usage = answer(engine, LONG)
    assert usage.cached_tokens == FIRST_CHUNK
    assert again == answer(engine, LONG)[0]


def test_an_interruption_within_a_token_spoils_nothing(engine: HfEngine, folder: Path) -> None:
    network = engine._states._network
    text = answer(engine, LONG)[0]

    def interrupt(*_args: Any) -> None:
        raise KeyboardInterrupt

    hook = network.model.layers[1].register_forward_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        answer(engine, f"{LONG} Hi")
    hook.remove()
    again, usage = answer(engine, LONG)
    assert (again, usage.cached_tokens) == (text, 0)


def test_a_failing_network_is_an_engine_error(engine: HfEngine) -> None:
    def fail(*_args: Any) -> None:
        raise RuntimeError("not enough memory")

    hook = engine._states._network.model.layers[1].register_forward_hook(fail)
    with pytest.raises(EngineError, match="failed while answering: not enough memory; ask again"):
        answer(engine, "Hi")
    hook.remove()
    assert answer(engine, "Hi")[0]


def test_the_same_seed_draws_the_same_words(engine: HfEngine) -> None:
    drawn = [answer(engine, "Hi", temperature=1.5, seed=seed)[0] for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_a_likelihood_is_that_of_the_network(engine: HfEngine, folder: Path) -> None:
    tokenizer = find_weights(str(folder), Config()).tokenizer
    said = "and so on, until more is said than a chunk holds"
    tokens, wanted = tokenizer.render(user("Hi")).tokens, tokenizer.encode(said)
    with torch.inference_mode():
        logits = reference()(torch.tensor([[*tokens, *wanted]])).logits[0].float()
    chances = torch.log_softmax(logits[len(tokens) - 1 : -1], dim=-1)
    want = float(chances[range(len(wanted)), wanted].mean())
    assert returned(engine.likelihood(user("Hi"), said)) == pytest.approx(want, abs=1e-4)


def test_the_state_looked_at_is_the_one_after_the_layer(engine: HfEngine, folder: Path) -> None:
    looked = returned(engine.look(user("Hi")))
    tokens = find_weights(str(folder), Config()).tokenizer.render(user("Hi")).tokens
    seen: list[Any] = []
    network = reference()
    network.model.layers[looked.layer].register_forward_hook(lambda *given: seen.append(given[2][0]))
    with torch.inference_mode():
        network(torch.tensor([tokens]))
    np.testing.assert_allclose(looked.state, seen[0][0, -1].float(), rtol=1e-4, atol=1e-4)


def test_with_a_probe_it_writes_nothing_for_what_it_cannot_answer(folder: Path) -> None:
    found = find_weights(str(folder), Config())
    zeros = np.zeros(128)
    for bias, finish in ((-2.0, "unanswerable"), (2.0, "length")):
        probe = Probe(layer=1, weights=zeros, bias=bias)
        engine = HfEngine(load(folder), model="tiny", tokenizer=found.tokenizer, threads=1, probe=probe)
        assert engine.judges
        text, usage = answer(engine, "Hi", max_tokens=4, least_answerable=0.0)
        assert (usage.answerable, usage.finish, bool(text)) == (bias, finish, finish == "length")


@pytest.mark.parametrize(
    ("features", "kind"),
    [
        ({"avx2", "avx512f"}, torch.float32),
        ({"avx512f", "avx512_bf16"}, torch.bfloat16),
        ({"amx_bf16"}, torch.bfloat16),
        (set(), torch.float32),
    ],
)
def test_weights_are_halved_where_the_processor_multiplies_halves(
    features: set[str], kind: torch.dtype, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf_weights, "cpu_features", lambda: frozenset(features))
    assert {parameter.dtype for parameter in load(folder).parameters()} == {kind}


@pytest.mark.parametrize("own", [True, False])
def test_intels_extension_is_applied_where_it_is_installed_with_its_own_torch(
    folder: Path, tmp_path: Path, *, own: bool
) -> None:
    number = ".".join(torch.__version__.split(".")[:2]) if own else "2.8"
    about = tmp_path / f"intel_extension_for_pytorch-{number}.0.dist-info"
    about.mkdir()
    told = f"Metadata-Version: 2.1\nName: intel-extension-for-pytorch\nVersion: {number}.0\n"
    (about / "METADATA").write_text(told, encoding="utf-8")
    (tmp_path / "intel_extension_for_pytorch.py").write_text(
        "def optimize(network, *, dtype, inplace):\n"
        "    assert not network.training and inplace\n"
        "    network.optimised = str(dtype)\n"
        "    return network\n",
        encoding="utf-8",
    )
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rag.engines.hf_weights import load\n"
        "def optimised(): return getattr(load(Path(sys.argv[1])), 'optimised', 'as it is')\n"
        "print(optimised())\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "print(optimised())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(tmp_path)], capture_output=True, text=True, check=True
    )
    kind = "torch.bfloat16" if HALVES & cpu_features() else "torch.float32"
    assert run.stdout.split("\n") == ["as it is", kind if own else "as it is", ""]
    assert run.stderr == ("" if own else "Intel Extension for PyTorch 2.8 needs its own torch: not applied\n")


def test_code_that_comes_with_a_model_runs_only_if_allowed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "own", model_type="qwen2")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["model_type"] = "own"
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.Own"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "own.py").write_text("raise RuntimeError('it ran')\n", encoding="utf-8")
    with pytest.raises(ModelError, match="trust_remote_code"):
        load(folder)
    with pytest.raises(ModelError, match="it ran"):
        load(folder, trust_remote_code=True)


def test_weights_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_folder(tmp_path / "torn", model_type="qwen2")
    state = load_file(folder / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks model\.layers\.1\.mlp\.up_proj\.weight"):
        load(folder)
    (folder / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="cannot load"):
        load(folder)


def test_weights_are_used_as_they_are(folder: Path, tmp_path: Path) -> None:
    config = Config(engine="hf", embedder="hashing", model=str(folder), models_dir=tmp_path)
    prepare(config, lambda _: None, notice=lambda _: None)
    assert not lowbit_folder(config.model, config).exists()
    assert [*model_findings(config)] == [("model", f"{folder} at {folder}", True)]


def test_a_model_that_is_not_here_is_to_be_fetched(tmp_path: Path) -> None:
    config = Config(engine="hf", model="qwen2.5-coder-0.5b-instruct", models_dir=tmp_path)
    with pytest.raises(ModelError, match="rag models pull"):
        open_engine(config)


def returned(readings: Generator[Reading, None, Any]) -> Any:
    while True:
        try:
            next(readings)
        except StopIteration as stop:
            return stop.value
