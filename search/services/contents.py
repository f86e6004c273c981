"""The text of a document as it is kept, and the passages that are cut from it."""

from collections.abc import Iterable
from typing import Any

from portal.lib.hashing import digest_json
from search.engine.cutting import Cutting, cut
from search.engine.documents import Block
from search.engine.documents import Document as Text
from search.engine.passages import Passage
from search.models import Document


def to_json(text: Text) -> list[dict[str, Any]]:
    """Return a document's blocks as JSON, what is empty left out."""
    return [_block(block) for block in text.blocks]


def _block(block: Block) -> dict[str, Any]:
    kept: dict[str, Any] = {"kind": block.kind, "text": block.text}
    if block.headings:
        kept["headings"] = list(block.headings)
    if block.rows:
        kept["rows"] = [list(row) for row in block.rows]
    if block.level:
        kept["level"] = block.level
    if block.page is not None:
        kept["page"] = block.page
    return kept


def from_json(document: Document) -> Text:
    """Return the text of a document as it was read."""
    blocks = tuple(
        Block(
            kind=one["kind"],
            text=one["text"],
            headings=tuple(one.get("headings", ())),
            rows=tuple(tuple(row) for row in one.get("rows", ())),
            level=one.get("level", 0),
            page=one.get("page"),
        )
        for one in document.blocks
    )
    return Text(document.title, document.content_type, blocks, tuple(document.notes))


def hash_of(blocks: Iterable[dict[str, Any]]) -> str:
    """Return the hash by which two documents of the same text are found."""
    return digest_json([[one["kind"], one["text"]] for one in blocks])


def passages_of(document: Document, cutting: Cutting | None = None) -> list[Passage]:
    """Return the passages of a document, cut now; none of a deleted one."""
    return cut(
        from_json(document),
        document_id=document.external_id,
        cutting=cutting,
        title=document.title,
        taxonomy=document.taxonomy,
        content_type=document.content_type,
        date=document.date,
        metadata=document.metadata,
    )
