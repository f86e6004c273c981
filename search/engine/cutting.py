"""Documents cut into passages: along headings, paragraphs and sentences, with an overlap."""

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from search.engine.documents import CODE, HEADING, ITEM, TABLE, Block, Document
from search.engine.passages import Passage, Value, passage_id, tidy_path
from search.engine.problems import BuildProblem
from search.engine.sentences import sentences
from search.engine.text import clean


@dataclass(frozen=True)
class Cutting:
    """Sizes of passages, in characters.

    Attributes
    ----------
    target_chars : int
        A passage is closed when it has so many; ours: a Korean paragraph.
    max_chars : int
        No passage is longer, whatever the text.
    overlap_chars : int
        A passage begins with the last sentences of the one before, up to so many characters.
    """

    target_chars: int = 500
    max_chars: int = 1_000
    overlap_chars: int = 120

    def __post_init__(self) -> None:
        if not 50 <= self.target_chars <= self.max_chars <= 10_000:
            raise BuildProblem(
                "wrong_number",
                field="target_chars",
                value=self.target_chars,
                low=50,
                high="max_chars",
            )
        if not 0 <= self.overlap_chars <= self.target_chars // 2:
            high = self.target_chars // 2
            raise BuildProblem(
                "wrong_number", field="overlap_chars", value=self.overlap_chars, low=0, high=high
            )


@dataclass(frozen=True)
class _Unit:
    """A piece that stays whole: a sentence, an item, a table row; and what joins it to the last."""

    text: str
    joint: str


def cut(
    document: Document,
    *,
    document_id: str,
    cutting: Cutting | None = None,
    title: str = "",
    taxonomy: str = "",
    content_type: str = "",
    date: datetime.date | None = None,
    metadata: Mapping[str, Value] | None = None,
) -> list[Passage]:
    """Return the passages of a document in order.

    A passage lies under one heading. Its id depends on the document's id and its text only, so that
    a change to one section leaves the ids of the others.

    Parameters
    ----------
    title, content_type : str
        Used instead of the document's own title and kind.

    Returns
    -------
    list of Passage
        Empty when the document holds no text.
    """
    cutting = cutting or Cutting()
    found: list[Passage] = []
    seen: Counter[str] = Counter()
    body = [block for block in document.blocks if block.kind != HEADING]
    if not body:  # headings only, as on a title page
        body = list(document.blocks)
    for headings, blocks in groupby(body, key=lambda block: block.headings):
        for text in _texts(list(blocks), cutting):
            found.append(
                Passage(
                    id=passage_id(document_id, text, seen[text]),
                    document_id=clean(document_id),
                    text=text,
                    title=clean(title) or document.title,
                    headings=headings,
                    taxonomy=tidy_path(taxonomy),
                    content_type=content_type or document.kind,
                    date=date,
                    position=len(found),
                    metadata=dict(metadata or {}),
                )
            )
            seen[text] += 1
    return found


def _texts(blocks: list[Block], cutting: Cutting) -> Iterator[str]:
    """Yield the texts of one section."""
    held: list[_Unit] = []
    size = n_new = 0
    for unit in _units(blocks, cutting):
        if n_new and (size >= cutting.target_chars or size + len(unit.text) >= cutting.max_chars):
            yield _joined(held)
            held = _overlap(held, cutting, len(unit.text))
            size, n_new = sum(len(one.text) + 1 for one in held), 0
        held.append(unit)
        size += len(unit.text) + 1
        n_new += 1
    if n_new:
        yield _joined(held)


def _units(blocks: list[Block], cutting: Cutting) -> Iterator[_Unit]:
    for block in blocks:
        joint = "\n"
        for piece in _pieces(block, cutting):
            for text in _bounded(piece, cutting.max_chars - 1):
                yield _Unit(text, joint)
                joint = "\n" if block.kind in (CODE, TABLE) else " "


def _pieces(block: Block, cutting: Cutting) -> Iterator[str]:
    if block.kind == CODE:
        yield from (line for line in block.text.split("\n") if line.strip())
    elif block.kind == TABLE:
        yield from _table_pieces(block)
    elif block.kind == ITEM and len(block.text) <= cutting.target_chars:
        yield block.text
    else:
        yield from sentences(block.text)


def _table_pieces(block: Block) -> Iterator[str]:
    """Yield each row with the names of its columns, so that a row is understood by itself."""
    header, *rows = block.rows
    if not rows:
        yield " | ".join(header)
    for row in rows:
        cells = []
        for place, cell in enumerate(row):
            column = header[place] if place < len(header) else ""
            if cell:
                cells.append(f"{column}: {cell}" if column and column != cell else cell)
        yield "; ".join(cells)


def _bounded(text: str, limit: int) -> Iterator[str]:
    """Yield a text in parts of at most a limit, cut at spaces where there are any."""
    while len(text) > limit:
        place = text.rfind(" ", limit // 2, limit)
        place = limit if place < 0 else place
        yield text[:place].rstrip()
        text = text[place:].lstrip()
    if text:
        yield text


def _overlap(held: list[_Unit], cutting: Cutting, n_next: int) -> list[_Unit]:
    """Return the last pieces that fit into the overlap and leave room for the next one."""
    room = min(cutting.overlap_chars, cutting.max_chars - n_next - 2)
    kept: list[_Unit] = []
    for unit in reversed(held):
        room -= len(unit.text) + 1
        if room < 0:
            break
        kept.insert(0, unit)
    return kept


def _joined(units: list[_Unit]) -> str:
    text = units[0].text
    for unit in units[1:]:
        text += unit.joint + unit.text
    return text
