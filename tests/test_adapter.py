"""LoRA adapters: merged as PEFT merges them, told from the plain model, refused where they don't fit."""

from __future__ import annotations

import json
import warnings
from collections import deque
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from rag import models
from rag.config import Config
from rag.datatypes import Progress
from rag.engines.ipex import IpexEngine
from rag.engines.low_bit.conversion import convert, is_converted, read_manifest
from rag.engines.low_bit.decoder import Decoder, States
from rag.engines.low_bit.kernels import Kernels, usable_variants
from rag.engines.low_bit.matmul import Matmul
from rag.errors import ModelError
from rag.models.files import ModelFile
from rag.models.hub_files import choose_files
from rag.setup import model_findings, prepare, pull
from rag.weights.adapter import SETTINGS, WEIGHTS, Adapter
from rag.weights.sources import open_source
from tests import quantised_qwen2, tiny_qwen2

TOKENS = list(range(40, 90))
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"target_modules": ["q_proj", "v_proj"]},
    "rank-stabilised": {"target_modules": ALL, "use_rslora": True, "r": 3},
    "ranks and scales by pattern": {
        "target_modules": ALL,
        "rank_pattern": {"layers.1.mlp.up_proj": 2, "q_proj": 7},
        "alpha_pattern": {"layers.1.mlp.up_proj": 9, "^model.layers.2.*o_proj": 40},
    },
    "some layers, output and embeddings": {
        "target_modules": ["down_proj", "lm_head", "embed_tokens"],
        "layers_to_transform": [0, 2],
    },
    "whole modules": {"target_modules": ["k_proj"], "modules_to_save": ["lm_head", "up_proj"]},
    "meant for transposed weights": {"target_modules": ["o_proj"], "fan_in_fan_out": True},
}


def quiet(_: Progress) -> None:
    pass


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen2.write_folder(tmp_path_factory.mktemp("base") / "tiny")


def write_adapter(folder: Path, **changes: Any) -> Any:
    """Write a random adapter of the tiny model by PEFT; return transformers' model with it merged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that fan_in_fan_out is of no use, and other advice
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(
            tiny_qwen2.hugging_face_model(), LoraConfig(**{"r": 4, "lora_alpha": 12, **changes})
        )
        generator = torch.Generator().manual_seed(3)
        for name, parameter in model.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
        model.save_pretrained(str(folder))
        return model.merge_and_unload()


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters") / "my.adapter"
    write_adapter(folder, **KINDS["plain"])
    return folder


@pytest.fixture(params=["folder", "gguf"])
def source(request: pytest.FixtureRequest, base: Path, tmp_path: Path) -> Path:
    return base if request.param == "folder" else tiny_qwen2.write_gguf(tmp_path / "tiny.gguf")


@pytest.mark.parametrize("kind", KINDS)
def test_weights_read_as_peft_merges_them(kind: str, source: Path, tmp_path: Path) -> None:
    merged = write_adapter(tmp_path / "adapter", **KINDS[kind]).state_dict()
    ours, plain = open_source(source, Adapter(tmp_path / "adapter")), open_source(source)
    changed = set()
    for name, want in merged.items():
        got = ours.rows(name, 0, len(want))
        torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
        torch.testing.assert_close(ours.rows(name, 3, 18), want[3:18], rtol=0, atol=1e-5)
        if not torch.equal(got, plain.rows(name, 0, len(want))):
            changed.add(name)
    opened = Adapter(tmp_path / "adapter")
    assert changed == {*opened.parts, *opened.replaced}


def test_quantised_weights_are_merged_as_what_they_stand_for(adapter: Path, tmp_path: Path) -> None:
    weights = quantised_qwen2.write_folder(
        tmp_path / "base", quantised_qwen2.awq, quant_method="awq", bits=4, version="gemm"
    )
    source = open_source(tmp_path / "base", Adapter(adapter))
    for layer in range(3):
        name = f"model.layers.{layer}.self_attn.v_proj"
        a, b = (load_file(adapter / WEIGHTS)[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
        want = weights[f"{name}.weight"] + b @ a * 3  # alpha 12 by rank 4
        torch.testing.assert_close(source.rows(f"{name}.weight", 0, 64), want, rtol=0, atol=1e-5)


def test_logits_are_near_those_of_the_model_that_peft_merged(base: Path, tmp_path: Path) -> None:
    theirs = write_adapter(tmp_path / "adapter", **KINDS["rank-stabilised"])
    convert(base, tmp_path / "merged", "sym_int8", quiet, tmp_path / "adapter")
    convert(base, tmp_path / "plain", "sym_int8", quiet)
    with torch.inference_mode():
        want = theirs(torch.tensor([TOKENS])).logits[0, -1]
    assert apart(logits(tmp_path / "merged"), want) < 0.2 < 0.6 < apart(logits(tmp_path / "plain"), want)


def test_a_merged_conversion_is_that_of_the_model_that_peft_saved(base: Path, tmp_path: Path) -> None:
    theirs = write_adapter(tmp_path / "adapter", **KINDS["plain"])
    (tmp_path / "whole").mkdir()
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / "whole" / name).write_bytes((base / name).read_bytes())
    save_file(theirs.state_dict(), tmp_path / "whole" / "model.safetensors")
    convert(tmp_path / "whole", tmp_path / "a", "sym_int8", quiet)
    convert(base, tmp_path / "b", "sym_int8", quiet, tmp_path / "adapter")
    assert apart(logits(tmp_path / "b"), logits(tmp_path / "a")) < 0.01


def logits(folder: Path) -> torch.Tensor:
    matmul = Matmul(Kernels(usable_variants()[0]), 2, ((1, "float32"),))
    model = Decoder(folder, read_manifest(folder), matmul)
    with torch.inference_mode():
        return deque(model.forward(TOKENS, States(model, 64), range(len(TOKENS))), maxlen=1).pop()[-1]


def apart(got: torch.Tensor, want: torch.Tensor) -> float:
    return float((got - want).norm() / want.norm())


def test_a_merged_conversion_is_not_taken_for_the_plain_one(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    convert(base, tmp_path / "merged", "sym_int8", quiet, adapter)
    assert is_converted(tmp_path / "merged", base, "sym_int8", adapter)
    assert not is_converted(tmp_path / "merged", base, "sym_int8")
    convert(base, tmp_path / "plain", "sym_int8", quiet)
    assert not is_converted(tmp_path / "plain", base, "sym_int8", adapter)
    merged, plain = (read_manifest(tmp_path / name).source for name in ("merged", "plain"))
    assert merged["name"] == "tiny + my.adapter"
    assert merged["sha256"] != plain["sha256"]


@pytest.mark.parametrize("file", [SETTINGS, WEIGHTS])
def test_another_adapter_is_another_conversion(file: str, base: Path, adapter: Path, tmp_path: Path) -> None:
    own = copied(adapter, tmp_path / "own")
    convert(base, tmp_path / "out", "sym_int4", quiet, own)
    content = (own / file).read_bytes()
    (own / file).write_bytes(content[:-2] + content[-2:][::-1])  # of the same size
    assert not is_converted(tmp_path / "out", base, "sym_int4", own)


def copied(adapter: Path, folder: Path, **settings: Any) -> Path:
    folder.mkdir()
    for name in (SETTINGS, WEIGHTS):
        (folder / name).write_bytes((adapter / name).read_bytes())
    found = json.loads((folder / SETTINGS).read_text())
    (folder / SETTINGS).write_text(json.dumps({**found, **settings}))
    return folder


def test_with_the_setting_answers_come_from_the_merged_model_and_say_so(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"embedder": "hashing", "models_dir": tmp_path / "models", "model": str(base)}
    plain, merged = Config(**settings), Config(**settings, adapter=str(adapter))
    for config in (plain, merged):
        prepare(config, quiet, notice=lambda _: None)
    assert plain.hash != merged.hash
    folders = [models.lowbit_folder(config.model, config) for config in (plain, merged)]
    assert folders[0].parent == folders[1].parent
    assert folders[0].name == "sym_int4"
    assert folders[1].name.startswith("sym_int4+my")
    assert models.show_model(str(base), "llm", plain).conversions == tuple(folders)
    assert IpexEngine.open(plain).model == str(base)
    assert IpexEngine.open(merged).model == f"{base} + my.adapter"


def test_pulling_merges_the_adapter_into_the_model_of_the_settings_only(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    other = tiny_qwen2.write_folder(tmp_path / "other")
    config = Config(embedder="hashing", models_dir=tmp_path / "models", model=str(base), adapter=str(adapter))
    assert [(subject, well) for subject, _, well in model_findings(config)] == [
        ("model", False),
        ("adapter", True),
    ]
    pull(str(other), config, quiet, notice=lambda _: None)
    assert [path.name for path in models.show_model(str(other), "llm", config).conversions] == ["sym_int4"]
    pull(str(adapter), config, quiet, notice=lambda _: None)
    assert models.show_model(str(base), "llm", config).conversions == (
        models.lowbit_folder(str(base), config),
    )
    assert all(well for _, _, well in model_findings(config))


def test_an_adapter_meant_as_the_model_says_what_to_set(adapter: Path, tmp_path: Path) -> None:
    own = copied(adapter, tmp_path / "own", base_model_name_or_path="Qwen/Qwen2-1.5B-Instruct")
    with pytest.raises(
        ModelError, match=r"own is a LoRA .* as `adapter`, and as `model` Qwen/Qwen2-1.5B-Instruct$"
    ):
        models.find_model(str(own), Config())
    copied(adapter, tmp_path / "other", base_model_name_or_path=None)
    with pytest.raises(ModelError, match="as `adapter`, and as `model` the model that it was made for"):
        models.find_model(str(tmp_path / "other"), Config())


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([SETTINGS, "adapter_model.bin"], "has pickled weights, which can run any code"),
        (["config.json", "model.safetensors"], "is a whole model, not a LoRA adapter"),
        ([SETTINGS], f"lacks {SETTINGS} or {WEIGHTS}; copy all"),
    ],
)
def test_a_folder_without_a_usable_adapter_is_refused(made: list[str], said: str, tmp_path: Path) -> None:
    for name in made:
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match=said):
        models.find_adapter(Config(adapter=str(tmp_path)))


def test_of_a_hub_only_the_adapter_is_taken_and_nothing_pickled() -> None:
    here = [ModelFile(path=name, size=1) for name in (SETTINGS, WEIGHTS, "optimizer.pt", "tokenizer.json")]
    assert [file.path for file in choose_files(here, "adapter", trusted=False)] == [SETTINGS, WEIGHTS]
    with pytest.raises(ModelError, match="it is a LoRA adapter, not a whole model; set it as `adapter`"):
        choose_files(here, "llm", trusted=False)
    pickled = [ModelFile(path=name, size=1) for name in (SETTINGS, "adapter_model.bin")]
    with pytest.raises(ModelError, match="it has only pickled weights"):
        choose_files(pickled, "adapter", trusted=False)
    with pytest.raises(ModelError, match="it is no LoRA adapter"):
        choose_files([ModelFile(path="model.safetensors", size=1)], "adapter", trusted=False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"peft_type": "IA3"}, "an adapter of type 'IA3'"),
        ({"use_dora": True}, "DoRA, which also scales"),
        ({"bias": "all"}, r"trained biases \(bias='all'\)"),
        ({"init_lora_weights": "pissa"}, r"weights changed at the start .*'pissa'"),
        ({"layer_replication": [[0, 2], [1, 3]]}, "layers that are used several times"),
        ({"trainable_token_indices": [3]}, "embeddings of single tokens"),
    ],
)
def test_what_is_more_than_lora_is_refused(
    settings: dict[str, Any], said: str, base: Path, adapter: Path, tmp_path: Path
) -> None:
    own = copied(adapter, tmp_path / "own", **settings)
    with pytest.raises(
        ModelError, match=rf"own/adapter_config\.json asks for {said}.* merge it into its model"
    ):
        convert(base, tmp_path / "out", "sym_int4", quiet, own)
    assert not (tmp_path / "out").exists()


LAYER = "base_model.model.model.layers.0.self_attn"


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        (f"{LAYER}.q_proj.lora_A.weight", (4, 64), r"changes .*q_proj\.weight as of the shape \(128, 64\)"),
        (f"{LAYER.replace('0', '9')}.q_proj.lora_A.weight", (4, 128), "changes .* the model does not have"),
        (f"{LAYER}.q_proj.lora_A.weight", (5, 128), "q_proj.weight are of the ranks 5 and 4"),
        (f"{LAYER}.o_proj.lora_A.weight", (4, 128), "lacks 'B'"),
        (f"{LAYER}.q_proj.lora_magnitude_vector", (128,), "holds .* which is no part of LoRA"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(
    name: str, shape: tuple[int, ...], said: str, base: Path, adapter: Path, tmp_path: Path
) -> None:
    own = copied(adapter, tmp_path / "own", base_model_name_or_path="another/model")
    save_file({**load_file(own / WEIGHTS), name: torch.zeros(shape)}, own / WEIGHTS)
    with pytest.raises(ModelError, match=rf"own\S* .*{said}"):
        open_source(base, Adapter(own))


def test_what_embeddings_and_output_share_is_not_changed_for_one_of_them(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapter", target_modules=["lm_head"])
    tied = tiny_qwen2.write_folder(tmp_path / "tied", tie_word_embeddings=True)
    with pytest.raises(ModelError, match=r"changes lm_head\.weight, which embeddings and output share"):
        open_source(tied, Adapter(tmp_path / "adapter"))


@pytest.mark.parametrize("file", [SETTINGS, WEIGHTS])
def test_a_damaged_file_of_an_adapter_is_named(file: str, adapter: Path, tmp_path: Path) -> None:
    own = copied(adapter, tmp_path / "own")
    (own / file).write_bytes((own / file).read_bytes()[:20])
    with pytest.raises(ModelError, match=rf"own/{file} cannot be read"):
        Adapter(own)
    (own / file).unlink()
    with pytest.raises(ModelError, match=rf"own/{file} is missing"):
        Adapter(own)
