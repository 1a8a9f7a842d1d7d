"""The characters of the font Symbol, which old documents write Greek letters and mathematical signs in."""

from __future__ import annotations

from typing import Final

PRIVATE: Final = range(0xF000, 0xF100)  # where Office puts the characters of such fonts
UPPER: Final = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ"
LOWER: Final = "αβχδεφγηιϕκλμνοπθρστυϖωξψζ"
SIGNS: Final = {
    0x22: "∀", 0x24: "∃", 0x27: "∋", 0x2A: "∗", 0x2D: "−", 0x40: "≅", 0x5C: "∴", 0x5E: "⊥", 0x7E: "∼",
    0xA0: "€", 0xA1: "ϒ", 0xA2: "′", 0xA3: "≤", 0xA4: "⁄", 0xA5: "∞", 0xA6: "ƒ", 0xAB: "↔", 0xAC: "←",
    0xAD: "↑", 0xAE: "→", 0xAF: "↓", 0xB0: "°", 0xB1: "±", 0xB2: "″", 0xB3: "≥", 0xB4: "×", 0xB5: "∝",
    0xB6: "∂", 0xB7: "•", 0xB8: "÷", 0xB9: "≠", 0xBA: "≡", 0xBB: "≈", 0xBC: "…", 0xC0: "ℵ", 0xC5: "⊕",
    0xC6: "∅", 0xC7: "∩", 0xC8: "∪", 0xC9: "⊃", 0xCA: "⊇", 0xCB: "⊄", 0xCC: "⊂", 0xCD: "⊆", 0xCE: "∈",
    0xCF: "∉", 0xD0: "∠", 0xD1: "∇", 0xD2: "®", 0xD3: "©", 0xD4: "™", 0xD5: "∏", 0xD6: "√", 0xD7: "⋅",
    0xD8: "¬", 0xD9: "∧", 0xDA: "∨", 0xDB: "⇔", 0xDC: "⇐", 0xDD: "⇑", 0xDE: "⇒", 0xDF: "⇓", 0xE5: "∑",
    0xF2: "∫",
}  # fmt: skip
CHARACTERS: Final = (
    {ord("A") + at: letter for at, letter in enumerate(UPPER)}
    | {ord("a") + at: letter for at, letter in enumerate(LOWER)}
    | SIGNS
)


def symbols(text: str) -> str:
    """Return what `text` shows in the font Symbol."""
    return "".join(_symbol(ord(character)) for character in text)


def _symbol(code: int) -> str:
    code = code - PRIVATE.start if code in PRIVATE else code
    return CHARACTERS.get(code, chr(code) if code < 0x7F else "")  # noqa: PLR2004 - ASCII
