"""Passages: what is indexed, found and cited."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date as Date  # noqa: N812 - the field is called date
from typing import TypeAlias

from search.engine.problems import BuildProblem, shown
from search.engine.text import clean

Value: TypeAlias = str | int | float | bool | list[str] | None

#: Longer texts are no passages: cut them first.
MAX_TEXT_CHARS = 20_000
MAX_METADATA = 64
#: Fields of every passage; metadata may not take their names.
BUILT_IN = ("document_id", "title", "taxonomy", "content_type", "date")


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of a document.

    Attributes
    ----------
    id : str
        Unique in an index and stable as long as the text is: see `passage_id`.
    document_id : str
        The document's own id, as whoever sent it knows it.
    text : str
        What is shown and cited.
    title, headings : str, tuple of str
        The document's title and the headings above the text, outermost first; searched too.
    taxonomy : str
        Path such as ``공정/다이캐스팅/기공``.
    content_type : str
        Kind of the source, such as ``pdf``.
    date : date or None
        The document's date.
    position : int
        Ordinal within the document, from 0.
    metadata : mapping
        Names and values to filter by.
    """

    id: str
    document_id: str
    text: str
    title: str = ""
    headings: tuple[str, ...] = ()
    taxonomy: str = ""
    content_type: str = ""
    date: Date | None = None
    position: int = 0
    metadata: Mapping[str, Value] = field(default_factory=dict)

    def searched(self) -> str:
        """Return all that the index reads words from."""
        return "\n".join((self.title, *self.headings, self.text))


def passage_id(document_id: str, text: str, ordinal: int = 0) -> str:
    """Return the id of a passage: 32 hexadecimal digits of its document, text and ordinal.

    Parameters
    ----------
    ordinal : int
        How many earlier passages of the document hold the same text.
    """
    content = "\x1f".join((clean(document_id), str(ordinal), clean(text)))
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def checked(passage: Passage) -> Passage:
    """Return a passage with clean texts and a tidy taxonomy path.

    Raises
    ------
    BuildProblem
        If a field has a value that cannot be indexed.
    """
    for name, value in (("id", passage.id), ("document_id", passage.document_id)):
        if not _is_name(value):
            raise _wrong(passage, name, value, "text of 1 to 500 characters")
    if len(passage.text) > MAX_TEXT_CHARS:
        raise _wrong(passage, "text", passage.text, f"at most {MAX_TEXT_CHARS} characters")
    return replace(
        passage,
        id=clean(passage.id),
        document_id=clean(passage.document_id),
        text=clean(passage.text),
        title=clean(passage.title),
        headings=tuple(clean(one) for one in passage.headings),
        taxonomy=tidy_path(passage.taxonomy),
        content_type=clean(passage.content_type),
        metadata=_checked_metadata(passage),
    )


def tidy_path(path: str) -> str:
    """Return a taxonomy path without empty steps and outer spaces."""
    return "/".join(step for step in (one.strip() for one in clean(path).split("/")) if step)


def _checked_metadata(passage: Passage) -> dict[str, Value]:
    if len(passage.metadata) > MAX_METADATA:
        expected = f"at most {MAX_METADATA} names"
        raise _wrong(passage, "metadata", f"{len(passage.metadata)} names", expected)
    found: dict[str, Value] = {}
    for name, value in passage.metadata.items():
        if not name or len(name) > 100 or name in BUILT_IN:
            expected = f"a name of 1 to 100 characters other than {', '.join(BUILT_IN)}"
            raise _wrong(passage, "metadata", name, expected)
        found[clean(name)] = _checked_value(passage, name, value)
    return found


def _checked_value(passage: Passage, name: str, value: object) -> Value:
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < 1e300:
        return value
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return [clean(one) for one in value]
    expected = "text, a finite number, true or false, nothing, or a list of texts"
    raise _wrong(passage, name, value, expected)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 500


def _wrong(passage: Passage, name: str, value: object, expected: str) -> BuildProblem:
    return BuildProblem(
        "wrong_passage",
        field=name,
        passage=shown(passage.id),
        value=shown(value),
        expected=expected,
    )
