"""The frame of the page: the bar on top and what an empty conversation shows."""

from __future__ import annotations

from html import escape
from typing import Final

from rag.ui.languages import LANGUAGES
from rag.ui.texts import Texts, told

LANGUAGE_NAMES: Final = {"en": "English", "zh": "中文"}


def bar(texts: Texts) -> str:
    """Return the bar: name, the two views, language and light or dark."""
    languages = "".join(
        f'<button type="button" data-event="language" data-code="{code}" lang="{code}"'
        f' aria-pressed="{str(code == texts.code).lower()}">{LANGUAGE_NAMES[code]}</button>'
        for code in LANGUAGES
    )
    return (
        f'<header class="bar" data-language="{texts.code}">'
        f'<div class="brand"><span class="seal" aria-hidden="true">考</span><b>Kaoju</b>'
        f'<span class="han">考据</span></div><p class="tagline">{texts.tagline}</p>'
        f'<nav><button type="button" data-view="ask">{texts.nav_ask}</button>'
        f'<button type="button" data-view="documents" data-event="refresh">'
        f"{texts.nav_documents}</button></nav>"
        f'<div class="languages" role="group" aria-label="Language 语言">{languages}</div>'
        f'<button type="button" class="theme" title="{texts.switch_theme}"'
        f' aria-label="{texts.switch_theme}">◐</button></header>'
    )


def empty(texts: Texts, *, readable: bool, error: str = "") -> str:
    """Return what a new conversation shows: questions to try, where to add documents, or what is wrong."""
    if error:
        return (
            f'<div class="empty"><p class="notice error" role="alert">{escape(told(error, texts))}</p></div>'
        )
    examples = "".join(
        f'<button type="button" data-event="example" data-text="{escape(text)}">{escape(text)}</button>'
        for text in texts.examples
    )
    below = (
        f'<div class="examples">{examples}</div>'
        if readable
        else f'<button type="button" class="to-documents" data-view="documents">{texts.add_files}</button>'
    )
    said = texts.empty_text if readable else texts.empty_index
    return f'<div class="empty"><h1>{texts.empty_title}</h1><p>{said}</p>{below}</div>'
