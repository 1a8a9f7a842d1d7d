"""AWQ and GPTQ folders: what their weights read as, what the decoder makes of them, and what is refused."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from rag.datatypes import Progress
from rag.engines.low_bit.conversion import convert, read_manifest
from rag.engines.low_bit.decoder import Decoder, States
from rag.engines.low_bit.kernels import Kernels, usable_variants
from rag.engines.low_bit.matmul import Matmul
from rag.errors import ModelError
from rag.weights.sources import open_source
from tests import quantised_qwen2, tiny_qwen2
from tests.quantised_qwen2 import Method, awq, gptq

TOKENS = list(range(40, 90))
AWQ: dict[str, Any] = {"quant_method": "awq", "bits": 4, "zero_point": True, "version": "gemm"}
GPTQ: dict[str, Any] = {"quant_method": "gptq", "bits": 4, "sym": True, "desc_act": False}
LAYOUTS = {
    "awq": (awq, AWQ),
    "gptq": (gptq(), GPTQ),
    "gptq asymmetric": (gptq(symmetric=False), {**GPTQ, "sym": False}),
    "gptq in the order of activations": (gptq(reordered=True), {**GPTQ, "desc_act": True}),
    "gptq of 8 bits": (gptq(bits=8, symmetric=False), {**GPTQ, "bits": 8, "sym": False}),
    "gptq_v2": (
        gptq(symmetric=False, version=2),
        {**GPTQ, "sym": False, "checkpoint_format": "gptq_v2", "dynamic": {"-:.*lm_head.*": {}}},
    ),
}


def quiet(_: Progress) -> None:
    pass


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, torch.Tensor]]]:
    """A folder of each layout and the weights it stands for."""
    folders = {layout: tmp_path_factory.mktemp("quantised") / "model" for layout in LAYOUTS}
    return {
        layout: (folders[layout], quantised_qwen2.write_folder(folders[layout], quantise, **settings))
        for layout, (quantise, settings) in LAYOUTS.items()
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_read_as_what_was_packed(layout: str, written: Any) -> None:
    folder, want = written[layout]
    source = open_source(folder)
    for name, tensor in want.items():
        assert source.shape(name) == tuple(tensor.shape)
        assert torch.equal(source.rows(name, 0, tensor.shape[0]), tensor), name


@pytest.mark.parametrize("layout", ["awq", "gptq in the order of activations", "gptq of 8 bits"])
@pytest.mark.parametrize(("start", "stop"), [(0, 5), (3, 4), (13, 128), (8, 24), (127, 128)])
def test_rows_are_the_same_wherever_they_are_cut(layout: str, start: int, stop: int, tmp_path: Path) -> None:
    quantise, settings = LAYOUTS[layout]
    name = "model.layers.1.mlp.gate_proj.weight"
    want = quantised_qwen2.write_folder(tmp_path / "model", quantise, **settings)[name]
    assert torch.equal(open_source(tmp_path / "model").rows(name, start, stop), want[start:stop])


@pytest.mark.parametrize("layout", ["awq", "gptq in the order of activations"])
def test_they_convert_as_the_floats_that_they_stand_for(layout: str, written: Any, tmp_path: Path) -> None:
    folder, weights = written[layout]
    save_file(weights, tiny_qwen2.write_folder(tmp_path / "floats") / "model.safetensors")
    convert(folder, tmp_path / "a", "sym_int4", quiet)
    convert(tmp_path / "floats", tmp_path / "b", "sym_int4", quiet)
    for path in (tmp_path / "a").glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("layout", ["awq", "gptq asymmetric"])
def test_logits_are_near_those_of_transformers_with_the_same_weights(
    layout: str, written: Any, tmp_path: Path
) -> None:
    folder, weights = written[layout]
    theirs = tiny_qwen2.hugging_face_model()
    original = logits_of(theirs)
    theirs.load_state_dict(weights)
    want = logits_of(theirs)
    convert(folder, tmp_path / "sym_int8", "sym_int8", quiet)
    matmul = Matmul(Kernels(usable_variants()[0]), 2, ((1, "float32"),))
    ours = Decoder(tmp_path / "sym_int8", read_manifest(tmp_path / "sym_int8"), matmul)
    with torch.inference_mode():
        steps = ours.forward(TOKENS, States(ours, 64), range(len(TOKENS)))
        got = deque(steps, maxlen=1).pop()[-1]
    assert apart(got, want) < 0.15 < 0.3 < apart(original, want)  # eight bits change less than four did


def logits_of(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        last: torch.Tensor = model(torch.tensor([TOKENS])).logits[0, -1]
    return last


def apart(got: torch.Tensor, want: torch.Tensor) -> float:
    return float((got - want).norm() / want.norm())


def test_settings_where_autogptq_used_to_keep_them_are_found(tmp_path: Path) -> None:
    want = quantised_qwen2.write_folder(tmp_path / "model", gptq(), **GPTQ)
    settings = json.loads((tmp_path / "model" / "config.json").read_text())["quantization_config"]
    (tmp_path / "model" / "quantize_config.json").write_text(json.dumps(settings))
    change_config(tmp_path / "model", quantization_config=None)
    name = "model.layers.0.self_attn.o_proj.weight"
    assert torch.equal(open_source(tmp_path / "model").rows(name, 0, 128), want[name])


def test_inputs_without_g_idx_are_grouped_in_their_order(tmp_path: Path) -> None:
    want = quantised_qwen2.write_folder(tmp_path / "model", without_g_idx, **GPTQ)
    name = "model.layers.0.mlp.down_proj.weight"
    assert torch.equal(open_source(tmp_path / "model").rows(name, 0, 128), want[name])


def without_g_idx(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    packed, worth = gptq()(weight)
    return {name: value for name, value in packed.items() if name != "g_idx"}, worth


def test_one_group_for_all_inputs_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised_qwen2, "GROUP", 1000)
    want = quantised_qwen2.write_folder(tmp_path / "model", awq, **AWQ, group_size=-1)
    name = "model.layers.0.self_attn.k_proj.weight"
    assert torch.equal(open_source(tmp_path / "model").rows(name, 0, 64), want[name])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, "compressed-tensors"),
        ({"load_in_8bit": True}, "an unnamed method"),
        ({**GPTQ, "bits": 3}, "GPTQ of 3 bits"),
        ({**GPTQ, "checkpoint_format": "marlin"}, "GPTQ in the layout 'marlin'"),
        ({**GPTQ, "is_marlin_format": True}, "GPTQ in the layout 'marlin'"),
        ({**GPTQ, "pack_dtype": "int64"}, "GPTQ packed into int64"),
        ({**GPTQ, "dynamic": {"+:.*down.*": {"bits": 8}}}, "GPTQ of bits that differ from layer to layer"),
        ({**AWQ, "bits": 8}, "AWQ of 8 bits"),
        ({**AWQ, "version": "gemv"}, "AWQ in the layout 'gemv' of 'autoawq'"),
        ({**AWQ, "backend": "llm-awq"}, "AWQ in the layout 'gemm' of 'llm-awq'"),
        ({**AWQ, "zero_point": False}, "AWQ without zero points"),
    ],
)
def test_what_is_quantised_otherwise_is_refused_by_name(
    settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = tiny_qwen2.write_folder(tmp_path / "model")
    change_config(folder, quantization_config=settings)
    with pytest.raises(ModelError, match=rf"model is quantised by {said}, which is not read here; choose"):
        convert(folder, tmp_path / "out", "sym_int4", quiet)
    assert not (tmp_path / "out").exists()


def test_quantised_weights_without_settings_are_refused(tmp_path: Path) -> None:
    quantised_qwen2.write_folder(tmp_path / "model", awq, **AWQ)
    change_config(tmp_path / "model", quantization_config=None)
    with pytest.raises(
        ModelError, match=r"holds model\.layers\..*qweight, but its config\.json has no quant"
    ):
        open_source(tmp_path / "model")


@pytest.mark.parametrize(
    ("quantise", "settings", "part", "value"),
    [
        (awq, {**AWQ, "group_size": 64}, "", None),
        (awq, AWQ, "qzeros", None),
        (gptq(), GPTQ, "g_idx", torch.full((128,), 4, dtype=torch.int32)),
        (gptq(), GPTQ, "g_idx", torch.full((128,), -1, dtype=torch.int32)),
        (gptq(), GPTQ, "g_idx", torch.zeros(64, dtype=torch.int32)),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_the_folder(
    quantise: Method, settings: dict[str, Any], part: str, value: torch.Tensor | None, tmp_path: Path
) -> None:
    quantised_qwen2.write_folder(tmp_path / "model", quantise, **settings)
    file = tmp_path / "model" / "model.safetensors"
    name = f"model.layers.2.self_attn.q_proj.{part}"
    tensors = {key: tensor for key, tensor in load_file(file).items() if key != name}
    save_file(tensors if value is None else {**tensors, name: value}, file)
    with pytest.raises(ModelError, match=r"model (cannot be read|lacks) .*self_attn\.q_proj"):
        convert(tmp_path / "model", tmp_path / "out", "sym_int4", quiet)


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
