"""CSV to one paragraph a row, each value beside its column's name."""

import csv
import io

from search.engine.documents import ITEM, Document, Writer
from search.engine.problems import ReadingError
from search.engine.readers.limits import Limits

_DELIMITERS = ",;\t|"


def read_csv(text: str, name: str, limits: Limits) -> Document:
    """Return the document of a CSV; the first row names the columns.

    Raises
    ------
    ReadingError
        ``unreadable``, ``too_long``, ``cell_too_long``.
    """
    writer = Writer("csv")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    header: list[str] | None = None
    n_read = 0
    try:
        for number, row in enumerate(rows):
            n_read = rows.line_num
            if number > limits.max_rows:
                raise ReadingError("too_long", name=name, limit=limits.max_rows, unit="rows")
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = [cell.strip() for cell in row]
                continue
            writer.paragraph(_named(header, row), kind=ITEM)
            limits.check_chars(name, writer)
    except csv.Error as exc:
        if "field limit" in str(exc):
            longest = csv.field_size_limit()
            raise ReadingError("cell_too_long", name=name, limit=longest, line=n_read + 1) from exc
        raise ReadingError("unreadable", name=name, reason=f"line {rows.line_num}: {exc}") from exc
    if header is not None and not writer.blocks:
        writer.paragraph(" | ".join(header))
    return writer.document()


def _delimiter(text: str) -> str:
    first = text.lstrip().split("\n", 1)[0]
    return max(_DELIMITERS, key=first.count)


def _named(header: list[str], row: list[str]) -> str:
    parts = []
    for place, cell in enumerate(row):
        value = cell.strip()
        column = header[place] if place < len(header) else ""
        if value:
            parts.append(f"{column}: {value}" if column else value)
    return "; ".join(parts)
