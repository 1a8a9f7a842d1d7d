"""Where a passage or a citation stands, as a person would look for it."""

from __future__ import annotations

from typing import Final

from rag.datatypes import Citation, Passage
from rag.render.labels import ENGLISH, Labels

# Confidence of the OCR below which its text is marked. Of 160 blurred and noisy lines, both languages, those
# from 0.95 on have .006 wrong characters, those from 0.90 on .10, from 0.80 on .18, and below .45 to .9.
DOUBTFUL: Final = 0.95


def place(of: Passage | Citation, labels: Labels = ENGLISH) -> str:
    """Return the file, the member within it, and the page or cells, for a person."""
    if of.cells:
        where = of.cells if "!" in of.cells else labels.one_place[""].format(first=of.cells)
    else:
        first, last = page_range(of)
        said = labels.one_place if first == last else labels.places
        where = said[of.unit].format(first=first, last=last)
    return f"{file_name(of)}{labels.at}{where}" if of.cells or of.page else file_name(of)


def file_name(of: Passage | Citation) -> str:
    """Return the file and, of an archive or a mail, the member that a person has to open."""
    source = of.source if isinstance(of, Passage) else of.document
    return f"{source} › {of.part}" if of.part else source


def page_range(of: Passage | Citation) -> tuple[int | None, int | None]:
    """Return the first and the last page; a citation has one."""
    later = of.later_pages if isinstance(of, Passage) else ()
    return of.page, later[-1][0] if later else of.page


def is_doubtful(of: Passage | Citation) -> bool:
    """Say whether it was read by OCR with so little confidence that a person should look at the page."""
    return of.confidence is not None and of.confidence < DOUBTFUL


def remarks(of: Passage | Citation, labels: Labels = ENGLISH) -> str:
    """Return what else a person should know about a source, in brackets."""
    said = [labels.doubtful] if is_doubtful(of) else []
    if of.also:
        said.append(labels.also.format(names=labels.joint.join(of.also)))
    return labels.remarks.format(remarks=labels.remark_joint.join(said)) if said else ""
