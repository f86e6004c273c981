"""Reports as Markdown (CommonMark with tables) and as JSON."""

import json
import re
from dataclasses import asdict
from functools import singledispatch

from portal.lib.documents.blocks import (
    Block,
    Bullets,
    Document,
    Facts,
    Figure,
    Heading,
    Note,
    PageBreak,
    Paragraph,
    Table,
)
from portal.lib.documents.text import clean, shown
from portal.lib.finite import sound

_MARKUP = re.compile(r"([\\`*\[\]<>|~#]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;))")
#: What would begin a list or a rule at the start of a line.
_OPENING = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]\s))", re.MULTILINE)
_MARKS = {"good": "✓", "warn": "⚠", "bad": "✗"}
_ALIGNED = {"left": "---", "right": "--:", "center": ":-:"}


def to_markdown(document: Document) -> str:
    """Return a report as Markdown; pictures become their description."""
    parts = [f"# {_line(document.title)}"]
    if document.facts:
        parts.append(_facts(Facts(document.facts)))
    parts += [part for block in document.blocks if (part := _written(block))]
    return "\n\n".join(parts) + "\n"


def to_json(document: Document) -> str:
    """Return a report as JSON: every block with its ``kind``, numbers unrounded."""
    content = {
        "title": document.title,
        "language": document.language,
        "facts": [list(fact) for fact in document.facts],
        "blocks": [{"block": type(one).__name__.lower()} | asdict(one) for one in document.blocks],
    }
    text = json.dumps(sound(content), ensure_ascii=False, indent=1, default=str)
    return text.encode(errors="backslashreplace").decode()


@singledispatch
def _written(block: Block) -> str:
    raise TypeError(f"{type(block).__name__} is no block of a report.")


@_written.register
def _heading(block: Heading) -> str:
    return f"{'#' * (block.level + 1)} {_line(block.text)}"


@_written.register
def _paragraph(block: Paragraph) -> str:
    return _escaped(block.text)


@_written.register
def _bullets(block: Bullets) -> str:
    return "\n".join(f"- {_line(item)}" for item in block.items)


@_written.register
def _facts(block: Facts) -> str:
    return "\n".join(f"- {_line(name)}: {_line(shown(value))}" for name, value in block.facts)


@_written.register
def _table(block: Table) -> str:
    lines = [
        [_line(column.heading) for column in block.columns],
        [_ALIGNED[column.align] for column in block.columns],
        *([_line(shown(value)) for value in row] for row in block.rows),
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{_line(block.caption)}\n\n{table}" if block.caption else table


@_written.register
def _figure(block: Figure) -> str:
    return f"*{_line(block.caption)}*\n\n{_escaped(block.alt)}"


@_written.register
def _note(block: Note) -> str:
    return "\n".join(
        f"> {line}" for line in f"{_MARKS[block.kind]} {_line(block.text)}".split("\n")
    )


@_written.register
def _page_break(block: PageBreak) -> str:
    return ""


def _line(text: str) -> str:
    """Return a text for one line."""
    return " ".join(_escaped(text).split())


def _escaped(text: str) -> str:
    return _OPENING.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", clean(text)))
