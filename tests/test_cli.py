"""The commands as a user runs them: output, exit status, and one clear sentence when something is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from rag.config import Config
from rag.index import Index

ROOT = Path(__file__).parents[1]
SENTENCE = re.compile(r"^rag: [^\n]+\n$")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "leave.md").write_text(
        "Staff have 27 days of paid leave a year.\n", encoding="utf-8"
    )
    (tmp_path / "data" / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing here")
    return tmp_path


def rag(
    folder: Path, *arguments: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    variables = {"RAG_ENGINE": "echo", "RAG_EMBEDDER": "hashing", "RAG_MODELS_DIR": str(folder / "models")}
    return subprocess.run(
        [sys.executable, "-m", "rag", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables, **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_sync_reports_and_the_second_time_does_nothing(folder: Path) -> None:
    first = rag(folder, "sync", "--json")
    report = json.loads(first.stdout)
    assert first.returncode == 0
    assert (report["added"], report["passages"]) == (1, 1)
    assert report["failed"][0]["document"] == "broken.pdf"
    again = json.loads(rag(folder, "sync", "--json").stdout)
    assert (again["added"], again["changed"], again["removed"], again["unchanged"]) == (0, 0, 0, 1)
    assert set(report) == {
        *("added", "changed", "removed", "unchanged", "failed", "waiting", "ignored", "passages", "seconds")
    }


def test_sync_in_words_names_the_failed_file(folder: Path) -> None:
    assert "1 added, 0 changed, 0 removed, 0 unchanged, 1 failed; 1 passage; " in rag(folder, "sync").stdout
    assert "failed: broken.pdf: " in rag(folder, "sync").stdout


def test_status_lists_every_file_with_its_state_and_what_is_not_read_yet(folder: Path) -> None:
    (folder / "data" / ".kaojuignore").write_text("*.log\nprivate/\n", encoding="utf-8")
    (folder / "data" / "a.log").write_text("x", encoding="utf-8")
    (folder / "data" / "private").mkdir()
    assert "1 failed, 2 ignored; 1 passage; " in rag(folder, "sync").stdout
    (folder / "data" / "new.txt").write_text("Tea is green.", encoding="utf-8")
    said = rag(folder, "status")
    lines = said.stdout.splitlines()
    assert (said.returncode, said.stderr) == (0, "")
    assert re.match(r"indexed  \d{4}-\d\d-\d\d \d\d:\d\d         1 passage  leave\.md$", lines[0])
    assert re.match(r"failed   .*broken\.pdf$", lines[1])
    assert lines[3:] == [
        "2 files: 1 indexed, 1 failed, 0 with notes; 1 passage; 1 file and 1 folder ignored",
        "1 file was added, changed or removed since; run `rag sync`",
    ]
    found = json.loads(rag(folder, "status", "--json").stdout)
    document = next(each for each in found["documents"] if each["document"] == "broken.pdf")
    assert set(document) == {"document", "state", "passages", "bytes", "reason", "notes", "read_at"}
    assert (document["state"], document["reason"]) == ("failed", lines[2].strip())
    del found["documents"]
    assert found == {
        "indexed": 1,
        "failed": 1,
        "with_notes": 0,
        "passages": 1,
        "ignored_files": 1,
        "ignored_folders": 1,
        "changed_since": 1,
    }


def test_ask_prints_the_answer_and_its_sources(folder: Path) -> None:
    rag(folder, "sync")
    asked = rag(folder, "ask", "How many days of paid leave?")
    assert asked.returncode == 0
    assert asked.stdout.startswith(
        "Staff have 27 days of paid leave a year. [1]\n\nSources\n  [1] leave.md\n"
    )
    assert "echo on echo" in asked.stdout


def test_ask_as_json_has_the_documented_keys(folder: Path) -> None:
    rag(folder, "sync")
    answer = json.loads(rag(folder, "ask", "--json", "How many days of paid leave?").stdout)
    assert set(answer) == {
        *("question", "answer", "refused", "reason", "citations", "hits", "model", "engine"),
        *("prompt_tokens", "answer_tokens", "log_odds", "timings", "searched_for", "unsupported"),
        "unmentioned",
    }
    assert answer["citations"] == [
        {
            "marker": 1,
            "document": "leave.md",
            "page": None,
            "quote": "Staff have 27 days of paid leave a year.",
            "place": "leave.md",
            "confidence": None,
            "also": [],
        }
    ]
    assert set(answer["hits"][0]) == {
        *("document", "page", "text", "score"),
        *("place", "confidence", "also"),
        *(
            "dense",
            "lexical",
            "covered",
            "reranked",
            "ranks",
            "marker",
            "cited",
            "left_out",
            "log_odds",
            "cut",
        ),
    }
    ranks = answer["hits"][0]["ranks"]
    assert (ranks["dense"], ranks["lexical"], ranks["fused"]) == (1, 1, 1)
    assert set(answer["timings"]) == {
        *("retrieve", "first_token", "total", "queued", "rewrite", "read", "write")
    }


def test_ask_tells_why_in_the_language_of_the_question(folder: Path) -> None:
    (folder / "data" / "假期.md").write_text("正式员工每年有十九天带薪年假。\n", encoding="utf-8")
    rag(folder, "sync")
    asked = rag(folder, "ask", "--why", "How many days of paid leave?")
    assert "Why this answer\n  [1] leave.md\n      Shown to the model whole · Cited yes\n" in asked.stdout
    chinese = rag(folder, "ask", "--why", "火星上有几天带薪年假？").stdout
    assert "为什么是这个回答\n" in chinese
    assert "[1] 假期.md\n      给模型看 全部 · 被引用 " in chinese


def test_where_to_look_is_said_by_flags_and_checked(folder: Path) -> None:
    rag(folder, "sync")
    name = next(path.name for path in (folder / "data").iterdir() if path.suffix != ".pdf")
    kind = name.rpartition(".")[2]
    question = "How many days of paid leave?"
    found = json.loads(rag(folder, "ask", "--json", "--in", name, "--type", kind, question).stdout)
    assert {hit["document"] for hit in found["hits"]} == {name}
    wrong = rag(folder, "ask", "--in", f"{name}x", question)
    assert (wrong.returncode, f"did you mean '{name}'" in wrong.stderr) == (1, True)
    undated = rag(folder, "ask", "--since", "31.1.2024", question)
    assert (undated.returncode, "'31.1.2024' is not a day like" in undated.stderr) == (2, True)


def test_a_refusal_has_its_own_exit_status(folder: Path) -> None:
    rag(folder, "sync")
    asked = rag(folder, "ask", "Who won the Tour de France?")
    assert asked.returncode == 3
    assert asked.stdout.startswith("The documents do not answer this question.")
    assert "Nearest passages\n  leave.md: " in asked.stdout


def test_chat_keeps_the_conversation(folder: Path) -> None:
    rag(folder, "sync")
    talked = rag(
        folder, "chat", stdin="How many days of paid leave?\n\nHow many days of paid leave?\n/quit\n"
    )
    assert talked.returncode == 0
    assert talked.stdout.count("27 days") >= 2
    assert "rag: the question is empty" in talked.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("ask", ""), {}, "the question is empty"),
        (("ask", "x" * 100_000), {}, "100,000 characters"),
        (("ask", "Leave?"), {}, "no documents are indexed"),
        (("ask", "Leave?"), {"RAG_TOP_K": "many"}, "RAG_TOP_K='many' is not valid"),
        (
            ("ask", "Leave?"),
            {"RAG_ENGINE": "warp"},
            "RAG_ENGINE='warp' is not valid: Input should be 'auto', ",
        ),
        (("ask", "Leave?"), {"RAG_ENGINE": "ipex", "RAG_EMBEDDER": "nowhere"}, "'nowhere'"),
        (("ask", "Leave?", "--top-k", "0"), {}, "top_k='0' is not valid"),
        (("sync", "--data-dir", "no/such"), {}, "no/such"),
        (("models", "show", "no such model"), {}, "no such model"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_status_1(
    folder: Path, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    run = rag(folder, *arguments, **environment)
    assert (run.returncode, run.stdout) == (1, "")
    assert SENTENCE.match(run.stderr)
    assert said in run.stderr


def test_a_wrong_command_line_is_status_2(folder: Path) -> None:
    assert rag(folder, "fetch").returncode == 2


def test_every_setting_but_the_secret_ones_is_a_flag(folder: Path) -> None:
    shown = rag(folder, "ask", "--help", COLUMNS="100").stdout
    missing = [name for name in Config.model_fields if f"--{name.replace('_', '-')}" not in shown]
    assert sorted(missing) == ["openai_key", "passwords"]
    assert rag(folder, "ask", "--openai-key", "sk-1", "?").returncode == 2


def test_models_list_names_every_model_of_the_catalogue(folder: Path) -> None:
    shown = rag(folder, "models", "list").stdout
    for name in ("qwen2-1.5b-instruct", "qwen2.5-coder-7b-instruct", "multilingual-e5-small", "bge-m3"):
        assert f"{name} " in shown


def test_an_engine_that_keeps_nothing_need_not_read(folder: Path) -> None:
    rag(folder, "sync")
    run = rag(folder, "read")
    assert run.returncode == 1
    assert "the echo engine keeps nothing of what it reads; use ipex or llamacpp, with reuse=on" in run.stderr


def test_doctor_says_what_is_missing_and_how_to_mend_it(folder: Path) -> None:
    examined = rag(folder, "doctor", RAG_ENGINE="ipex")
    assert examined.returncode == 1
    assert re.search(
        r"!! {2}model: qwen2-1.5b-instruct is not on this machine\n +mend it: rag models pull",
        examined.stdout,
    )
    assert "ok  torch: 2.13.0" in examined.stdout


def test_an_empty_folder_syncs_to_nothing_and_cannot_be_asked(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert rag(tmp_path, "sync").returncode == 0
    asked = rag(tmp_path, "ask", "Leave?")
    assert asked.returncode == 1
    assert "no documents are indexed; put some into data/ and run `rag sync`" in asked.stderr


def test_an_index_of_other_settings_is_named_and_the_next_sync_remakes_it(folder: Path) -> None:
    rag(folder, "sync")
    asked = rag(folder, "ask", "How many days of paid leave?", RAG_PASSAGE_TOKENS="64")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert SENTENCE.match(asked.stderr)
    assert "rag sync" in asked.stderr
    assert rag(folder, "sync", RAG_PASSAGE_TOKENS="64").returncode == 0
    assert "27 days" in rag(folder, "ask", "How many days of paid leave?", RAG_PASSAGE_TOKENS="64").stdout


def test_a_damaged_index_is_named_and_the_next_sync_rebuilds_it(folder: Path) -> None:
    rag(folder, "sync")
    database = folder / "index" / "index.sqlite"
    database.write_bytes(b"\x00 not a database \x00" * 400)
    asked = rag(folder, "ask", "How many days of paid leave?")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert SENTENCE.match(asked.stderr)
    synced = rag(folder, "sync")
    assert synced.returncode == 0
    assert "kept in index/set-aside-" in synced.stderr
    assert "27 days" in rag(folder, "ask", "How many days of paid leave?").stdout


def test_a_damaged_vector_file_is_rebuilt_unseen(folder: Path) -> None:
    rag(folder, "sync")
    vectors = folder / "index" / "vectors.faiss"
    vectors.write_bytes(vectors.read_bytes()[:20])
    asked = rag(folder, "ask", "How many days of paid leave?")
    assert (asked.returncode, "27 days" in asked.stdout) == (0, True)


def test_a_second_sync_says_who_is_syncing(folder: Path) -> None:
    rag(folder, "sync")
    with (
        Index.open(folder / "index", embedder="hashing", dim=1024, passage_tokens=256) as index,
        index.writing(),
    ):
        second = rag(folder, "sync")
    assert (second.returncode, second.stdout) == (1, "")
    assert SENTENCE.match(second.stderr)
    assert str(os.getpid()) in second.stderr


def test_rebuild_keeps_the_old_index_aside(folder: Path) -> None:
    rag(folder, "sync")
    assert "1 added" in rag(folder, "sync", "--rebuild").stdout
    assert list((folder / "index").glob("set-aside-*/index.sqlite"))


def test_a_port_in_use_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        served = rag(folder, "ui", "--port", str(port))
    assert (served.returncode, served.stdout) == (1, "")
    assert SENTENCE.match(served.stderr)
    assert str(port) in served.stderr


def test_uploads_need_no_folder_that_another_user_has_and_leave_none(folder: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (temporary / "gradio").touch()  # where Gradio would make its folder
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    variables = {"RAG_ENGINE": "echo", "RAG_EMBEDDER": "hashing", "RAG_PORT": port}
    own = {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), "GRADIO_TEMP_DIR": ""}
    with subprocess.Popen(
        [sys.executable, "-m", "rag", "ui"],
        cwd=folder,
        env={**os.environ, **own, **variables},
        stdout=subprocess.PIPE,
        text=True,
    ) as served:
        assert served.stdout is not None
        assert f":{port}/" in served.stdout.readline()
        address = f"http://127.0.0.1:{port}/gradio_api/upload"
        (kept,) = httpx.post(address, files={"files": ("a.txt", b"The ferry leaves at seven.")}).json()
        assert Path(kept).read_text(encoding="utf-8") == "The ferry leaves at seven."
        served.terminate()
        assert served.wait(timeout=20) == 0
    assert [path.name for path in temporary.iterdir()] == ["gradio"]


def test_ctrl_c_is_one_line_and_status_130(folder: Path) -> None:
    rag(folder, "sync")
    command = [sys.executable, "-m", "rag", "ask", "How many days of paid leave?"]
    variables = {"RAG_ENGINE": "echo", "RAG_EMBEDDER": "hashing", "RAG_ECHO_SECONDS_PER_TOKEN": "0.3"}
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as asking:
        assert asking.stdout is not None
        assert asking.stdout.read(1) == "S"
        asking.send_signal(signal.SIGINT)
        _, told = asking.communicate(timeout=20)
    assert asking.returncode == 130
    assert told == "\nrag: interrupted; run the same command again to go on\n"


def test_a_reader_that_goes_away_is_no_traceback(folder: Path) -> None:
    rag(folder, "sync")
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    asked = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m rag ask --json 'How many days of paid leave?' | true"],
        cwd=folder,
        env={**variables, "PYTHONPATH": str(ROOT), "RAG_ENGINE": "echo", "RAG_EMBEDDER": "hashing"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert asked.stderr == ""


def test_closed_streams_and_a_full_disk_are_no_traceback(folder: Path) -> None:
    rag(folder, "sync")
    command = f"{sys.executable} -m rag"
    settings = {"RAG_ENGINE": "echo", "RAG_EMBEDDER": "hashing", "PYTHONPATH": str(ROOT)}
    for line, status, said in (
        (f"{command} chat <&-", 0, ""),
        (f"{command} ask 'How many days of paid leave?' >&-", 0, ""),
        (f"{command} sync 2>&-", 0, ""),
        (f"{command} status > /dev/full", 1, "No space left on device"),
        (f"PYTHONIOENCODING=ascii {command} ask 云岫", 3, ""),
        (f"{command} export .", 1, "is a folder; name a file in it"),
    ):
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=folder,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr, said in done.stderr) == (status, False, True), (
            line
        )


def test_an_undecodable_question_is_asked_without_its_bad_bytes(folder: Path) -> None:
    rag(folder, "sync")
    command: list[str | bytes] = [
        sys.executable,
        "-m",
        "rag",
        "ask",
        "--json",
        b"How many days of paid leave\xff?",
    ]
    asked = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAG_ENGINE": "echo", "RAG_EMBEDDER": "hashing"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (asked.returncode, asked.stderr) == (0, b"")
    assert json.loads(asked.stdout)["question"] == "How many days of paid leave??"


def test_on_a_terminal_bars_show_any_file_name(folder: Path) -> None:
    for name in ("a[/x].md", "x[draft].md"):
        (folder / "data" / name).parent.mkdir(exist_ok=True)
        (folder / "data" / name).write_text("The cabinet holds maps.\n", encoding="utf-8")
    screen = on_a_terminal([sys.executable, "-m", "rag", "sync"], folder)
    assert "Reading documents" in screen
    assert "3 added" in screen
    assert "Traceback" not in screen


def on_a_terminal(command: list[str], folder: Path) -> str:
    """Run the command with a pseudo-terminal for all three streams and return what it wrote."""
    shown, terminal = os.openpty()
    variables = {"RAG_ENGINE": "echo", "RAG_EMBEDDER": "hashing", "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ):
        os.close(terminal)
        written = b""
        with suppress(OSError):  # the last writer has gone
            while piece := os.read(shown, 4096):
                written += piece
    os.close(shown)
    return written.decode("utf-8", "replace")


def test_an_interruption_while_the_modules_are_imported_is_no_traceback(folder: Path) -> None:
    code = """
import runpy, sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "rag.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
runpy.run_module("rag", run_name="__main__")
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (130, "")
    assert run.stderr == "\nrag: interrupted; run the same command again to go on\n"


def test_a_model_may_be_named_after_the_flags(folder: Path) -> None:
    shown = rag(folder, "models", "show", "--offline", "qwen2-0.5b-instruct")
    assert shown.returncode == 0
    assert shown.stdout.startswith("qwen2-0.5b-instruct (llm")


def test_status_tells_that_the_folder_is_gone(folder: Path) -> None:
    rag(folder, "sync")
    told = json.loads(rag(folder, "status", "--json", RAG_DATA_DIR="gone").stdout)
    assert "changed_since" not in told
    assert told["trouble"].startswith("the data folder gone/ does not exist")
    assert "broken.pdf is a file" in rag(folder, "sync", RAG_DATA_DIR="data/broken.pdf").stderr


def test_a_model_that_is_not_there_is_named_in_the_cure(folder: Path) -> None:
    rag(folder, "sync")
    run = rag(folder, "ask", "Leave?", "--model", "qwen2-0.5b-instruct", RAG_ENGINE="ipex")
    assert "run `rag models pull qwen2-0.5b-instruct`" in run.stderr


def test_json_is_whole_where_the_terminal_knows_ascii_only(folder: Path) -> None:
    (folder / "data" / "茶.txt").write_text("茶馆现有员工二十四人。", encoding="utf-8")
    rag(folder, "sync")
    told = json.loads(rag(folder, "status", "--json", PYTHONIOENCODING="ascii").stdout)
    assert "茶.txt" in [each["document"] for each in told["documents"]]
    answer = json.loads(rag(folder, "ask", "--json", "茶馆有多少员工？", PYTHONIOENCODING="ascii").stdout)
    assert "茶馆现有员工二十四人" in answer["answer"]
