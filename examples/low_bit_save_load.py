"""Fetch a model, save its weights in four bits into a folder of your choice, and load them from there.

    .venv/bin/python examples/low_bit_save_load.py
    .venv/bin/python examples/low_bit_save_load.py --model qwen2-0.5b-instruct --folder ~/qwen2-int4

The model comes from this machine, Hugging Face or ModelScope, whichever has it first, and is verified.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from langchain_core.messages import HumanMessage

from rag import Config, RagError, models
from rag.bars import progress_bars
from rag.chat_model import EngineChatModel
from rag.engines.ipex import IpexEngine
from rag.engines.low_bit import conversion

QUESTION = "Name three uses of a small language model."


def fetch(config: Config) -> models.Fetched:
    """Return the model that the settings name, from the first place that has it."""
    with progress_bars() as bars:
        fetched = models.choose_model(config, bars)
    for attempt in fetched.attempts:
        print(f"{attempt.source}: {attempt.reason}")
    print(f"{fetched.name} from {fetched.source}: {megabytes(fetched.path)} in {fetched.path}")
    return fetched


def save(fetched: models.Fetched, folder: Path, low_bit: str) -> None:
    """Quantise the weights layer by layer into safetensors files, which are whole or not there."""
    if conversion.is_converted(folder, fetched.path, low_bit):
        print(f"Saved in {low_bit} before: {megabytes(folder)} in {folder}")
        return
    begun = time.perf_counter()
    with progress_bars() as bars:
        conversion.convert(fetched.path, folder, low_bit, bars)
    print(f"Saved in {low_bit} in {time.perf_counter() - begun:.1f} s: {megabytes(folder)} in {folder}")


def load(folder: Path, name: str) -> IpexEngine:
    """Map the saved weights into memory: nothing is quantised again."""
    begun = time.perf_counter()
    engine = IpexEngine(folder, model=name)
    print(f"Loaded in {time.perf_counter() - begun:.1f} s")
    return engine


def answer(engine: IpexEngine) -> str:
    """Return the greedy answer, which is always the same."""
    model = EngineChatModel(engine=engine, max_tokens=32, temperature=0.0)
    return model.invoke([HumanMessage(QUESTION)]).text


def megabytes(path: Path) -> str:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:,.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", help="catalogue name, hub id, local folder or GGUF file")
    parser.add_argument("--folder", type=Path, help="where to save the low-bit weights")
    given = parser.parse_args()
    config = Config(model=given.model) if given.model else Config()
    fetched = fetch(config)
    folder = given.folder or Path(tempfile.gettempdir()) / f"{Path(fetched.name).name}-{config.low_bit}"
    save(fetched, folder.expanduser(), config.low_bit)
    first, again = (answer(load(folder, fetched.name)) for _ in range(2))
    print(f"\n{QUESTION}\n{first}\n")
    if again != first:
        sys.exit(f"Loaded again it said something else:\n{again}")
    print("Loaded again it said the same.")


if __name__ == "__main__":
    try:
        main()
    except RagError as exc:
        sys.exit(str(exc))
