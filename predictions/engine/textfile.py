"""Find out how a text file is written: encoding, delimiter, header rows, column names.

The encoding is decided on the whole file in bounded memory, because Korean text may first occur on
the last line. UTF-8 is tried first: CP949 text is practically never valid UTF-8.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from portal.lib.hashing import chunks

DELIMITERS = (",", ";", "\t", "|")
HEAD_BYTES = 1 << 20
LONGEST_CELL = 100
#: What is looked at of a file that may be no text.
PROBE_BYTES = 4096
#: How such a file is called; a damaged Parquet file may have lost both marks that it is known by.
BINARY = "binary data or a damaged Parquet file"
PARQUET_MARK = b"PAR1"
#: Control characters that no table in text holds.
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class UndecodableText(ValueError):
    """The bytes are in none of the encodings read here.

    Attributes
    ----------
    position : int
        First byte that is not UTF-8, from 0.
    is_binary : bool
        Whether the file is no text at all.
    """

    def __init__(self, position: int, *, is_binary: bool = False) -> None:
        self.is_binary = is_binary
        super().__init__(f"byte {position} is neither UTF-8 nor CP949")
        self.position = position


@dataclass(frozen=True)
class TextFormat:
    """How a delimited file is written.

    Attributes
    ----------
    encoding : str
        Python codec name: utf-8, utf-16 or cp949.
    delimiter : str
        One of `DELIMITERS`.
    header_rows : int
        Rows before the first shot: 1, or 2 when group names stand above the names.
    names : tuple of str
        Column names as written.
    """

    encoding: str
    delimiter: str
    header_rows: int
    names: tuple[str, ...]


def is_binary(head: bytes) -> bool:
    """Return whether what is in no known encoding is no text at all, by its first bytes."""
    return _CONTROLS.search(head) is not None


def is_headless_parquet(stream: BinaryIO) -> bool:
    """Return whether a file that is no text still ends as Parquet does."""
    size_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size_bytes - len(PARQUET_MARK)))
    return stream.read() == PARQUET_MARK


def sniff(stream: BinaryIO, is_known: Callable[[str], bool]) -> TextFormat:
    """Return how a seekable text stream is written; leaves it at its start.

    Parameters
    ----------
    stream : binary file
        Delimited text with at least one line.
    is_known : callable
        Whether a raw header cell is a name of the family; tells names from groups and the right
        delimiter from a wrong one.

    Raises
    ------
    UndecodableText
        If the text is neither UTF-8, UTF-16 with a mark, nor CP949.
    """
    encoding = _encoding(stream)
    stream.seek(0)
    head = stream.read(HEAD_BYTES).decode(encoding, errors="ignore").removeprefix("\ufeff")
    stream.seek(0)
    best = (-1, -1, TextFormat(encoding, ",", 1, ()))
    for delimiter in DELIMITERS:
        rows = _first_rows(head, delimiter)
        counts = [sum(map(is_known, row)) for row in rows]
        chosen = 1 if len(rows) > 1 and counts[1] > counts[0] else 0
        found = TextFormat(encoding, delimiter, chosen + 1, tuple(rows[chosen]))
        best = max(best, (counts[chosen], len(rows[chosen]), found), key=lambda item: item[:2])
    return best[2]


def _first_rows(head: str, delimiter: str) -> list[list[str]]:
    lines = head.splitlines()[:2] or [""]
    try:
        return [next(csv.reader(io.StringIO(line), delimiter=delimiter), []) for line in lines]
    except csv.Error:
        # A cell longer than any name: the delimiter is another one, or this is no table.
        return [[line[:LONGEST_CELL]] for line in lines]


def _encoding(stream: BinaryIO) -> str:
    stream.seek(0)
    if stream.read(2) in _UTF16_MARKS:
        return "utf-16"
    position = _first_undecodable(stream, "utf-8")
    if position is None:
        return "utf-8"
    if _first_undecodable(stream, "cp949") is None:
        return "cp949"
    stream.seek(0)
    raise UndecodableText(position, is_binary=is_binary(stream.read(PROBE_BYTES)))


def _first_undecodable(stream: BinaryIO, encoding: str) -> int | None:
    """Return the first byte that the codec refuses, or None when it reads everything."""
    decoder = codecs.getincrementaldecoder(encoding)()
    stream.seek(0)
    start = 0
    try:
        for piece in chunks(stream):
            decoder.decode(piece)
            start += len(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as exc:
        return start + exc.start
    return None
