"""Converting a model: what comes out, and what happens when it is interrupted, cut short or out of space."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from rag.datatypes import Progress
from rag.engines.low_bit.conversion import MANIFEST, TORN, convert, is_converted, read_manifest
from rag.engines.low_bit.decoder import load_tensors
from rag.engines.low_bit.kernels import BASELINE, Kernels
from rag.errors import LockedError, ModelError
from rag.weights import origin
from rag.weights.origin import describe
from rag.weights.sources import open_source
from tests import tiny_qwen2


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen2.write_folder(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen2.write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def quiet(_: Progress) -> None:
    pass


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    files = sorted(folder.glob("*.safetensors"))
    return {f"{path.stem}.{name}": tensor for path in files for name, tensor in load_file(path).items()}


def test_a_gguf_file_and_a_folder_of_the_same_weights_convert_alike(
    source: Path, gguf_file: Path, tmp_path: Path
) -> None:
    convert(source, tmp_path / "a", "sym_int4", quiet)
    convert(gguf_file, tmp_path / "b", "sym_int4", quiet)
    first, second = tensors(tmp_path / "a"), tensors(tmp_path / "b")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    configs = [read_manifest(tmp_path / name).config for name in "ab"]
    assert configs[1] == pytest.approx(configs[0])


def test_the_manifest_says_how_it_was_made(gguf_file: Path, tmp_path: Path) -> None:
    convert(gguf_file, tmp_path / "out", "asym_int4", quiet)
    manifest = read_manifest(tmp_path / "out")
    want = subprocess.run(
        ["sha256sum", gguf_file], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    assert manifest.source["sha256"] == want
    assert manifest.source["name"] == "tiny.gguf"
    assert manifest.low_bit == "asym_int4"
    assert manifest.versions.keys() == {"ipex-llm", "torch"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*manifest.files, MANIFEST}


@pytest.mark.parametrize(
    ("low_bit", "why"), [("fp4", "cannot multiply"), ("int3", "ipex-llm has no such type")]
)
def test_a_type_that_cannot_be_multiplied_is_not_converted_to(
    low_bit: str, why: str, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=rf"low_bit='{low_bit}' .*{why}.*; choose sym_int4, .* or sym_int8$"):
        convert(source, tmp_path / "out", low_bit, quiet)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("low_bit", ["sym_int5", "asym_int5"])
def test_five_bits_are_nearer_to_the_weights_than_four(low_bit: str, source: Path, tmp_path: Path) -> None:
    name = "model.layers.1.mlp.down_proj.weight"
    want = open_source(source).rows(name, 0, 128)
    kernels = Kernels(BASELINE)
    errors = []
    for each in ("sym_int4", low_bit, "sym_int8"):
        convert(source, tmp_path / each, each, quiet)
        packed = load_file(tmp_path / each / "layer-001.safetensors")["down"]
        errors.append(float((kernels.dequantise(packed, each, torch.empty(128, 192)) - want).norm()))
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < errors[0] * 0.6


def test_tied_embeddings_are_kept_once(tmp_path: Path) -> None:
    source = tiny_qwen2.write_folder(tmp_path / "tied", tie_word_embeddings=True)
    convert(source, tmp_path / "out", "sym_int4", quiet)
    assert load_file(tmp_path / "out" / "head.safetensors").keys() == {"embed", "norm"}


def test_progress_counts_layers_to_the_end(source: Path, tmp_path: Path) -> None:
    steps: list[Progress] = []
    convert(source, tmp_path / "out", "sym_int4", steps.append)
    assert [step.done for step in steps] == [0, 1, 2, 3, 4]
    assert {(step.total, step.unit) for step in steps} == {(4, "layers")}


def test_a_conversion_is_known_by_its_type_and_source(source: Path, gguf_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert not is_converted(out, None, "sym_int4")
    convert(source, out, "sym_int4", quiet)
    assert is_converted(out, None, "sym_int4")
    assert is_converted(out, source, "sym_int4")
    assert not is_converted(out, None, "sym_int8")
    assert not is_converted(out, gguf_file, "sym_int4")


def test_a_source_only_touched_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tiny_qwen2.write_gguf(tmp_path / "tiny.gguf"), tmp_path / "sym_int4"
    convert(source, target, "sym_int4", quiet)
    hashed: list[Path] = []

    def counted(path: Path, adapter: Path | None = None) -> dict[str, Any]:
        hashed.append(path)
        return describe(path, adapter)

    monkeypatch.setattr(origin, "describe", counted)
    for _ in range(3):
        assert is_converted(target, source, "sym_int4")
    assert not hashed
    for times in (1, 2):
        os.utime(source, (times, times))
        for _ in range(3):
            assert is_converted(target, source, "sym_int4")
        assert len(hashed) == times
    content = source.read_bytes()
    source.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not is_converted(target, source, "sym_int4")
    source.write_bytes(content)
    assert is_converted(target, source, "sym_int4")


def test_a_source_only_touched_is_still_the_same(tmp_path: Path) -> None:
    source = tiny_qwen2.write_gguf(tmp_path / "tiny.gguf")
    convert(source, tmp_path / "out", "sym_int4", quiet)
    source.touch()
    assert is_converted(tmp_path / "out", source, "sym_int4")
    source.write_bytes(source.read_bytes()[:-4] + b"abcd")
    assert not is_converted(tmp_path / "out", source, "sym_int4")


@pytest.mark.parametrize(
    ("name", "content"),
    [("chat_template.jinja", "{{ messages }}"), ("generation_config.json", '{"eos_token_id": 1}')],
)
def test_what_says_how_a_model_is_spoken_to_is_part_of_its_source(
    name: str, content: str, tmp_path: Path
) -> None:
    source, out = tiny_qwen2.write_folder(tmp_path / "tiny"), tmp_path / "out"
    convert(source, out, "sym_int4", quiet)
    (source / "README.md").write_text("not read")
    assert is_converted(out, source, "sym_int4")
    (source / name).write_text(content)
    assert not is_converted(out, source, "sym_int4")
    config = source / "config.json"
    (source / name).unlink()
    assert is_converted(out, source, "sym_int4")
    config.write_text(config.read_text().replace("rope_theta", "rope_thet_"))
    assert not is_converted(out, source, "sym_int4")


def test_a_truncated_conversion_is_refused_by_name_and_made_again(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert(source, out, "sym_int4", quiet)
    layer = out / "layer-001.safetensors"
    layer.write_bytes(layer.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"layer-001\.safetensors is truncated; delete it"):
        read_manifest(out)
    convert(source, out, "sym_int4", quiet)
    assert is_converted(out, source, "sym_int4")


def test_a_missing_file_of_a_conversion_is_named(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", "sym_int4", quiet)
    (tmp_path / "out" / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing; run `rag models pull`"):
        read_manifest(tmp_path / "out")


@pytest.mark.parametrize("size", [0, 3, 100, 20_000])
def test_a_gguf_file_cut_short_is_refused(gguf_file: Path, tmp_path: Path, size: int) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(gguf_file.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"fetch it again"):
        convert(cut, tmp_path / "out", "sym_int4", quiet)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    path = tiny_qwen2.write_gguf(tmp_path / "mamba.gguf", architecture="mamba")
    with pytest.raises(ModelError, match=r"'mamba'; only qwen2, llama, .* run here"):
        open_source(path)
    folder = tiny_qwen2.write_folder(tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["MambaForCausalLM"]}))
    with pytest.raises(ModelError, match=r"only Qwen2ForCausalLM, LlamaForCausalLM, .* run here"):
        open_source(folder)


def test_a_safetensors_file_cut_short_or_without_a_layer_is_refused(tmp_path: Path) -> None:
    folder = tiny_qwen2.write_folder(tmp_path / "source")
    weights = folder / "model.safetensors"
    whole = load_file(weights)
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match="cannot be read as a model"):
        convert(folder, tmp_path / "out", "sym_int4", quiet)
    del whole["model.layers.2.mlp.up_proj.weight"]
    save_file(whole, weights)
    with pytest.raises(ModelError, match=r"lacks 'model\.layers\.2\.mlp\.up_proj\.weight'"):
        convert(folder, tmp_path / "out", "sym_int4", quiet)
    assert not (tmp_path / "out.partial").exists()


def test_a_damaged_layer_is_named_when_it_is_loaded(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", "sym_int4", quiet)
    layer = tmp_path / "out" / "layer-000.safetensors"
    layer.write_bytes(b"\xff" * layer.stat().st_size)
    with pytest.raises(ModelError, match=r"layer-000\.safetensors is damaged"):
        load_tensors(layer)


SCRIPT = """
import resource, sys, time
from pathlib import Path
from rag.engines.low_bit.conversion import convert
from rag.errors import RagError

limit, halt = int(sys.argv[3]), int(sys.argv[4])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

def progress(step):
    print(step.done, flush=True)
    if step.done == halt:
        time.sleep(60)

try:
    convert(Path(sys.argv[1]), Path(sys.argv[2]), "sym_int4", progress)
except RagError as exc:
    sys.exit(f"{type(exc).__name__}: {exc}")
"""


def kill_before_layer(number: int, source: Path, out: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(source), str(out), "0", str(number)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout
        while child.stdout.readline() != f"{number}\n".encode():
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("layer-*.safetensors")}


def test_killed_halfway_it_leaves_nothing_that_looks_whole_and_goes_on_with_the_layers_it_has(
    source: Path, tmp_path: Path
) -> None:
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    kill_before_layer(2, source, out)
    assert not out.exists()
    assert not is_converted(out, source, "sym_int4")
    written = times(partial)
    assert written.keys() == {"layer-000.safetensors", "layer-001.safetensors"}
    (partial / f"layer-002.safetensors{TORN}").write_bytes(b"half a layer")
    convert(source, out, "sym_int4", quiet)
    assert written.items() < times(out).items()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.lock"]
    convert(source, tmp_path / "undisturbed", "sym_int4", quiet)
    names = {path.name for path in (tmp_path / "undisturbed").iterdir()}
    assert {path.name for path in out.iterdir()} == names
    assert all((out / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes() for name in names)


def change_source(source: Path, partial: Path) -> None:
    del partial
    weights = source / "model.safetensors"
    whole = load_file(weights)
    whole["model.layers.0.mlp.up_proj.weight"] += 1
    save_file(whole, weights)


def change_versions(source: Path, partial: Path) -> None:
    del source
    note = json.loads((partial / MANIFEST).read_text())
    (partial / MANIFEST).write_text(json.dumps(note | {"versions": {"ipex-llm": "1.0", "torch": "1.0"}}))


def damage_the_note(source: Path, partial: Path) -> None:
    del source
    (partial / MANIFEST).write_text("[")


@pytest.mark.parametrize("change", [change_source, change_versions, damage_the_note])
def test_layers_made_from_something_else_are_not_taken_up(
    change: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    source, out = tiny_qwen2.write_folder(tmp_path / "source"), tmp_path / "out"
    kill_before_layer(1, source, out)
    change(source, tmp_path / "out.partial")
    convert(source, out, "sym_int4", quiet)
    convert(source, tmp_path / "undisturbed", "sym_int4", quiet)
    want, got = tensors(tmp_path / "undisturbed"), tensors(out)
    assert all(torch.equal(got[name], want[name]) for name in want)
    assert read_manifest(out) == read_manifest(tmp_path / "undisturbed")


def test_layers_of_another_type_are_not_taken_up(source: Path, tmp_path: Path) -> None:
    kill_before_layer(1, source, tmp_path / "out")
    convert(source, tmp_path / "out", "sym_int8", quiet)
    convert(source, tmp_path / "undisturbed", "sym_int8", quiet)
    want, got = tensors(tmp_path / "undisturbed"), tensors(tmp_path / "out")
    assert all(torch.equal(got[name], want[name]) for name in want)


def test_the_older_conversion_works_until_the_new_one_is_whole(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert(source, out, "sym_int4", quiet)
    working: list[bool] = []
    convert(source, out, "sym_int8", lambda _: working.append(is_converted(out, source, "sym_int4")))
    assert working == [True] * 5
    assert is_converted(out, source, "sym_int8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.lock"]


def test_a_source_that_fails_leaves_the_older_conversion(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", "sym_int4", quiet)
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(b"GGUF")
    with pytest.raises(ModelError):
        convert(cut, tmp_path / "out", "sym_int4", quiet)
    assert is_converted(tmp_path / "out", source, "sym_int4")


def test_two_conversions_at_once_are_refused(source: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / "out.lock"), pytest.raises(LockedError, match="another process is converting"):
        convert(source, tmp_path / "out", "sym_int4", quiet)


def test_a_model_without_tokenizer_json_is_told_so(tmp_path: Path) -> None:
    folder = tiny_qwen2.write_folder(tmp_path / "source")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"source/tokenizer\.json is missing; fetch"):
        convert(folder, tmp_path / "out", "sym_int4", quiet)


def test_what_cannot_be_read_is_not_said_to_be_unwritable(tmp_path: Path) -> None:
    folder = tiny_qwen2.write_folder(tmp_path / "source")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").mkdir()
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be read: Is a directory"):
        convert(folder, tmp_path / "out", "sym_int4", quiet)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ([], "is not a JSON object"),
        ({"rope_theta": None}, "has None as rope_theta"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope_scaling of type 'yarn'"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope_parameters of type 'yarn'"),
        ({"use_sliding_window": True}, "sliding window"),
    ],
)
def test_a_config_that_cannot_be_followed_is_named(change: Any, said: str, tmp_path: Path) -> None:
    path = tiny_qwen2.write_folder(tmp_path / "source") / "config.json"
    path.write_text(json.dumps({**tiny_qwen2.CONFIG, **change} if change else change))
    with pytest.raises(ModelError, match=rf"config\.json .*{said}"):
        open_source(path.parent)


def test_rope_theta_is_needed_and_found_where_newer_models_have_it(tmp_path: Path) -> None:
    path = tiny_qwen2.write_folder(tmp_path / "source") / "config.json"
    config = {key: value for key, value in tiny_qwen2.CONFIG.items() if key != "rope_theta"}
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"config\.json lacks 'rope_theta'"):
        convert(path.parent, tmp_path / "out", "sym_int4", quiet)
    path.write_text(json.dumps(config | {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}))
    convert(path.parent, tmp_path / "out", "sym_int4", quiet)
    assert read_manifest(tmp_path / "out").config["rope_theta"] == 5e5


def test_a_conversion_without_what_the_model_needs_is_refused(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", "sym_int4", quiet)
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    del manifest["config"]["rope_theta"]
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="its manifest lacks rope_theta"):
        read_manifest(tmp_path / "out")


def test_a_stretched_gguf_is_refused(tmp_path: Path) -> None:
    path = tiny_qwen2.write_gguf(tmp_path / "long.gguf", scaling="yarn")
    with pytest.raises(ModelError, match=r"long\.gguf asks for rope scaling of type 'yarn'"):
        open_source(path)
    open_source(tiny_qwen2.write_gguf(tmp_path / "plain.gguf", scaling="none"))


@pytest.mark.parametrize("kind", [9, 4096])  # one that cannot be dequantised, and no number of ggml's
def test_an_unknown_quantisation_is_named(gguf_file: Path, tmp_path: Path, kind: int) -> None:
    content = gguf_file.read_bytes()
    name = b"blk.0.attn_q.weight"
    at = content.index(name) + len(name) + 4 + 2 * 8
    path = tmp_path / "odd.gguf"
    path.write_bytes(content[:at] + kind.to_bytes(4, "little") + content[at + 4 :])
    with pytest.raises(ModelError, match=r"odd\.gguf: tensor blk\.0\.attn_q\.weight is of the unknown"):
        convert(path, tmp_path / "out", "sym_int4", quiet)


def test_a_file_that_cannot_be_written_whole_is_a_disk_error(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(source), str(tmp_path / "out"), "20000", "-1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DiskError" in done.stderr
    assert "cannot be written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.lock"]
