"""Both hubs' own client libraries against a hub on loopback, with every fault that a line can have."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import psutil
import pytest

from rag import models
from rag.config import Config
from rag.datatypes import Progress
from rag.errors import ModelError
from rag.models.catalogue import Kind
from rag.models.files import ModelFile, read_manifest
from rag.models.hub_files import choose_files
from rag.models.hubs import HuggingFace, ModelScope
from rag.models.sources import fetch
from tests.hub_server import Hub, serve_hub

ROOT = Path(__file__).parents[1]
REPO = "org/model"
WEIGHTS = os.urandom(24_000_000)  # Hugging Face's client writes blocks of 10 MiB
FILES = {
    "config.json": b'{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}',
    "tokenizer.json": b"{}",
    "model.safetensors": WEIGHTS,
    "README.md": b"not needed",
    "pytorch_model.bin": b"the same, pickled",
    "onnx/model.json": b"for another runtime",
}
HUBS: dict[str, type[HuggingFace | ModelScope]] = {"huggingface": HuggingFace, "modelscope": ModelScope}
Configure: TypeAlias = Callable[..., Config]


def ignore(progress: Progress) -> None:
    del progress


@pytest.fixture(autouse=True)
def _no_offline_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_hub() as served:
        served.repos[REPO] = dict(FILES)
        yield served


@pytest.fixture
def configure(hub: Hub, tmp_path: Path) -> Configure:
    def make(**flags: object) -> Config:
        given = {"models_dir": tmp_path, "hf_endpoint": hub.url, "modelscope_endpoint": hub.url, **flags}
        return Config(**given)

    return make


@pytest.fixture(params=sorted(HUBS))
def key(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pull(key: str, config: Config, name: str = REPO, events: list[Progress] | None = None) -> models.Fetched:
    progress = ignore if events is None else events.append
    return fetch(name, "llm", config, progress, (HUBS[key](config),))


def asked_for_weights(hub: Hub) -> bool:
    return hub.ranges("model.safetensors") != []


def test_a_whole_model_is_fetched_verified_and_found(key: str, hub: Hub, configure: Configure) -> None:
    config, events = configure(), list[Progress]()
    fetched = pull(key, config, events=events)
    kept = {path.name: path.read_bytes() for path in fetched.path.iterdir() if path.name != "kaoju.json"}
    assert kept == {name: FILES[name] for name in ("config.json", "tokenizer.json", "model.safetensors")}
    manifest = read_manifest(fetched.path)
    assert manifest is not None
    assert all(len(file.sha256) == 64 for file in manifest.files)
    assert models.find_model(REPO, config) == fetched.path
    total = sum(map(len, kept.values()))
    assert {(event.unit, event.total) for event in events} == {("bytes", total)}
    assert [event.done for event in events if event.stage.startswith("downloading")][-1] == total
    assert sorted(path.name for path in fetched.path.parent.iterdir()) == [".lock", "weights"]


def test_a_model_that_is_here_asks_the_hub_nothing(key: str, hub: Hub, configure: Configure) -> None:
    pull(key, configure())
    hub.requests.clear()
    assert pull(key, configure()).source == "local"
    assert hub.requests == []


def test_a_line_that_breaks_is_taken_up_where_it_broke(key: str, hub: Hub, configure: Configure) -> None:
    hub.cuts["model.safetensors"] = [15_000_000]
    fetched = pull(key, configure())
    assert (fetched.path / "model.safetensors").read_bytes() == WEIGHTS
    first, second = hub.ranges("model.safetensors")
    assert first == ""
    assert 10_000_000 < int(second.removeprefix("bytes=").rstrip("-")) <= 15_000_000


FETCH = """
import sys
from pathlib import Path
from rag.config import Config
from rag.models.catalogue import Kind
from rag.models.sources import fetch
from rag.models.hubs import HuggingFace, ModelScope
config = Config(models_dir=Path(sys.argv[1]), hf_endpoint=sys.argv[2], modelscope_endpoint=sys.argv[2])
hub = {"huggingface": HuggingFace, "modelscope": ModelScope}[sys.argv[3]](config)
fetch("org/model", "llm", config, lambda progress: None, (hub,))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_leaves_no_process_and_goes_on_later(
    key: str, how: signal.Signals, hub: Hub, configure: Configure, tmp_path: Path
) -> None:
    release = threading.Event()
    hub.pauses["model.safetensors"] = (15_000_000, release)
    command = [sys.executable, "-c", FETCH, str(tmp_path), hub.url, key]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        wait_until(lambda: largest(tmp_path) > 10_000_000)
        children = psutil.Process(process.pid).children()
        process.send_signal(how)
        process.wait()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert len(children) == 1
    assert alive == []
    hub.requests.clear()
    assert (pull(key, configure()).path / "model.safetensors").read_bytes() == WEIGHTS
    release.set()
    (given,) = hub.ranges("model.safetensors")
    assert int(given.removeprefix("bytes=").rstrip("-")) > 10_000_000


def largest(folder: Path) -> int:
    return max((path.stat().st_size for path in folder.rglob("*incomplete")), default=0)


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 30 seconds")


def test_a_full_disk_is_no_fault_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))"
    command = [sys.executable, "-c", f"{limit}\n{FETCH}", str(tmp_path), hub.url, "huggingface"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "DiskError: the disk is full while downloading org/model" in run.stderr


def test_a_file_with_a_wrong_hash_is_refused_and_fetched_again(
    key: str, hub: Hub, configure: Configure
) -> None:
    hub.wrong.add("model.safetensors")
    with pytest.raises(ModelError, match=r"model\.safetensors.*(sha256|[Hh]ash|integrity)"):
        pull(key, configure())
    assert models.find_model(REPO, configure()) is None
    hub.wrong.clear()
    assert (pull(key, configure()).path / "model.safetensors").read_bytes() == WEIGHTS


def test_a_model_that_the_hub_lacks_is_named(key: str, configure: Configure) -> None:
    with pytest.raises(ModelError, match="there is no model org/other"):
        pull(key, configure(), "org/other")


def test_a_file_that_vanishes_from_the_hub_is_named(key: str, hub: Hub, configure: Configure) -> None:
    class Vanishing(dict[str, bytes]):
        def get(self, path: str, default: object = None) -> bytes | None:  # type: ignore[override]  # one use
            return None if path == "model.safetensors" else super().get(path)

    hub.repos[REPO] = Vanishing(FILES)
    with pytest.raises(ModelError, match=r"404|not found|[Nn]ot exist"):
        pull(key, configure())


def test_pickled_weights_are_refused_before_they_are_fetched(
    key: str, hub: Hub, configure: Configure
) -> None:
    del hub.repos[REPO]["model.safetensors"]
    with pytest.raises(
        ModelError, match=r"only pickled weights \(pytorch_model\.bin\), which can run any code"
    ):
        pull(key, configure())
    assert hub.ranges("pytorch_model.bin") == []


def test_code_that_comes_with_a_model_needs_trust(key: str, hub: Hub, configure: Configure) -> None:
    config = b'{"architectures": ["Qwen2ForCausalLM"], "auto_map": {"AutoModel": "modeling.M"}}'
    hub.repos[REPO] |= {"config.json": config, "modeling.py": b"M = 1"}
    with pytest.raises(ModelError, match="RAG_TRUST_REMOTE_CODE"):
        pull(key, configure())
    assert not asked_for_weights(hub)
    fetched = pull(key, configure(trust_remote_code=True))
    assert (fetched.path / "modeling.py").read_bytes() == b"M = 1"


def test_code_that_the_engine_does_without_needs_no_trust_and_is_not_fetched(
    key: str, hub: Hub, configure: Configure
) -> None:
    config = b'{"architectures": ["BaichuanForCausalLM"], "auto_map": {"AutoModelForCausalLM": "modeling.M"}}'
    hub.repos[REPO] |= {"config.json": config, "modeling.py": b"M = 1"}
    fetched = pull(key, configure())
    assert asked_for_weights(hub)
    assert not (fetched.path / "modeling.py").exists()


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (b'{"architectures": ["MambaForCausalLM"]}', "names MambaForCausalLM and only Qwen2ForCausalLM, "),
        (b'{"architectures": ["Qwen2ForSequenceClassification"]}', "only Qwen2ForCausalLM, LlamaForCausalLM"),
        (
            b'{"architectures": ["Qwen2ForCausalLM"], "quantization_config": {"quant_method": "fp8"}}',
            "it is quantised by fp8, which is not read here",
        ),
        (b'{"model_type": "qwen2"}', "names no architecture"),
        (b'{"architectures": 7}', "names no architecture"),
        (b"[]", "no config.json that can be read"),
        (b"{", "no config.json that can be read"),
        (None, "no config.json that can be read"),
    ],
)
def test_an_llm_that_cannot_run_is_refused_before_its_weights_are_fetched(
    key: str, hub: Hub, configure: Configure, config: bytes | None, reason: str
) -> None:
    del hub.repos[REPO]["config.json"]
    if config is not None:
        hub.repos[REPO]["config.json"] = config
    with pytest.raises(ModelError, match=reason):
        pull(key, configure())
    assert not asked_for_weights(hub)


def test_of_an_adapter_only_its_two_files_are_taken(key: str, hub: Hub, configure: Configure) -> None:
    adapter = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"}
    hub.repos["org/adapter"] = {**adapter, "tokenizer.json": b"{}", "optimizer.pt": b"pickled"}
    config = configure(adapter="org/adapter")
    found = fetch("org/adapter", "adapter", config, ignore, (HUBS[key](config),))
    assert {path.name: path.read_bytes() for path in found.path.iterdir() if path.stem != "kaoju"} == adapter
    assert models.find_adapter(config) == found.path
    assert models.answering_name("tiny", config) == "tiny + org/adapter"
    assert models.lowbit_folder("org/tiny", config).name == "sym_int4+org--adapter"


def test_an_adapter_meant_as_a_model_is_refused_by_the_hub(key: str, hub: Hub, configure: Configure) -> None:
    hub.repos[REPO] = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"}
    with pytest.raises(ModelError, match="it is a LoRA adapter, not a whole model; set it as `adapter`"):
        pull(key, configure())
    assert hub.ranges("adapter_model.safetensors") == []


def test_an_embedder_may_be_of_any_architecture(key: str, hub: Hub, configure: Configure) -> None:
    hub.repos[REPO] |= {"config.json": b'{"architectures": ["BertModel"]}', "modules.json": b"[]"}
    config = configure()
    assert fetch(REPO, "embedder", config, ignore, (HUBS[key](config),)).source == HUBS[key].name


def test_of_many_gguf_files_the_4_bit_one_is_fetched(key: str, hub: Hub, configure: Configure) -> None:
    hub.repos[REPO] = {f"m-{kind}.gguf": kind.encode() for kind in ("q2_k", "q4_k_m", "q8_0")}
    fetched = pull(key, configure())
    assert fetched.path.name == "m-q4_k_m.gguf"
    assert fetched.path.read_bytes() == b"q4_k_m"


def test_a_catalogue_model_is_asked_for_by_its_hub_id(key: str, hub: Hub, configure: Configure) -> None:
    hub.repos["Qwen/Qwen2-0.5B-Instruct"] = dict(FILES)
    assert pull(key, configure(), "qwen2-0.5b-instruct").path.parent.name == "qwen2-0.5b-instruct"


def test_bge_m3_is_taken_from_the_revision_that_has_safetensors(hub: Hub, configure: Configure) -> None:
    hub.repos["BAAI/bge-m3"] = {**FILES, "modules.json": b"[]"}
    config = configure()
    fetched = fetch("bge-m3", "embedder", config, ignore, (HuggingFace(config),))
    assert (fetched.path / "modules.json").exists()
    assert any(
        path.startswith("/api/models/BAAI/bge-m3/revision/refs%2Fpr%2F") for _, path, _ in hub.requests
    )


# A hub out of reach


def test_a_closed_port_is_found_out_at_once(key: str, configure: Configure) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"cannot be reached: .*Connection refused"):
        pull(key, configure(hf_endpoint=url, modelscope_endpoint=url))
    assert time.monotonic() - start < 2


def test_a_hub_that_never_answers_costs_hub_timeout_and_no_more(key: str, configure: Configure) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(ModelError, match=r"cannot be reached: (no answer|Read timed out)"):
            pull(key, configure(hf_endpoint=url, modelscope_endpoint=url, hub_timeout=0.5))
        assert time.monotonic() - start < 2


def test_a_hub_that_only_answers_errors_counts_as_out_of_reach(
    key: str, hub: Hub, configure: Configure
) -> None:
    hub.status = 503
    with pytest.raises(ModelError, match="it answers with status 503"):
        pull(key, configure())


def test_modelscope_has_what_hugging_face_cannot_give(hub: Hub, configure: Configure) -> None:
    fetched = models.fetch_model(REPO, configure(hf_endpoint="http://127.0.0.1:1"), ignore)
    assert fetched.source == "ModelScope"
    assert [(a.source, a.unreachable) for a in fetched.attempts] == [("local", False), ("Hugging Face", True)]


def test_hugging_faces_own_offline_switch_is_honoured(
    hub: Hub, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    fetched = models.fetch_model(REPO, configure(), ignore)
    assert fetched.source == "ModelScope"
    assert fetched.attempts[1].reason == "HF_HUB_OFFLINE is set"
    assert not any(path.startswith("/api/models/") for _, path, _ in hub.requests)


def test_hf_endpoint_names_a_mirror(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    fetched = models.fetch_model(REPO, Config(models_dir=tmp_path), ignore)
    assert fetched.source == "Hugging Face"


def test_offline_sends_nothing_at_all(hub: Hub, configure: Configure) -> None:
    with pytest.raises(ModelError, match="offline is set"):
        models.fetch_model(REPO, configure(offline=True), ignore)
    assert hub.requests == []


# Which files are taken


def names(files: dict[str, bytes], kind: Kind, *, trusted: bool = False) -> set[str]:
    listed = [ModelFile(path=path, size=len(content)) for path, content in files.items()]
    return {file.path for file in choose_files(listed, kind, trusted=trusted)}


def test_an_embedder_is_taken_with_its_modules_and_without_other_runtimes() -> None:
    wanted = {"modules.json", "config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json",
              "2_Dense/model.safetensors", "2_Dense/config.json"}  # fmt: skip
    others = {
        "onnx/config.json",
        "openvino/model.json",
        "1_Pooling/a/b.json",
        "model.py",
        "2_Dense/model.bin",
    }
    assert names(dict.fromkeys(wanted | others, b""), "embedder") == wanted


def test_an_llm_is_taken_in_shards_and_without_adapters() -> None:
    shards = {f"model-0000{i}-of-00002.safetensors" for i in (1, 2)}
    wanted = {"config.json", "model.safetensors.index.json", "merges.txt", "LICENSE", *shards}
    others = {"adapter_model.safetensors", "original/params.json", "run.py", "figure.png"}
    assert names(dict.fromkeys(wanted | others, b""), "llm") == wanted


def test_a_listing_cannot_reach_outside_the_folder() -> None:
    evil = {"../evil.json", "/etc/evil.json", "a/../../evil.json", "../model.safetensors"}
    assert names(dict.fromkeys(evil | {"model.safetensors"}, b""), "embedder") == {"model.safetensors"}


def test_a_repository_without_weights_is_refused() -> None:
    with pytest.raises(ModelError, match="no safetensors and no GGUF file"):
        names({"config.json": b""}, "llm")
    with pytest.raises(ModelError, match="has 2 GGUF files"):
        names({"a.gguf": b"", "b.gguf": b""}, "llm")
