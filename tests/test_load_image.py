from __future__ import annotations

import io

import pytest
from PIL import Image

from rag.errors import LoadError
from rag.load import read
from rag.load.content import Content
from rag.load.source import Settings, Source
from tests.drawn import CHINESE_FONT, picture_of_text

LINES = ["The lantern room is opened every", "evening at nine by the keeper on duty."]
TEXT = " ".join(LINES)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def content_of(data: bytes, *, ocr: bool = True, told: list[str] | None = None) -> Content:
    heard: list[str] = [] if told is None else told
    return read(Source(data=data, name="scan", settings=Settings(ocr=ocr), advance=heard.append))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
def test_every_kind_of_image_is_read(kind: str) -> None:
    content = content_of(encoded(picture_of_text(LINES), kind))
    assert content.text == TEXT
    assert content.pages == ()


def test_boxes_are_in_pixels_from_the_lower_left() -> None:
    content = content_of(encoded(picture_of_text(LINES, size=28), "PNG"))
    boxes = [region.box for region in content.regions]
    assert len(boxes) == 2
    height = picture_of_text(LINES, size=28).height
    for at, box in enumerate(boxes):
        assert box is not None
        assert box.left == pytest.approx(28, abs=4)
        assert height - box.top == pytest.approx(28 * (1 + 1.6 * at) + 6, abs=8)
        assert 20 < box.top - box.bottom < 40


def test_chinese_and_english_are_read_alike() -> None:
    if not CHINESE_FONT.exists():
        pytest.skip("no Chinese font is on this machine")
    lines = ["灯塔每天晚上九点由值班的看守人打开", "Lamp 12 at 9:30"]
    content = content_of(encoded(picture_of_text(lines, font=CHINESE_FONT), "PNG"))
    assert content.text.split("\n") == lines


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_scan_that_lies_on_its_side_or_head_is_read(turn: int) -> None:
    picture = picture_of_text([*LINES, "The red book is signed and the door is locked."])
    content = content_of(encoded(picture.rotate(turn, expand=True), "PNG"))
    assert content.text.split() == [
        *TEXT.split(),
        *["The", "red", "book", "is", "signed", "and", "the", "door", "is", "locked."],
    ]


def test_a_crooked_scan_is_read_line_by_line() -> None:
    lines = [f"Line {at} of the keeper's book tells of the lamps and ships" for at in range(8)]
    picture = picture_of_text(lines).rotate(
        3, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC
    )
    assert content_of(encoded(picture, "PNG")).text.split() == " ".join(lines).split()


def test_the_orientation_that_exif_tells_is_kept() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    picture = picture_of_text(LINES).rotate(90, expand=True)
    assert content_of(encoded(picture, "JPEG", exif=exif, quality=95)).text == TEXT


def test_transparent_parts_are_white() -> None:
    letters = picture_of_text(LINES).convert("L").point(lambda value: 255 - value)
    picture = Image.new("RGBA", letters.size, (0, 0, 0, 0))
    picture.putalpha(letters)
    assert content_of(encoded(picture, "PNG")).text == TEXT


def test_every_page_of_a_tiff_is_read_and_told_of() -> None:
    first, second = picture_of_text(["The first page"]), picture_of_text(["The second page"])
    told: list[str] = []
    content = content_of(encoded(first, "TIFF", save_all=True, append_images=[second]), told=told)
    assert [(page.number, content.text[page.start : page.end]) for page in content.pages] == [
        (1, "The first page"),
        (2, "The second page"),
    ]
    assert [region.box.page for region in content.regions if region.box] == [1, 2]
    assert told == ["page 1 of 2", "page 2 of 2"]


def test_a_very_long_screenshot_is_read_whole() -> None:
    lines = [f"Message {at} tells of the lamp" for at in range(56)]
    content = content_of(encoded(picture_of_text(lines, size=24, width=600), "PNG"))
    assert content.text.split() == " ".join(lines).split()


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (300, 200)])
def test_an_image_without_text_says_so(size: tuple[int, int]) -> None:
    with pytest.raises(LoadError, match="there is no text in it: OCR found none in the image"):
        content_of(encoded(Image.new("RGB", size, "skyblue"), "PNG"))


def test_noise_is_no_text() -> None:
    noise = Image.effect_noise((600, 400), 80).convert("RGB")
    with pytest.raises(LoadError, match="no text"):
        content_of(encoded(noise, "PNG"))


def test_an_image_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(LoadError, match="too large"):
        content_of(encoded(Image.new("1", (20_000, 20_000)), "PNG"))


def test_a_cut_image_is_said_to_be_damaged() -> None:
    data = encoded(picture_of_text(LINES), "PNG")
    with pytest.raises(LoadError, match="damaged"):
        content_of(data[: len(data) // 2])


def test_an_image_is_refused_with_the_name_of_the_setting_when_ocr_is_off() -> None:
    with pytest.raises(LoadError, match=r"`ocr = true` in rag\.toml"):
        content_of(encoded(picture_of_text(LINES), "PNG"), ocr=False)
