from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from rag.load.guard import Loader
from rag.load.pages.layout import lines_of
from rag.load.pages.ocr import engine
from rag.load.pages.picture_text import pieces_in
from tests.drawn import CHINESE_FONT, picture_of_text, scanned_pdf

ENGLISH = [
    "The lantern room is opened every evening at nine by the keeper on duty,",
    "who signs the red book and counts the spare lamps before the door is",
    "locked again. In 2023 the Harbour Office replaced 14 lamps ($1,250.75).",
]
CHINESE = [
    "灯塔每天晚上九点由值班的看守人打开，他在红色的登记",
    "簿上签名，清点备用的灯泡，然后再把门锁上。二〇二三年",
    "港务局更换了14盏灯（费用：1,250.75元）和两台发电机。",
]


def read_back(picture: Image.Image) -> str:
    return "".join("".join(line.text.split()) for line in lines_of(pieces_in(picture, engine())))


def error_rate(got: str, want: str) -> float:
    """Return the edits (Levenshtein) that turn one text into the other, per character wanted."""
    above = list(range(len(want) + 1))
    for at, char in enumerate(got, start=1):
        row = [at]
        for column, other in enumerate(want, start=1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (char != other)))
        above = row
    return above[-1] / len(want)


@pytest.mark.parametrize("size", [13, 17, 25, 46])  # 9 points at 100 dpi to 11 points at 300
@pytest.mark.parametrize("language", ["en", "zh"])
def test_printed_text_is_read_almost_without_error(language: str, size: int) -> None:
    lines, font, least = (ENGLISH, None, 0.01) if language == "en" else (CHINESE, CHINESE_FONT, 0.03)
    if font and not font.exists():
        pytest.skip("no Chinese font is on this machine")
    picture = picture_of_text(lines, size=size, width=40 * size, font=font)
    assert error_rate(read_back(picture), "".join("".join(lines).split())) <= least


@pytest.mark.parametrize("harm", ["blur", "noise", "grey paper"])
def test_poor_scans_are_read_almost_without_error(harm: str) -> None:
    picture = picture_of_text(ENGLISH, size=25, width=1000)
    if harm == "blur":
        picture = picture.filter(ImageFilter.GaussianBlur(1.2))
    if harm == "noise":
        noise = np.random.default_rng(0).normal(0, 25, (picture.height, picture.width, 3))
        picture = Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))
    if harm == "grey paper":
        picture = Image.blend(picture, Image.new("RGB", picture.size, "grey"), 0.6)
    assert error_rate(read_back(picture), "".join("".join(ENGLISH).split())) <= 0.02


def test_columns_found_as_one_line_are_parted() -> None:
    left, right = (
        picture_of_text(ENGLISH, size=20, width=740),
        picture_of_text(ENGLISH[::-1], size=20, width=740),
    )
    page = Image.new("RGB", (left.width + right.width, left.height), "white")
    page.paste(left, (0, 0))
    page.paste(right, (left.width, 0))
    lines = [line.text for line in lines_of(pieces_in(page, engine()))]
    assert [line.split()[0] for line in lines] == ["The", "who", "locked", "locked", "who", "The"]


def test_confidence_falls_with_the_quality_of_the_scan() -> None:
    clean = picture_of_text([ENGLISH[0]], size=20, width=900)
    poor = clean.resize((clean.width // 4, clean.height // 4)).resize(clean.size)
    sure, doubtful = (
        min((piece.confidence or 0 for piece in pieces_in(picture, engine())), default=0.0)
        for picture in (clean, poor)
    )
    assert sure > 0.95
    assert doubtful < sure


def test_the_engine_is_loaded_only_when_it_is_needed_and_asks_no_network() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import rag.load.pages.pdf, rag.load.pages.image\n"
        "assert not {'rapidocr', 'onnxruntime', 'cv2'} & sys.modules.keys()\n"
        "from rag.load.pages.ocr import engine\n"
        "import numpy as np\n"
        "engine().find(np.full((200, 200, 3), 255, np.uint8))\n"
        "engine().recognize([np.full((48, 200, 3), 255, np.uint8)])\n"
        "assert engine() is engine()\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_scan_is_read_within_the_limits_of_the_guarded_process(tmp_path: Path) -> None:
    words = " ".join(ENGLISH).split()
    order = random.Random(0)
    pages = [
        picture_of_text([" ".join(order.choices(words, k=12)) for _ in range(16)], size=25, width=1240)
        for _ in range(2)
    ]
    path = tmp_path / "scan.pdf"
    path.write_bytes(scanned_pdf(pages))
    with Loader(timeout=300) as loader:
        document = loader.load(path, source="scan.pdf")
    assert [page.number for page in document.pages] == [1, 2]
    assert len(document.text.split()) > 350
