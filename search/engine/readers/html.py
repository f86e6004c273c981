"""HTML to blocks: headings, paragraphs, items, tables; scripts, styles and menus left out."""

from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from search.engine.documents import ITEM, PARAGRAPH, Document, Writer
from search.engine.problems import ReadingError
from search.engine.readers.limits import Limits
from search.engine.readers.nesting import MAX_DEPTH, bounded

_DROPPED = frozenset(
    ("head", "script", "style", "noscript", "template", "nav", "svg", "iframe", "object", "select")
)
_INLINE = frozenset(
    ("a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
     "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u",
     "var", "wbr")
)  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def read_html(text: str, name: str, limits: Limits) -> Document:
    """Return the document of a page.

    Raises
    ------
    ReadingError
        ``too_deep``, ``too_long``.
    """
    page = bounded(text)
    if page is None:
        raise ReadingError("too_deep", name=name, limit=MAX_DEPTH)
    parser = LexborHTMLParser(page)
    writer = Writer("html")
    title = parser.css_first("title")
    if title is not None:
        writer.title = title.text()
    body = parser.body
    if body is not None:
        _Walk(writer, name, limits).run(body)
    return writer.document()


class _Walk:
    """Goes through a tree without recursion, so that no depth of tags can exhaust the stack."""

    def __init__(self, writer: Writer, name: str, limits: Limits) -> None:
        self._writer = writer
        self._name = name
        self._limits = limits
        self._words: list[str] = []
        self._kind = PARAGRAPH

    def run(self, root: LexborNode) -> None:
        stack: list[tuple[LexborNode, bool]] = [(root, False)]
        while stack:
            node, is_end = stack.pop()
            tag = node.tag or ""
            if is_end:
                self._flush()
            elif tag == "-text":
                self._words.append(node.text_content or "")
            elif tag == "br":
                self._words.append(" ")
            elif tag not in _DROPPED:
                self._enter(node, tag, stack)

    def _enter(self, node: LexborNode, tag: str, stack: list[tuple[LexborNode, bool]]) -> None:
        if tag not in _INLINE:
            self._flush()
            if tag in _HEADINGS:
                self._writer.heading(_HEADINGS[tag], node.text(separator=" "))
                return
            if tag == "table":
                self._writer.table(list(_rows(node)))
                self._limits.check_chars(self._name, self._writer)
                return
            if tag == "pre":
                self._writer.code(node.text())
                return
            self._kind = ITEM if tag in ("li", "dd", "dt") else PARAGRAPH
            stack.append((node, True))
        stack += [(child, False) for child in reversed(list(node.iter(include_text=True)))]

    def _flush(self) -> None:
        if self._words:
            self._writer.paragraph("".join(self._words), kind=self._kind)
            self._words = []
            self._limits.check_chars(self._name, self._writer)


def _rows(table: LexborNode) -> Iterator[list[str]]:
    """Yield the cells of each row of a table that is in no inner table."""
    stack = [table]
    while stack:
        node = stack.pop()
        if node.tag == "tr":
            cells = [cell for cell in node.iter() if cell.tag in ("td", "th")]
            yield [cell.text(separator=" ") for cell in cells]
        else:
            stack += reversed(list(node.iter()))
