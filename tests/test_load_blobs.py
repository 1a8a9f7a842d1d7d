from __future__ import annotations

import base64
import random

import pytest

from rag.load.plain.blobs import without_blobs

NOISE = base64.b64encode(random.Random(0).randbytes(30_000)).decode()


@pytest.mark.parametrize(
    "blob",
    [
        NOISE,
        "\n".join(NOISE[at : at + 76] for at in range(0, 7600, 76)) + "\n",
        "\r\n".join(NOISE[at : at + 76] for at in range(0, 7600, 76)),
        random.Random(0).randbytes(400).hex(),
        "f" * 200 + "0" * 200,
    ],
)
def test_encoded_data_is_left_out_and_that_is_said(blob: str) -> None:
    text, notes = without_blobs(f"before\n{blob}\nafter")
    assert text.split() == ["before", "after"]
    assert notes == ["1 block of encoded data left out"]


@pytest.mark.parametrize(
    "text",
    [
        "word " * 5000,
        "汉字，" * 5000,
        "ประภาคารเปิดไฟทุกคืน" * 500,
        "A light<ref>{{Cite|url=https://example.org/a-long-page-of-light|title=Light}}</ref> for all at sea. "
        * 99,
        "a" * 1000,
        "https://example.org/" + "path/" * 40,
        "/opt/" + "/".join(f"Program{number}/Dir{number}Name" for number in range(40)),
        "-".join(f"Lamp{number}" for number in range(90)),
        "\n".join("A line of words that is about as long as base64 lines would be, yes" for _ in range(50)),
        "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVK\n" * 10,
        "GATTACA" * 10 + f"\n{'CATTAGA' * 10}" * 9,
    ],
)
def test_what_people_write_stays(text: str) -> None:
    assert without_blobs(text) == (text, [])


def test_text_after_an_embedded_image_stays() -> None:
    text, notes = without_blobs(f"![x](data:image/png;base64,{NOISE}) and words after it")
    assert text == "![x](data:image/png) and words after it"
    assert notes == ["1 block of encoded data left out"]
    assert without_blobs("write data:image/png;base64, before it") == (
        "write data:image/png;base64, before it",
        [],
    )


def test_the_line_after_a_block_keeps_its_indent() -> None:
    block = "".join(f"    {NOISE[at : at + 76]}\n" for at in range(0, 760, 76))
    text, _ = without_blobs(f"  body: |\n{block}  after: it\n")
    assert text == "  body: |\n  after: it\n"
