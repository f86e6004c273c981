"""One call for every file: find out what it is, read it within limits, or say why not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from search.engine.documents import Document, from_text
from search.engine.problems import ReadingError
from search.engine.readers.decoding import decoded
from search.engine.readers.docx import OLE_MARK, ZIP_MARK, read_docx
from search.engine.readers.html import read_html
from search.engine.readers.limits import Limits
from search.engine.readers.markdown import read_markdown
from search.engine.readers.pdf import is_pdf, read_pdf
from search.engine.readers.tables import read_csv
from search.engine.text import clean

_BY_ENDING = {
    "md": "markdown",
    "markdown": "markdown",
    "txt": "text",
    "text": "text",
    "log": "text",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "pdf": "pdf",
    "docx": "docx",
    "csv": "csv",
    "tsv": "csv",
}
_BY_TYPE = {
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/plain": "text",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
}
_TEXT_READERS: dict[str, Callable[[str, str, Limits], Document]] = {
    "markdown": read_markdown,
    "html": read_html,
    "csv": read_csv,
}
_BINARY_READERS: dict[str, Callable[[bytes, str, Limits], Document]] = {
    "pdf": read_pdf,
    "docx": read_docx,
}


def kinds() -> tuple[str, ...]:
    """Return the kinds of files that can be read."""
    return tuple(sorted({*_BY_ENDING.values()}))


def read(
    source: Path | bytes | BinaryIO,
    *,
    name: str,
    content_type: str = "",
    limits: Limits | None = None,
) -> Document:
    """Return the document that a file holds.

    Parameters
    ----------
    source : Path, bytes or binary file
        A file object stays open.
    name : str
        File name; its ending says the kind unless the content speaks for itself.
    content_type : str
        Media type, used where the ending says nothing.
    limits : Limits or None

    Returns
    -------
    Document
        With at least one word; its title is the file's own name when it has no other.

    Raises
    ------
    ReadingError
        With a code for each way a file can be bad; see `search.engine.problems`.
    """
    limits = limits or Limits()
    name = clean(name)[:200] or "-"
    data = _content(source, name, limits)
    if not data:
        raise ReadingError("empty_file", name=name)
    kind = _kind(data, name, content_type)
    if kind in _BINARY_READERS:
        document = _BINARY_READERS[kind](data, name, limits)
    else:
        document = _read_text(decoded(data, name), kind, name, limits)
    if not document.has_text:
        raise ReadingError("no_text" if kind == "pdf" else "empty_file", name=name)
    return replace(document, title=document.title or PurePosixPath(name).stem)


def _read_text(text: str, kind: str, name: str, limits: Limits) -> Document:
    if len(text) > limits.max_chars:
        raise ReadingError("too_long", name=name, limit=limits.max_chars, unit="characters")
    reader = _TEXT_READERS.get(kind)
    return from_text(text) if reader is None else reader(text, name, limits)


def _content(source: Path | bytes | BinaryIO, name: str, limits: Limits) -> bytes:
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, Path):
        try:
            with source.open("rb") as stream:
                data = stream.read(limits.max_bytes + 1)
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            raise ReadingError("unreadable", name=name, reason=reason) from exc
    else:
        data = source.read(limits.max_bytes + 1)
    if len(data) > limits.max_bytes:
        raise ReadingError(
            "too_large", name=name, value=f"more than {limits.max_bytes}", limit=limits.max_bytes
        )
    return data


def _kind(data: bytes, name: str, content_type: str) -> str:
    """Return the kind of a file: what its first bytes say, its ending, its media type."""
    if is_pdf(data):
        return "pdf"
    ending = PurePosixPath(name).suffix.lower().removeprefix(".")
    if data.startswith((ZIP_MARK, OLE_MARK)):
        if ending in ("docx", "") or ending in _BY_ENDING:
            return "docx"
        raise ReadingError("unknown_kind", name=name)
    media = content_type.partition(";")[0].strip().lower()
    found = _BY_ENDING.get(ending) or _BY_TYPE.get(media)
    if found is None:
        raise ReadingError("unknown_kind", name=name)
    return found
