"""The OCR engine: where lines stand in a picture, and what they say; Chinese and English."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]  # shape (height, width, 3); blue, green, red
Quad: TypeAlias = NDArray[
    np.float32
]  # shape (4, 2): corners from the upper left on, clockwise; x, y in pixels

LONGEST_SIDE: Final = (
    1536  # pixels in which lines are looked for; letters of 9 points on A4 are 12 high there
)
SMALL_SIDE: Final = 900  # pixels; a smaller picture is looked at in double size
MOST_THREADS: Final = 4  # more read no faster
BATCH: Final = 2  # lines recognized at once: six are no faster and take 300 MB more


@dataclass(frozen=True, slots=True)
class Recognized:
    """What a line says."""

    text: str
    confidence: float  # 0 to 1


class Engine:
    """Finds and recognizes lines with the models that come with rapidocr; nothing is downloaded."""

    def __init__(self, threads: int) -> None:
        from rapidocr import RapidOCR

        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.text_score": 0.0,
                "Global.max_side_len": 1 << 20,  # it is scaled here, once
                "Det.limit_type": "max",
                "Det.limit_side_len": LONGEST_SIDE,
                "Rec.rec_batch_num": BATCH,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def find(self, pixels: Pixels) -> list[Quad]:
        """Return the corners of each line, in no order."""
        import cv2

        scale = _scale(pixels)
        seen = (
            cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            if scale != 1
            else pixels
        )
        boxes = self._engine(seen, use_det=True, use_cls=False, use_rec=False).boxes
        return [] if boxes is None else [np.asarray(box, np.float32) / scale for box in boxes]

    def recognize(self, crops: Sequence[Pixels]) -> list[Recognized]:
        """Return what upright pictures of single lines say."""
        if not crops:
            return []
        said = self._engine.recognize_txt(list(crops))
        return [
            Recognized(" ".join(text.split()), float(score))
            for text, score in zip(said.txts, said.scores, strict=True)
        ]


@cache
def engine() -> Engine:
    """Return this process's engine; loading it takes about two seconds and 250 MB."""
    return Engine(threads=min(_processors(), MOST_THREADS))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _scale(pixels: Pixels) -> float:
    longest: int = max(pixels.shape[:2])
    if longest > LONGEST_SIDE:
        return LONGEST_SIDE / longest
    return 2.0 if longest < SMALL_SIDE else 1.0
