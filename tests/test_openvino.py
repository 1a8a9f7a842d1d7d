"""OpenVINO's graphs, conversions and GGUF files of a tiny model, against transformers and plain OpenVINO."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from numpy.typing import NDArray

from rag.config import Config
from rag.datatypes import Generation, Message, Prompt, Usage
from rag.engines import open_engine, openvino_folder
from rag.engines.openvino import OpenvinoEngine
from rag.engines.openvino_folder import GRAPH, WEIGHTS, convert, is_ready, located, make_ready
from rag.errors import DiskError, EngineError, LockedError, MissingExtraError, ModelError
from rag.weights.gguf_config import GGUF_KEYS, gguf_name
from rag.weights.sources import open_source
from tests.tiny_qwen2 import CONFIG, MERGES, SPECIAL, TOKENS, TYPES, hugging_face_model, write_folder

IDS = list(range(40, 95))
ENDS = [TOKENS.index(SPECIAL[0]), TOKENS.index(SPECIAL[2])]
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
QUESTION = Prompt(messages=(Message(role="user", parts=("hello there, how are you doing today?",)),))
NUMBER = 12  # tokens: beyond, the rounding of keys and values may tip a random model's choice


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def converted(source: Path) -> Path:
    target = source.parent / "openvino_int4"
    convert(source, target, lambda _: None)
    return target


class Plain:
    """A graph run by OpenVINO itself: no blocks, no GenAI."""

    def __init__(self, graph: Any) -> None:
        import openvino

        self._request = openvino.Core().compile_model(graph, "CPU", EXACT).create_infer_request()
        self._count = 0

    def logits(self, tokens: list[int]) -> NDArray[np.float32]:
        before, self._count = self._count, self._count + len(tokens)
        inputs = {
            "input_ids": np.array([tokens], np.int64),
            "attention_mask": np.ones((1, self._count), np.int64),
            "position_ids": np.arange(before, self._count)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
        result: NDArray[np.float32] = self._request.infer(inputs)["logits"][0]
        return result.copy()

    def greedy(self, tokens: list[int], count: int) -> list[int]:
        said: list[int] = []
        while len(said) < count:
            said.append(int(self.logits([said[-1]] if said else tokens)[-1].argmax()))
        return said


def halved(**changes: Any) -> Any:
    """Return transformers' model with the weights that float16 leaves of them."""
    model = hugging_face_model(**changes)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data = parameter.data.half().float()
    return model


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": True}, {"num_key_value_heads": 4}])
def test_a_graph_gives_the_logits_of_transformers(tmp_path: Path, changes: dict[str, Any]) -> None:
    from rag.engines.openvino_graph import build

    plain = Plain(build(open_source(write_folder(tmp_path / "tiny", **changes))))
    got = np.concatenate([plain.logits(IDS[:30]), plain.logits(IDS[30:31]), plain.logits(IDS[31:])])
    with torch.inference_mode():
        want = halved(**changes)(torch.tensor([IDS])).logits[0].numpy()
    assert np.abs(got - want).max() < 0.005 * np.abs(want).max()


def rounded_to_four_bits(matrix: torch.Tensor, group: int) -> torch.Tensor:
    """Return the values of symmetric int4: the largest of each group becomes -8 steps."""
    groups = matrix.reshape(-1, group)
    largest = groups.gather(1, groups.abs().argmax(1, keepdim=True))
    step = (largest / -8).half().float()
    return ((groups / step).round().clamp(-8, 7) * step).reshape(matrix.shape)


def test_every_matrix_of_a_layer_is_rounded_to_four_bits(converted: Path) -> None:
    model = halved()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and ".layers." in name:
            parameter.data = rounded_to_four_bits(parameter.data, 64)
    with torch.inference_mode():
        want = model(torch.tensor([IDS])).logits[0].numpy()
    got = Plain(str(converted / GRAPH)).logits(IDS)
    assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > 0.995  # the rest is the int8 of embeddings and head
    kinds = (converted / GRAPH).read_text(encoding="utf-8")
    assert kinds.count('element_type="i4"') == CONFIG["num_hidden_layers"] * 7


def answer(engine: OpenvinoEngine, prompt: Prompt, count: int) -> tuple[str, Usage]:
    *pieces, usage = engine.stream(prompt, Generation(max_tokens=count))
    assert isinstance(usage, Usage)
    return "".join(piece for piece in pieces if isinstance(piece, str)), usage


def text_of(engine: OpenvinoEngine, tokens: list[int]) -> str:
    decoder = engine._tokenizer.decoder()
    return "".join(map(decoder.feed, tokens))


def test_a_conversion_answers_as_plain_openvino_does(converted: Path) -> None:
    engine = OpenvinoEngine(converted, model="tiny")
    want = Plain(str(converted / GRAPH)).greedy(engine._tokenizer.render(QUESTION).tokens, NUMBER)
    assert not set(ENDS) & set(want)
    said, usage = answer(engine, QUESTION, NUMBER)
    assert said == text_of(engine, want)
    assert (usage.answer_tokens, usage.finish) == (NUMBER, "length")
    assert engine.context == CONFIG["max_position_embeddings"]


def write_half_gguf(path: Path) -> Path:
    """Write the tiny model as GenAI reads it: matrices in float16, and all that it asks of the metadata."""
    import gguf

    writer = gguf.GGUFWriter(path, "qwen2")
    for name, key in GGUF_KEYS.items():
        add = writer.add_float32 if isinstance(CONFIG[name], float) else writer.add_uint32
        add(f"qwen2.{key}", CONFIG[name])
    writer.add_file_type(1)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(TOKENS)
    writer.add_token_types(TYPES)
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(ENDS[1])
    writer.add_pad_token_id(ENDS[0])
    for name, tensor in hugging_face_model().state_dict().items():
        writer.add_tensor(gguf_name(name), (tensor.half() if tensor.dim() > 1 else tensor).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_is_run_as_it_is(tmp_path: Path) -> None:
    path = write_half_gguf(tmp_path / "tiny.gguf")
    config = Config(engine="openvino", model=str(path), models_dir=tmp_path / "models")
    make_ready(config.model, path, config, lambda _: None)
    engine = open_engine(config)
    assert isinstance(engine, OpenvinoEngine)
    assert not (tmp_path / "models").exists(), "nothing is converted"
    tokens = torch.tensor([engine._tokenizer.render(QUESTION).tokens])
    with torch.inference_mode():
        want = halved().generate(
            tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=NUMBER, do_sample=False
        )
    assert answer(engine, QUESTION, NUMBER)[0] == text_of(engine, want[0, tokens.shape[1] :].tolist())


def test_safetensors_are_converted_beside_the_other_conversions(source: Path, tmp_path: Path) -> None:
    config = Config(engine="openvino", model=str(source), models_dir=tmp_path)
    with pytest.raises(ModelError, match="not converted for OpenVINO yet; run `rag models pull"):
        located(config.model, config)
    make_ready(config.model, source, config, lambda _: None)
    target = located(config.model, config)
    assert target.parent.parent == tmp_path
    before = (target / WEIGHTS).stat().st_mtime_ns
    make_ready(config.model, source, config, lambda _: None)
    assert (target / WEIGHTS).stat().st_mtime_ns == before, "it is converted once"


def test_a_truncated_conversion_is_made_again(source: Path, tmp_path: Path) -> None:
    config = Config(engine="openvino", model=str(source), models_dir=tmp_path)
    make_ready(config.model, source, config, lambda _: None)
    target = located(config.model, config)
    whole = (target / WEIGHTS).read_bytes()
    (target / WEIGHTS).write_bytes(whole[:-1])
    assert not is_ready(config.model, config)
    with pytest.raises(ModelError, match="truncated"):
        OpenvinoEngine(target, model="tiny")
    make_ready(config.model, source, config, lambda _: None)
    assert (target / WEIGHTS).read_bytes() == whole


def test_a_conversion_that_fails_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(model: Any, path: Path) -> None:
        path.write_text("half", encoding="utf-8")
        raise RuntimeError("no space left")

    monkeypatch.setattr("openvino.save_model", full)
    with pytest.raises(DiskError, match="free space"):
        convert(source, tmp_path / "target", lambda _: None)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_two_processes_do_not_convert_to_one_folder(source: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / "target.lock"), pytest.raises(LockedError, match="wait until it is done"):
        convert(source, tmp_path / "target", lambda _: None)


def test_a_folder_converted_elsewhere_is_used_as_it_is(converted: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in (GRAPH, WEIGHTS, "tokenizer.json"):
        (own / name).write_bytes((converted / name).read_bytes())
    (own / "config.json").write_text('{"max_position_embeddings": 300}', encoding="utf-8")
    config = Config(engine="openvino", model=str(own), models_dir=tmp_path / "models")
    engine = open_engine(config)
    assert engine.context == 300
    assert [event for event in engine.stream(QUESTION, Generation(max_tokens=3)) if isinstance(event, str)]
    (own / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing"):
        open_engine(config)


def test_a_missing_package_is_named_with_the_command(
    converted: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(engine="openvino", model=str(source), models_dir=tmp_path)
    for package in ("openvino_genai", "nncf"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"nncf.*-e '\.\[openvino-convert\]'"):
        make_ready(config.model, source, config, lambda _: None)
    monkeypatch.setattr("rag.engines.openvino.located", lambda *_: converted)
    with pytest.raises(MissingExtraError, match=r"openvino_genai.*-e '\.\[openvino\]'"):
        open_engine(config)


def test_a_damaged_graph_is_told_by_its_path(converted: Path, tmp_path: Path) -> None:
    for name in (WEIGHTS, "tokenizer.json"):
        (tmp_path / name).write_bytes((converted / name).read_bytes())
    (tmp_path / GRAPH).write_text("<net>", encoding="utf-8")
    with pytest.raises(ModelError, match=f"{tmp_path} cannot be loaded by OpenVINO"):
        OpenvinoEngine(tmp_path, model="tiny")


def test_what_fails_while_answering_is_an_engine_error(converted: Path) -> None:
    engine = OpenvinoEngine(converted, model="tiny")
    engine._runtime._ends = frozenset({-7})  # GenAI refuses it
    with pytest.raises(EngineError, match="tiny failed while answering"):
        list(engine.stream(QUESTION, Generation(max_tokens=3)))
    engine._runtime._ends = engine._tokenizer.ends
    assert answer(engine, QUESTION, 3)[1].answer_tokens == 3


def test_converting_writes_nothing_into_the_home_folder(source: Path, tmp_path: Path) -> None:
    """NNCF would leave an identity there and report its use."""
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import sys; from pathlib import Path; from rag.engines.openvino_folder import convert;"
        "convert(Path(sys.argv[1]), Path(sys.argv[2]), lambda _: None);"
        "print('openvino_telemetry' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, source, tmp_path / "target"],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(home), "PYTHONPATH": str(Path(openvino_folder.__file__).parents[2])},
    )
    assert done.stdout.strip() == "False"
    assert list(home.iterdir()) == []
