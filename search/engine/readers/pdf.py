"""PDF to paragraphs, page by page."""

import io
import logging
import re

from pypdf import PdfReader
from pypdf.errors import DependencyError, PyPdfError

from search.engine.documents import Document, Writer
from search.engine.problems import ReadingError
from search.engine.readers.limits import Limits

_MARK = b"%PDF-"
#: The mark may follow some foreign bytes.
_MARK_WITHIN = 1024
_BREAK = re.compile(r"\n\s*\n")
#: What a sentence, heading or item ends in; other lines go on in the next one.
_LINE_END = re.compile(r"(?<=[.!?:;。])\n|\n(?=\s*(?:[-•·▪◦*]|\d+[.)])\s)")

# Everything it says of damaged files is said by our own errors and notes.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def is_pdf(data: bytes) -> bool:
    """Return whether a file begins as a PDF does."""
    return _MARK in data[:_MARK_WITHIN]


def read_pdf(data: bytes, name: str, limits: Limits) -> Document:
    """Return the document of a PDF; a page that cannot be read becomes a note.

    Raises
    ------
    ReadingError
        ``not_what_it_says``, ``encrypted``, ``unreadable``, ``too_long``.
    """
    if not is_pdf(data):
        raise ReadingError("not_what_it_says", name=name, expected="PDF")
    reader = _opened(data, name)
    writer = Writer("pdf", _title(reader))
    n_pages = _n_pages(reader, name)
    if n_pages > limits.max_pages:
        raise ReadingError("too_long", name=name, limit=limits.max_pages, unit="pages")
    for number in range(n_pages):
        try:
            text = reader.pages[number].extract_text()
        except Exception as exc:  # noqa: BLE001 - a damaged page breaks the parser anywhere
            writer.notes.append(f"Page {number + 1} cannot be read: {type(exc).__name__}.")
            continue
        for part in _BREAK.split(text):
            for paragraph in _LINE_END.split(part):
                writer.paragraph(paragraph, page=number + 1)
        limits.check_chars(name, writer)
    if n_pages and len(writer.notes) == n_pages:
        raise ReadingError("unreadable", name=name, reason=writer.notes[0])
    return writer.document()


def _opened(data: bytes, name: str) -> PdfReader:
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        # Many standards are encrypted with an empty password, which every viewer tries.
        is_closed = reader.is_encrypted and not reader.decrypt("")
    except DependencyError as exc:
        raise ReadingError("encrypted", name=name) from exc
    except Exception as exc:
        raise ReadingError("unreadable", name=name, reason=_reason(exc)) from exc
    if is_closed:
        raise ReadingError("encrypted", name=name)
    return reader


def _n_pages(reader: PdfReader, name: str) -> int:
    try:
        return len(reader.pages)
    except Exception as exc:
        raise ReadingError("unreadable", name=name, reason=_reason(exc)) from exc


def _title(reader: PdfReader) -> str:
    try:
        found = reader.metadata.title if reader.metadata else None
    except (PyPdfError, ValueError, TypeError, AttributeError, KeyError):
        return ""
    return str(found or "")


def _reason(exc: Exception) -> str:
    return (str(exc) or type(exc).__name__).rstrip(".")[:200]
