"""What the page is made of: its files, its theme, and HTML that tells what is done to it."""

from __future__ import annotations

import json
from importlib import resources
from typing import Final

import gradio as gr

TRIGGERS: Final = """
const on = (kind, selector) => element.addEventListener(kind, (event) => {
  const one = event.target.closest(selector);
  if (!one || (one.dataset.confirm && !window.confirm(one.dataset.confirm))) return;
  const said = {value: one.value, checked: Boolean(one.checked), ...one.dataset};
  if (%s.includes(one.dataset.event)) trigger(one.dataset.event, said);
});
on('click', 'button[data-event]');
on('change', 'input[data-event]');
"""


def asset(name: str) -> str:
    """Return a style sheet or script of this package."""
    return resources.files("rag.ui").joinpath(name).read_text(encoding="utf-8")


def theme() -> gr.themes.Base:
    """Return a theme that asks no other host for fonts."""
    return gr.themes.Base(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"], spacing_size="sm"
    )


def element(name: str, *events: str) -> gr.HTML:
    """Return HTML whose buttons and fields with `data-event` trigger these events, with their data."""
    script = TRIGGERS % json.dumps(events) if events else None
    return gr.HTML("", elem_id=name, js_on_load=script, apply_default_css=False)
