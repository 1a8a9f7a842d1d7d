"""Names, places and the fallback of rag.models, without any network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rag import models
from rag.config import Config
from rag.datatypes import Progress, ProgressCallback
from rag.errors import DiskError, LockedError, ModelError
from rag.models.catalogue import ENTRIES
from rag.models.files import (
    Manifest,
    ModelFile,
    bytes_below,
    inventory,
    read_manifest,
    require_free,
    sha256_of,
    verify,
)
from rag.models.hubs import UnreachableError
from rag.models.places import Wanted
from rag.models.sources import NoSourceError, fetch

GGUF = b"GGUF" + bytes(60)


def ignore(progress: Progress) -> None:
    del progress


def make_folder(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("{}", encoding="utf-8")
    return folder


class Shelf:
    """A source that has some models, or is out of reach."""

    def __init__(self, name: str, *has: str, reachable: bool = True) -> None:
        self.name = name
        self.asked: list[str] = []
        self._has = has
        self._reachable = reachable

    def fetch(self, wanted: Wanted, folder: Path, progress: ProgressCallback) -> tuple[ModelFile, ...]:
        self.asked.append(wanted.name)
        if not self._reachable:
            raise UnreachableError("the line is down")
        if wanted.name not in self._has:
            raise ModelError("not on the shelf")
        (folder / "weights.gguf").write_bytes(GGUF)
        return inventory(folder, without="")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(models_dir=tmp_path / "models")


# The catalogue


def test_the_catalogue_holds_the_promised_models() -> None:
    llms = {name for name, entry in models.CATALOGUE.items() if entry.kind == "llm"}
    assert llms == {
        *(f"qwen2-{size}-instruct" for size in ("0.5b", "1.5b", "7b")),
        *(f"qwen2.5-{size}-instruct" for size in ("0.5b", "1.5b", "3b", "7b")),
        *(f"qwen2.5-coder-{size}-instruct" for size in ("0.5b", "1.5b", "3b", "7b")),
    }
    assert set(models.CATALOGUE) - llms == {
        "multilingual-e5-small", "bge-small-zh-v1.5", "bge-small-en-v1.5", "bge-m3",
        "bge-reranker-v2-m3", "mmarco-mMiniLMv2-L12-H384-v1",
    }  # fmt: skip


def test_the_defaults_and_the_fallback_are_in_the_catalogue() -> None:
    fields = Config.model_fields
    assert {fields["model"].default, fields["embedder"].default, models.FALLBACK_MODEL} <= set(
        models.CATALOGUE
    )


def test_only_the_3b_models_are_not_free_to_use() -> None:
    bound = {entry.id for entry in ENTRIES if entry.licence not in {"Apache-2.0", "MIT"}}
    assert bound == {"qwen2.5-3b-instruct", "qwen2.5-coder-3b-instruct"}


def test_carriers_name_one_part_per_package_and_the_published_sizes() -> None:
    carried = {entry.id: entry.carrier for entry in ENTRIES if entry.carrier}
    sizes = {name: carrier.size for name, carrier in carried.items()}
    assert sizes == {
        "qwen2.5-coder-1.5b-instruct": 1_117_320_768,
        "qwen2.5-coder-0.5b-instruct": 491_400_064,
        "multilingual-e5-small": 71_622_400,
    }
    for carrier in carried.values():
        assert len(carrier.packages) == len(carrier.parts)
        assert re.fullmatch(r"[0-9a-f]{64}", carrier.sha256)


def test_importing_rag_models_is_light() -> None:
    heavy = "{'torch', 'transformers', 'huggingface_hub', 'modelscope_hub', 'requests', 'tokenizers', 'gguf'}"
    code = f"import sys, rag.models; print(sorted({heavy} & sys.modules.keys()))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


# What a name means


@pytest.mark.parametrize("name", ["Qwen/Qwen2-1.5B-Instruct", "QWEN2-1.5B-INSTRUCT", "qwen2-1.5b-instruct"])
def test_a_catalogue_model_goes_by_its_id_and_by_its_hub_id(name: str, config: Config) -> None:
    assert models.lowbit_folder(name, config) == config.models_dir / "qwen2-1.5b-instruct" / "sym_int4"


def test_a_hub_id_gets_one_folder_below_models_dir(config: Config) -> None:
    assert models.lowbit_folder("org/name", config) == config.models_dir / "org--name" / "sym_int4"


@pytest.mark.parametrize(
    "name",
    ["", " ", "../x", "a/../b", "org/..", "../../etc/passwd", "/etc", "org/name/more", "org/na me", "a\0b",
     "org/name;rm", "~/nowhere", "nowhere.gguf", "org\\name", "~nobody-of-that-name/x", "x" * 5000, ".",
     "--help/x"],
)  # fmt: skip
def test_a_name_that_is_no_model_is_refused(name: str, config: Config) -> None:
    with pytest.raises(ModelError):
        models.find_model(name, config)


def test_a_misspelt_name_gets_a_suggestion(config: Config) -> None:
    with pytest.raises(ModelError, match=r"did you mean qwen2-1\.5b-instruct\?"):
        models.find_model("qwen2-1.5-instruct", config)


def test_an_embedder_is_no_llm_and_the_other_way_round(config: Config) -> None:
    with pytest.raises(ModelError, match="bge-m3 is an embedder"):
        models.find_model("bge-m3", config)
    with pytest.raises(ModelError, match="qwen2-7b-instruct is an LLM"):
        models.find_embedder("qwen2-7b-instruct", config)


# The user's own files


def test_a_local_folder_is_found_by_its_path(tmp_path: Path, config: Config) -> None:
    folder = make_folder(tmp_path / "mine", "config.json", "tokenizer.json", "model.safetensors")
    assert models.find_model(str(folder), config) == folder
    assert models.find_embedder(str(folder), config) == folder


def test_two_local_folders_of_one_name_have_conversions_apart(tmp_path: Path, config: Config) -> None:
    names = ("config.json", "tokenizer.json", "model.safetensors")
    one, two = (make_folder(tmp_path / place / "mine", *names) for place in "ab")
    folders = {models.lowbit_folder(str(folder), config) for folder in (one, two)}
    assert len(folders) == 2
    assert all(folder.is_relative_to(config.models_dir) for folder in folders)


def test_a_gguf_file_is_found_by_its_path_but_is_no_embedder(tmp_path: Path, config: Config) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(GGUF)
    assert models.find_model(str(file), config) == file
    with pytest.raises(ModelError, match="has to be a sentence-transformers folder"):
        models.find_embedder(str(file), config)


def test_a_model_copied_into_models_dir_is_found_by_its_name(config: Config) -> None:
    folder = make_folder(config.models_dir / "mine", "config.json", "tokenizer.json", "model.safetensors")
    (config.models_dir / "other.gguf").write_bytes(GGUF)
    assert models.find_model("mine", config) == folder
    assert models.find_model("other", config) == config.models_dir / "other.gguf"


def test_pickled_weights_are_refused_with_the_reason(tmp_path: Path, config: Config) -> None:
    folder = make_folder(tmp_path / "old", "config.json", "tokenizer.json", "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled weights, which can run any code"):
        models.find_model(str(folder), config)


def test_a_folder_that_lacks_a_shard_is_refused(tmp_path: Path, config: Config) -> None:
    shard = "model-00001-of-00002.safetensors"
    folder = make_folder(tmp_path / "half", "config.json", "tokenizer.json", shard)
    index = {"weight_map": {"a": shard, "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(ModelError, match="copy all of it there"):
        models.find_model(str(folder), config)
    (folder / "model-00002-of-00002.safetensors").write_text("", encoding="utf-8")
    assert models.find_model(str(folder), config) == folder


# Manifest and hashes


def test_a_manifest_stands_for_a_whole_model_only(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"abc")
    manifest = Manifest(name="m", source="s", files=inventory(tmp_path, without=""))
    manifest.write(tmp_path)
    assert read_manifest(tmp_path) == manifest
    (tmp_path / "a.safetensors").write_bytes(b"ab")
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 99, "name": "m", "source": "s", "files": []}']
)
def test_a_damaged_or_foreign_manifest_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "kaoju.json").write_text(content, encoding="utf-8")
    assert read_manifest(tmp_path) is None


def test_sha256_is_the_published_one_of_abc(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert sha256_of(tmp_path / "abc") == want


def test_a_wrong_file_is_deleted_so_that_it_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(ModelError, match=r"a has the sha256 ba7816bf.* instead of 00"):
        verify(tmp_path, [ModelFile(path="a", size=3, sha256="00")], ignore)
    assert not (tmp_path / "a").exists()
    with pytest.raises(ModelError, match="a has 0 bytes instead of 3"):
        verify(tmp_path, [ModelFile(path="a", size=3)], ignore)


def test_too_small_a_disk_is_said_before_anything_is_downloaded(tmp_path: Path) -> None:
    require_free(tmp_path, 0)
    with pytest.raises(DiskError, match=r"needs 1000000\.06 GB free and its disk has"):
        require_free(tmp_path, 10**15)


# Fetching and the fallback


def test_sources_are_tried_in_order_and_the_first_that_has_it_ends_the_search(config: Config) -> None:
    first, second, third = Shelf("first"), Shelf("second", "org/m"), Shelf("third", "org/m")
    fetched = fetch("org/m", "llm", config, ignore, (first, second, third))
    assert fetched.source == "second"
    assert fetched.path.read_bytes() == GGUF
    assert [(a.source, a.reason) for a in fetched.attempts[1:]] == [("first", "not on the shelf")]
    assert third.asked == []
    assert models.find_model("org/m", config) == fetched.path
    again = fetch("org/m", "llm", config, ignore, (first, second, third))
    assert (again.source, again.attempts, second.asked) == ("local", (), ["org/m"])


def test_when_all_sources_fail_every_reason_is_given(config: Config) -> None:
    places = (Shelf("first"), Shelf("second", reachable=False))
    with pytest.raises(ModelError) as caught:
        fetch("org/m", "llm", config, ignore, places)
    assert "first: not on the shelf; second: the line is down" in str(caught.value)
    assert "rag models pull org/m" in str(caught.value)
    assert bytes_below(config.models_dir) == 0


def test_offline_asks_no_source(tmp_path: Path) -> None:
    shelf = Shelf("shelf", "org/m")
    with pytest.raises(ModelError, match="offline is set"):
        fetch("org/m", "llm", Config(models_dir=tmp_path, offline=True), ignore, (shelf,))
    assert shelf.asked == []


def test_two_fetches_of_one_model_at_once_are_refused(config: Config) -> None:
    class Nested(Shelf):
        def fetch(self, wanted: Wanted, folder: Path, progress: ProgressCallback) -> tuple[ModelFile, ...]:
            with pytest.raises(LockedError, match="another process is fetching org/m"):
                fetch("org/m", "llm", config, ignore, (Shelf("other", "org/m"),))
            return super().fetch(wanted, folder, progress)

    assert fetch("org/m", "llm", config, ignore, (Nested("shelf", "org/m"),)).source == "shelf"


def test_a_models_dir_that_cannot_be_made_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DiskError, match="set RAG_MODELS_DIR"):
        fetch("org/m", "llm", Config(models_dir=tmp_path / "file" / "models"), ignore, ())


def shelves(*, hub_reachable: bool = False) -> tuple[Shelf, Shelf]:
    return (
        Shelf("Hugging Face", reachable=hub_reachable),
        Shelf("package carriers", models.FALLBACK_MODEL),
    )


def test_with_no_hub_the_builtin_default_is_replaced_and_says_so(config: Config) -> None:
    fetched = models.choose_model(config, ignore, shelves())
    assert (fetched.name, fetched.replaced) == (models.FALLBACK_MODEL, "qwen2-1.5b-instruct")
    assert ("Hugging Face", "the line is down") in {(a.source, a.reason) for a in fetched.attempts}
    assert models.chosen_model(config) == models.FALLBACK_MODEL


def test_a_later_start_reuses_the_fallback_without_asking_anyone(config: Config) -> None:
    first = models.choose_model(config, ignore, shelves())
    places = shelves(hub_reachable=True)
    second = models.choose_model(config, ignore, places)
    assert (second.path, second.replaced, second.attempts) == (first.path, first.replaced, first.attempts)
    assert [shelf.asked for shelf in places] == [[], []]


def test_once_the_default_is_here_it_takes_its_place_again(config: Config) -> None:
    models.choose_model(config, ignore, shelves())
    fetch(config.model, "llm", config, ignore, (Shelf("Hugging Face", config.model),))
    assert models.chosen_model(config) == config.model
    assert models.choose_model(config, ignore, ()).replaced == ""


def test_a_model_that_the_user_chose_is_never_replaced(tmp_path: Path, config: Config) -> None:
    models.choose_model(config, ignore, shelves())
    chosen = Config(models_dir=config.models_dir, model="qwen2-1.5b-instruct")
    assert models.chosen_model(chosen) == "qwen2-1.5b-instruct"
    with pytest.raises(ModelError, match=r"qwen2-1\.5b-instruct cannot be had"):
        models.choose_model(chosen, ignore, shelves())


def test_a_model_with_an_adapter_is_never_replaced(config: Config) -> None:
    models.choose_model(config, ignore, shelves())
    adapted = config.model_copy(update={"adapter": "org/adapter"})
    assert models.chosen_model(adapted) == "qwen2-1.5b-instruct"
    with pytest.raises(ModelError, match=r"qwen2-1\.5b-instruct cannot be had"):
        models.choose_model(adapted, ignore, shelves())


def test_without_the_fallback_either_both_sets_of_reasons_are_given(config: Config) -> None:
    places = (Shelf("Hugging Face", reachable=False), Shelf("package carriers", reachable=False))
    with pytest.raises(ModelError) as caught:
        models.choose_model(config, ignore, places)
    assert str(caught.value).startswith("qwen2-1.5b-instruct cannot be had (")
    assert f"{models.FALLBACK_MODEL} instead, package carriers: the line is down" in str(caught.value)


def test_a_hub_that_answers_but_lacks_the_default_is_no_reason_to_replace_it(config: Config) -> None:
    with pytest.raises(NoSourceError, match="not on the shelf"):
        models.choose_model(config, ignore, shelves(hub_reachable=True))


@pytest.mark.parametrize("content", ["", "[]", '{"asked": "x", "used": "y", "attempts": []}'])
def test_a_damaged_memory_of_the_choice_is_ignored(config: Config, content: str) -> None:
    config.models_dir.mkdir()
    (config.models_dir / "replaced.json").write_text(content, encoding="utf-8")
    assert models.chosen_model(config) == config.model


# Listing


def test_the_list_tells_what_is_here_and_where_the_rest_comes_from(config: Config) -> None:
    fetch("qwen2-0.5b-instruct", "llm", config, ignore, (Shelf("shelf", "qwen2-0.5b-instruct"),))
    (models.lowbit_folder("qwen2-0.5b-instruct", config)).mkdir()
    states = {state.name: state for state in models.list_models(config)}
    assert set(states) == set(models.CATALOGUE)
    here = states["qwen2-0.5b-instruct"]
    assert here.path == models.find_model("qwen2-0.5b-instruct", config)
    assert (here.fetched_from, here.licence) == ("shelf", "Apache-2.0")
    assert [path.name for path in here.conversions] == ["sym_int4"]
    assert here.on_disk > len(GGUF)
    assert states["qwen2-7b-instruct"].path is None
    assert [source for source, _ in states["multilingual-e5-small"].sources] == [
        "local", "Hugging Face", "ModelScope", "package carriers",
    ]  # fmt: skip


def test_any_hub_id_can_be_shown(config: Config) -> None:
    state = models.show_model("org/m", None, config)
    assert (state.kind, state.path, state.licence) == ("llm", None, "")
    assert ("ModelScope", "org/m") in state.sources
    chosen = Config(models_dir=config.models_dir, embedder="org/m")
    assert models.show_model("org/m", None, chosen).kind == "embedder"


def test_measuring_a_folder_bears_that_it_changes_meanwhile(tmp_path: Path) -> None:
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            (tmp_path / "a" / "b" / "c").mkdir(parents=True)
            (tmp_path / "a" / "b" / "c" / "file").write_bytes(b"x" * 10)
            shutil.rmtree(tmp_path / "a")

    (tmp_path / "stays").write_bytes(b"y" * 5)
    changing = threading.Thread(target=come_and_go)
    changing.start()
    try:
        assert {bytes_below(tmp_path) for _ in range(3000)} <= {5, 15}
    finally:
        done.set()
        changing.join()
