"""A document as a reader leaves it: blocks in order, each under its headings."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from search.engine.text import clean

HEADING = "heading"
PARAGRAPH = "paragraph"
ITEM = "item"
TABLE = "table"
CODE = "code"
#: Deeper headings are treated as this deep.
MAX_LEVEL = 6
_MAX_TITLE_CHARS = 300


@dataclass(frozen=True)
class Block:
    """One paragraph, list item, table, piece of code or heading.

    Attributes
    ----------
    kind : str
    text : str
        Of a table, its rows line by line.
    headings : tuple of str
        Headings above the block, outermost first; a heading's own text is not among them.
    rows : tuple of tuple of str
        Cells of a table, the header first.
    level : int
        Of a heading, from 1.
    page : int or None
        In a paged document, from 1.
    """

    kind: str
    text: str
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    level: int = 0
    page: int | None = None


@dataclass(frozen=True)
class Document:
    """What a file says.

    Attributes
    ----------
    notes : tuple of str
        What could not be read although the rest could.
    """

    title: str
    kind: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All blocks, apart by empty lines."""
        return "\n\n".join(block.text for block in self.blocks)

    @property
    def has_text(self) -> bool:
        """Whether there is anything to index."""
        return any(block.text.strip() for block in self.blocks)


@dataclass
class Writer:
    """Collects blocks and keeps the path of headings."""

    kind: str
    title: str = ""
    notes: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    n_chars: int = 0
    _path: list[tuple[int, str]] = field(default_factory=list)

    def heading(self, level: int, text: str, page: int | None = None) -> None:
        """Begin a section; the first heading is the title when there is no other."""
        text = _line(text)
        if not text:
            return
        level = min(max(level, 1), MAX_LEVEL)
        self._path = [one for one in self._path if one[0] < level]
        self._add(Block(HEADING, text, self._headings(), level=level, page=page))
        self._path.append((level, text))
        if not self.title:
            self.title = text[:_MAX_TITLE_CHARS]

    def paragraph(self, text: str, *, kind: str = PARAGRAPH, page: int | None = None) -> None:
        """Add a paragraph or list item, its spaces evened out."""
        text = _line(text)
        if text:
            self._add(Block(kind, text, self._headings(), page=page))

    def code(self, text: str) -> None:
        """Add text whose lines and spaces mean something."""
        text = clean(text).strip("\n")
        if text.strip():
            self._add(Block(CODE, text, self._headings()))

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Add a table, the header first; empty rows are left out."""
        cells = tuple(tuple(_line(cell) for cell in row) for row in rows)
        cells = tuple(row for row in cells if any(row))
        if cells:
            text = "\n".join(" | ".join(row) for row in cells)
            self._add(Block(TABLE, text, self._headings(), rows=cells))

    def document(self) -> Document:
        """Return what was collected."""
        title = _line(self.title)[:_MAX_TITLE_CHARS]
        return Document(title, self.kind, tuple(self.blocks), tuple(self.notes))

    def _add(self, block: Block) -> None:
        self.n_chars += len(block.text)
        self.blocks.append(block)

    def _headings(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._path)


def from_text(text: str, *, title: str = "") -> Document:
    """Return plain text as a document: paragraphs are apart by empty lines."""
    writer = Writer("text", title)
    for paragraph in clean(text).split("\n\n"):
        writer.paragraph(paragraph)
    return writer.document()


def _line(text: str) -> str:
    return " ".join(clean(text).split())
