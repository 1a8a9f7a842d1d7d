from __future__ import annotations

from rag.load.plain.org import read_org
from rag.load.plain.rst import read_rst
from rag.load.source import Source

RST = """=====
Guide
=====

Intro
-----

text

灯塔
----

A paragraph that is long
-----

+---+---+
| a | b |
+---+---+

====  ====
x     y
====  ====

.. include:: /etc/passwd
.. raw:: html
   :file: /etc/passwd

::

    Not a title
    ===========

Lamps
=====
"""


def test_the_order_of_adornments_gives_the_levels_and_no_directive_is_carried_out() -> None:
    content = read_rst(Source(data=RST.encode(), name="a.rst"))
    assert content.text == RST.strip()
    assert [(each.level, each.title) for each in content.headings] == [
        (1, "Guide"), (2, "Intro"), (2, "灯塔"), (3, "Lamps"),
    ]  # fmt: skip
    assert content.text[content.headings[0].start : content.headings[0].end] == "=====\nGuide\n====="


def test_org_headings_lose_their_states_and_tags_and_blocks_hold_none() -> None:
    text = (
        "#+TITLE: Notes\n* TODO [#A] One :tag:\ntext\n#+BEGIN_SRC c\n* not\n#+END_SRC\n** 二\n*bold* text\n"
    )
    content = read_org(Source(data=text.encode(), name="a.org"))
    assert content.text == text.strip()
    assert [(each.level, each.title) for each in content.headings] == [(1, "Notes"), (2, "One"), (3, "二")]


def test_a_title_of_two_letters_has_a_line_as_short() -> None:
    content = read_rst(Source(data=b"IF\n==\n\ntext\n\nHello there\n--\n", name="a.rst"))
    assert [(each.level, each.title) for each in content.headings] == [(1, "IF")]
