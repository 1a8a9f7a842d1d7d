"""ipex-llm's kernels and the choice between them and a GEMM."""

from __future__ import annotations

import ast
import json
import platform
import struct
import subprocess
import sys
import warnings
from itertools import count
from pathlib import Path
from typing import Any, get_args

import psutil
import pytest
import torch

from rag.engines.busy import Spent
from rag.engines.cores import free_memory, usable_cores
from rag.engines.low_bit.kernels import QTYPES, Kernels, library_folder, usable_variants
from rag.engines.low_bit.matmul import TILE, Matmul, Method
from rag.engines.low_bit.packed import Packed
from rag.engines.low_bit.tuning import make_plan, tuned_matmul
from rag.errors import MissingExtraError, ModelError
from rag.low_bits import FLOATS, NO_FORMAT, NO_PRODUCT, TWINS

ROWS, COLUMNS = 100, 256
ERRORS = {"sym_int4": 0.1, "asym_int4": 0.1, "sym_int5": 0.05, "asym_int5": 0.05, "sym_int8": 0.01}

PRODUCTS = """
import json, os, resource, sys, torch
from rag.engines.low_bit.kernels import BASELINE, QTYPES, Kernels

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
kernels, ended = Kernels(BASELINE), {}
for name, number in json.loads(sys.argv[1]).items():
    QTYPES[name] = number
    if not (child := os.fork()):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        kernels.multiply(torch.randn(1, 256), torch.zeros(8, 4096, dtype=torch.uint8), name)
        os._exit(0)
    ended[name] = os.waitpid(child, 0)[1]
print(json.dumps(ended))
"""


def ggml_types() -> dict[str, int]:
    """Return ipex-llm's own numbers, without importing all of it."""
    path = library_folder().parent / "ggml" / "quantize.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tables = {"ggml_tensor_qtype", "gguf_mixed_qtype"}
    found = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in tables
    }
    return {**found["ggml_tensor_qtype"], **found["gguf_mixed_qtype"]}


def packed(low_bit: str) -> tuple[torch.Tensor, Packed]:
    weight = torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))
    data = Kernels("avx").quantise(weight, low_bit)
    return weight, Packed(data=data, low_bit=low_bit, columns=COLUMNS)


def apart(got: torch.Tensor, want: torch.Tensor) -> float:
    return float((got - want).norm() / want.norm())


@pytest.mark.parametrize("low_bit", QTYPES)
@pytest.mark.parametrize("variant", usable_variants())
def test_every_library_reads_the_same_format(variant: str, low_bit: str) -> None:
    weight, matrix = packed(low_bit)
    dense = Kernels(variant).dequantise(matrix.data, low_bit, torch.empty(ROWS, COLUMNS))
    assert apart(dense, weight) < ERRORS[low_bit]
    x = torch.randn(3, COLUMNS)
    assert apart(Kernels(variant).multiply(x, matrix.data, low_bit), x @ dense.T) < 0.02


@pytest.mark.parametrize(("low_bit", "floats"), [("sym_int5", 1), ("asym_int5", 2)])
def test_five_bits_are_read_as_ggml_lays_them_out(low_bit: str, floats: int) -> None:
    _, matrix = packed(low_bit)
    got = Kernels("avx").dequantise(matrix.data, low_bit, torch.empty(ROWS, COLUMNS))
    size = 2 * floats + 40
    for row in range(0, ROWS, 9):
        content = bytes(matrix.data[row].tolist())
        for start in range(0, COLUMNS, 64):
            block = content[start // 64 * size :][:size]
            scale, *least = struct.unpack_from(f"<{floats}e", block)
            high = int.from_bytes(block[2 * floats : 2 * floats + 8], "little")
            for column in range(64):
                code = block[-32 + column % 32] >> (column // 32 * 4) & 15 | (high >> column & 1) << 4
                want = scale * code + least[0] if least else scale * (code - 16)
                assert got[row, start + column] == torch.tensor(want)


def test_what_is_kept_is_dequantised_once_in_each_form_and_multiplies_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrices = [packed("sym_int4")[1], packed("sym_int8")[1]]
    matmul = Matmul(Kernels("avx"), 2)
    x = torch.randn(5, COLUMNS)
    plain: tuple[Method, ...] = ("float32", "bfloat16")
    kept: tuple[Method, ...] = ("kept float32", "kept bfloat16")
    want = [matmul.multiply(x, matrix, method) for matrix in matrices for method in plain]
    first = [matmul.multiply(x, matrix, method) for matrix in matrices for method in kept]
    monkeypatch.setattr(Kernels, "dequantise", None)
    again = [matmul.multiply(x, matrix, method) for matrix in matrices for method in kept]
    for one, two, three in zip(want, first, again, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(two, three)
    assert not torch.equal(first[0], first[1])


def test_a_kept_plan_keeps_one_form_and_tells_what_it_takes(tmp_path: Path) -> None:
    matmul = tuned_matmul(tmp_path / "speeds.json", low_bit="sym_int4", threads=1)
    kept = [method for _, method in matmul.kept_plan if method != "kernel"]
    assert len(set(kept)) <= 1
    assert matmul.kept_plan[0] == (1, "kernel")
    size = {"kept bfloat16": 2, "kept float32": 4}[kept[0]] if kept else 0
    assert matmul.bytes_to_keep(1000) == 1000 * size


def test_memory_is_what_machine_and_container_leave(tmp_path: Path) -> None:
    assert 0 < free_memory(tmp_path) <= psutil.virtual_memory().total
    (tmp_path / "memory.current").write_text("600\n")
    for most, left in (("1000\n", 400), ("500\n", 0)):
        (tmp_path / "memory.max").write_text(most)
        assert free_memory(tmp_path) == left
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 90\nfile 480\ninactive_file 300\nactive_file 180\n")
    assert free_memory(tmp_path) == 700, "files that are only kept at hand can go"
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) > 10**6


def test_the_library_multiplies_no_type_that_is_refused() -> None:
    """Each in a process of its own, for the library ends it."""
    command = [sys.executable, "-c", PRODUCTS, json.dumps(ggml_types())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ended = json.loads(done.stdout)
    assert {name for name, signal in ended.items() if signal} == {*NO_PRODUCT, *NO_FORMAT, *FLOATS}
    assert {name for name, signal in ended.items() if not signal} == {*QTYPES, *TWINS}


@pytest.mark.parametrize(("name", "same"), TWINS.items())
def test_a_twin_holds_the_same_bytes(name: str, same: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weight, matrix = packed(same)
    monkeypatch.setitem(QTYPES, name, ggml_types()[name])
    assert torch.equal(Kernels("avx").quantise(weight, name), matrix.data)


@pytest.mark.filterwarnings("ignore")  # what ipex-llm and transformers say when imported is not ours to mend
def test_the_packed_bytes_and_products_are_those_of_ipex_llm() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ipex_llm.transformers.low_bit_linear import (
            ggml_convert_qtype,
            ggml_int4_convert_fp32,
            ggml_matmul_src1_x_src0_t,
        )
    weight, matrix = packed("sym_int4")
    theirs = ggml_convert_qtype(weight, QTYPES["sym_int4"], device="cpu")
    assert torch.equal(matrix.data.flatten(), theirs)
    dense = Kernels("avx").dequantise(matrix.data, "sym_int4", torch.empty(ROWS, COLUMNS))
    assert torch.equal(dense, ggml_int4_convert_fp32(theirs, (ROWS, COLUMNS), ROWS * COLUMNS))
    x = torch.randn(2, COLUMNS)
    product = ggml_matmul_src1_x_src0_t(theirs, x, (ROWS, COLUMNS), QTYPES["sym_int4"])
    assert apart(Kernels("avx").multiply(x, matrix.data, "sym_int4"), product) < 0.01


@pytest.mark.parametrize("low_bit", QTYPES)
@pytest.mark.parametrize("tokens", [1, 7, TILE + 3])
@pytest.mark.parametrize("method", get_args(Method))
def test_every_method_gives_the_same_product(method: Method, tokens: int, low_bit: str) -> None:
    _, matrix = packed(low_bit)
    matmul = Matmul(Kernels(usable_variants()[0]), 3)
    x = torch.randn(tokens, COLUMNS)
    want = x @ matmul.rows(matrix, range(ROWS)).T
    assert apart(matmul.multiply(x, matrix, method), want) < (1e-5 if method == "float32" else 0.02)


def test_the_plan_says_which_method_is_used() -> None:
    _, matrix = packed("sym_int4")
    matmul = Matmul(Kernels("avx"), 1, ((1, "kernel"), (8, "float32")))
    x = torch.randn(8, COLUMNS)
    assert torch.equal(matmul(x, matrix), matmul.multiply(x, matrix, "float32"))
    assert torch.equal(matmul(x[:7], matrix), matmul.multiply(x[:7], matrix, "kernel"))


def test_the_plan_follows_the_measurements() -> None:
    times: dict[int, dict[Method, float]] = {
        1: {"kernel": 9.0, "float32": 1.0, "bfloat16": 1.0},  # one token takes the kernel all the same
        8: {"kernel": 1.0, "float32": 2.0, "bfloat16": 3.0},
        32: {"kernel": 4.0, "float32": 2.5, "bfloat16": 3.1},
        64: {"kernel": 1.0, "float32": 4.0, "bfloat16": 3.2},  # a kernel that wins again is noise
    }
    assert make_plan(times) == ((1, "kernel"), (32, "float32"), (64, "bfloat16"))


def test_the_machine_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "speeds.json"
    monkeypatch.setattr("rag.engines.busy.spent", lambda: Spent(0.0, 0.0, 0.0))
    first = tuned_matmul(path, low_bit="sym_int4", threads=1)
    assert first.plan[0] == (1, "kernel")
    monkeypatch.setattr("rag.engines.low_bit.tuning.measure", refuse)
    again = tuned_matmul(path, low_bit="sym_int4", threads=1)
    assert [tuple(step) for step in again.plan] == list(first.plan)


def test_what_was_measured_beside_other_work_is_measured_again_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "speeds.json"
    seconds = count(step=10.0)
    monkeypatch.setattr("rag.engines.busy.LOOK", 0.0)
    monkeypatch.setattr("rag.engines.busy.spent", lambda: Spent(now := next(seconds), now, 0.0))
    tuned_matmul(path, low_bit="sym_int4", threads=1)
    beside = path.read_text()
    assert json.loads(beside)["busy"]
    tuned_matmul(path, low_bit="sym_int4", threads=1)
    assert path.read_text() == beside  # there still is
    monkeypatch.setattr("rag.engines.busy.spent", lambda: Spent(next(seconds), 0.0, 0.0))
    tuned_matmul(path, low_bit="sym_int4", threads=1)
    assert not json.loads(path.read_text())["busy"]


def test_another_machine_is_measured_anew(tmp_path: Path) -> None:
    path = tmp_path / "speeds.json"
    tuned_matmul(path, low_bit="sym_int4", threads=1)
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, "machine": {**known["machine"], "cpu": "another"}}))
    tuned_matmul(path, low_bit="sym_int4", threads=1)
    assert json.loads(path.read_text())["machine"] == known["machine"]


@pytest.mark.parametrize("plan", [[], [[8, "float32"]], [[1, "abacus"]], [[1, "kernel"], "x"], None])
def test_a_damaged_memory_is_measured_anew(plan: Any, tmp_path: Path) -> None:
    path = tmp_path / "speeds.json"
    tuned_matmul(path, low_bit="sym_int4", threads=1)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"plan": plan}))
    assert tuned_matmul(path, low_bit="sym_int4", threads=1).plan[0] == (1, "kernel")
    assert json.loads(path.read_text())["plan"][0] == [1, "kernel"]
    assert [file.name for file in tmp_path.iterdir()] == ["speeds.json"]


def test_where_the_speeds_cannot_be_kept_the_engine_runs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "speeds.json").mkdir()
    assert tuned_matmul(tmp_path / "speeds.json", low_bit="sym_int4", threads=1).plan
    assert [file.name for file in tmp_path.iterdir()] == ["speeds.json"]


def test_without_ipex_llm_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipex_llm", None)
    with pytest.raises(MissingExtraError, match="run `make install`"):
        Kernels("avx")


@pytest.mark.parametrize(("system", "processor"), [("linux", "aarch64"), ("darwin", "x86_64")])
def test_on_another_kind_of_machine_no_library_is_loaded(
    system: str, processor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: processor)
    with pytest.raises(ModelError, match="needs Linux on x86-64; RAG_ENGINE=echo"):
        Kernels("avx")


@pytest.mark.parametrize(
    ("quota", "cores"), [("100000 100000", 1), ("50000 100000", 1), ("150000 100000", 2), ("1 0", 64)]
)
def test_a_container_limits_the_threads(
    quota: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.cpu_count", lambda logical=True: 128 if logical else 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(128)))
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cores(tmp_path / "cpu.max") == cores
    (tmp_path / "cpu.max").write_text("max 100000")
    assert usable_cores(tmp_path / "cpu.max") == usable_cores(tmp_path / "absent") == 64


def test_threads_keep_to_the_processors_that_are_given() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from rag.engines.cores import usable_cores; print(usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("measured again")
