"""Model cards as HTML: headings, paragraphs, lists, tables, bold, code; the rest is escaped."""

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby

HEADING = re.compile(r"(#{1,4}) +(.*)")
ITEM = re.compile(r"[-*] +(.*)")
TABLE_RULE = re.compile(r"\|?[\s:|-]+\|?")
BOLD = re.compile(r"\*\*(.+?)\*\*")
CODE = re.compile(r"`([^`]+)`")


def html(text: str) -> str:
    """Return Markdown of the plain kind as HTML.

    Parameters
    ----------
    text
        Markdown. Raw HTML in it is shown, not used.

    Returns
    -------
    str
        Only elements made here; every character of `text` is escaped first.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(part for kind, part in _blocks(lines) if kind)


def _kind(line: str) -> str:
    if not line.strip():
        return ""
    if HEADING.fullmatch(line):
        return "heading"
    if ITEM.fullmatch(line.strip()):
        return "list"
    return "table" if line.lstrip().startswith("|") else "text"


def _blocks(lines: list[str]) -> Iterator[tuple[str, str]]:
    for kind, group in groupby(lines, key=_kind):
        block = [line.strip() for line in group]
        yield kind, _WRITERS.get(kind, _paragraph)(block)


def _headings(block: list[str]) -> str:
    parts = []
    for line in block:
        found = HEADING.fullmatch(line)
        marks, words = found.groups() if found else ("#", line)
        level = min(len(marks) + 2, 6)
        parts.append(f"<h{level}>{_inline(words)}</h{level}>")
    return "".join(parts)


def _list(block: list[str]) -> str:
    items = (ITEM.sub(r"\1", line, count=1) for line in block)
    return f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>"


def _table(block: list[str]) -> str:
    rows = [_cells(line) for line in block if not TABLE_RULE.fullmatch(line)]
    has_head = len(block) > 1 and bool(TABLE_RULE.fullmatch(block[1]))
    head = f"<thead>{_row(rows[0], 'th')}</thead>" if has_head and rows else ""
    body = "".join(_row(row, "td") for row in (rows[1:] if has_head else rows))
    table = f'<table class="mw-table">{head}<tbody>{body}</tbody></table>'
    return f'<div class="mw-scroll" tabindex="0">{table}</div>'


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _row(cells: list[str], element: str) -> str:
    inner = "".join(f"<{element}>{_inline(cell)}</{element}>" for cell in cells)
    return f"<tr>{inner}</tr>"


def _paragraph(block: list[str]) -> str:
    return f"<p>{_inline(' '.join(block))}</p>"


def _inline(text: str) -> str:
    safe = escape(text)
    safe = CODE.sub(r"<code>\1</code>", safe)
    return BOLD.sub(r"<strong>\1</strong>", safe)


_WRITERS = {"heading": _headings, "list": _list, "table": _table}
