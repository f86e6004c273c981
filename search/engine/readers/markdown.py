"""Markdown (CommonMark with tables) to blocks."""

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from selectolax.lexbor import LexborHTMLParser

from search.engine.documents import ITEM, PARAGRAPH, Document, Writer
from search.engine.readers.limits import Limits

_FRONT_MATTER = re.compile(r"\A---\n(.{0,10000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*[\"']?(.*?)[\"']?[ \t]*$", re.MULTILINE)


def read_markdown(text: str, name: str, limits: Limits) -> Document:
    """Return the document of a Markdown text; a title in front matter counts."""
    writer = Writer("markdown")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text)
    if front:
        text = text[front.end() :]
        title = _TITLE.search(front.group(1))
        writer.title = title.group(1) if title else ""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    place, depth = 0, 0
    while place < len(tokens):
        token = tokens[place]
        if token.type == "table_open":
            place = _table(tokens, place, writer)
        elif token.type == "heading_open":
            writer.heading(int(token.tag[1:]), _inline(tokens[place + 1]))
            place += 1
        elif token.type in ("fence", "code_block"):
            writer.code(token.content)
        elif token.type == "html_block":
            writer.paragraph(_without_tags(token.content))
        elif token.type == "inline":
            writer.paragraph(_inline(token), kind=ITEM if depth else PARAGRAPH)
        depth += {"list_item_open": 1, "list_item_close": -1}.get(token.type, 0)
        limits.check_chars(name, writer)
        place += 1
    return writer.document()


def _table(tokens: Sequence[Token], start: int, writer: Writer) -> int:
    """Add the table that opens at a place and return where it closes."""
    rows: list[list[str]] = []
    place = start
    while tokens[place].type != "table_close":
        if tokens[place].type == "tr_open":
            rows.append([])
        elif tokens[place].type == "inline":
            rows[-1].append(_inline(tokens[place]))
        place += 1
    writer.table(rows)
    return place


def _inline(token: Token) -> str:
    """Return the words of a line: no marks, the texts of links and pictures."""
    parts = []
    for child in token.children or ():
        if child.type in ("text", "code_inline", "image"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return "".join(parts)


def _without_tags(html: str) -> str:
    return LexborHTMLParser(html).text(separator=" ")
