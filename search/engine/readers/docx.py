"""DOCX to headings, paragraphs and tables, unpacked only when its parts are of a sane size."""

import io
import re
import zipfile
import zlib

import docx
from docx.document import Document as WordDocument
from docx.opc.exceptions import PackageNotFoundError
from docx.table import Table
from docx.text.paragraph import Paragraph
from lxml.etree import LxmlError

from search.engine.documents import ITEM, PARAGRAPH, Document, Writer
from search.engine.problems import ReadingError
from search.engine.readers.limits import Limits, megabytes

ZIP_MARK = b"PK\x03\x04"
#: Old Office files, and new ones with a password, are compound files.
OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_MAIN_PART = "word/document.xml"
_HEADING = re.compile(r"(?:heading|제목)\s*(\d)", re.IGNORECASE)
#: Small parts of one repeated character pack very well without being a threat.
_RATIO_FROM_BYTES = 1 << 20


def read_docx(data: bytes, name: str, limits: Limits) -> Document:
    """Return the document of a DOCX.

    Raises
    ------
    ReadingError
        ``not_what_it_says``, ``encrypted``, ``bomb``, ``unreadable``, ``too_long``.
    """
    if data.startswith(OLE_MARK) and _ENCRYPTED in data:
        raise ReadingError("encrypted", name=name)
    if not data.startswith(ZIP_MARK):
        raise ReadingError("not_what_it_says", name=name, expected="DOCX")
    _check_parts(data, name, limits)
    try:
        content = docx.Document(io.BytesIO(data))
        return _read(content, name, limits)
    except (PackageNotFoundError, LxmlError, zipfile.BadZipFile, zlib.error) as exc:
        raise _unreadable(name, exc) from exc
    except (KeyError, ValueError, AttributeError, TypeError, IndexError) as exc:
        if isinstance(exc, ReadingError):
            raise
        raise _unreadable(name, exc) from exc


def _check_parts(data: bytes, name: str, limits: Limits) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
        raise _unreadable(name, exc) from exc
    if len(parts) > limits.max_entries:
        found = f"{len(parts)} parts"
        raise ReadingError("bomb", name=name, value=found, limit=f"{limits.max_entries} parts")
    if any(part.flag_bits & 1 for part in parts):
        raise ReadingError("encrypted", name=name)
    total = sum(part.file_size for part in parts)
    if total > limits.max_unpacked_bytes:
        limit = megabytes(limits.max_unpacked_bytes)
        raise ReadingError("bomb", name=name, value=megabytes(total), limit=limit)
    for part in parts:
        ratio = part.file_size / max(1, part.compress_size)
        if part.file_size > _RATIO_FROM_BYTES and ratio > limits.max_ratio:
            limit = f"{limits.max_ratio} times its size"
            raise ReadingError("bomb", name=name, value=f"{ratio:.0f} times its size", limit=limit)
    if _MAIN_PART not in {part.filename for part in parts}:
        raise ReadingError("not_what_it_says", name=name, expected="DOCX")


def _read(content: WordDocument, name: str, limits: Limits) -> Document:
    writer = Writer("docx", content.core_properties.title or "")
    for item in content.iter_inner_content():
        if isinstance(item, Table):
            writer.table([_cells(row) for row in item.rows])
        else:
            _add_paragraph(item, writer)
        limits.check_chars(name, writer)
    return writer.document()


def _add_paragraph(paragraph: Paragraph, writer: Writer) -> None:
    style = (paragraph.style.name if paragraph.style is not None else "") or ""
    found = _HEADING.match(style)
    if found:
        writer.heading(int(found.group(1)) or 1, paragraph.text)
    elif style == "Title":
        writer.heading(1, paragraph.text)
    else:
        is_item = style.startswith("List")
        writer.paragraph(paragraph.text, kind=ITEM if is_item else PARAGRAPH)


def _cells(row: object) -> list[str]:
    """Return the texts of a row; a merged cell, which stands for several, counts once."""
    texts: list[str] = []
    last = None
    for cell in row.cells:  # type: ignore[attr-defined]
        if cell._tc is not last:
            texts.append(cell.text)
        last = cell._tc
    return texts


def _unreadable(name: str, exc: Exception) -> ReadingError:
    reason = (str(exc) or type(exc).__name__).rstrip(".")[:200]
    return ReadingError("unreadable", name=name, reason=reason)
