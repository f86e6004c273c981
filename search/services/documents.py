"""Documents: kept, replaced and deleted by the identifier of whoever sends them."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import FieldProblem, InvalidInput, NotFound
from portal.lib import clock
from portal.lib.hashing import digest_json
from portal.runs.models import Artifact
from search.engine.documents import Document as Text
from search.engine.documents import from_text
from search.engine.passages import Passage, checked, tidy_path
from search.engine.problems import EngineError
from search.engine.text import clean
from search.models import Collection, Document
from search.services import contents
from search.services.collections import lock
from search.services.problems import sentence

#: In one call; more are sent in several.
MOST_AT_ONCE = 1000
MAX_CHARS = 20_000_000
KEEP, SKIP = "keep", "skip"
_LONGEST = {"external_id": 500, "title": 500, "taxonomy": 500, "content_type": 100}

passages_of = contents.passages_of


@dataclass(frozen=True)
class Incoming:
    """A document to be kept.

    Attributes
    ----------
    external_id
        Under which it replaces what was kept before.
    text
        Plain text; paragraphs are apart by empty lines. Ignored when `document` is given.
    title, taxonomy, content_type, date, metadata
        What it is found and filtered by; the title and kind of `document` where they are empty.
    document
        What a reader made of a file.
    source_name, source
        The file it came from, and its content.
    notes
        What could not be read of it.
    """

    external_id: str
    text: str = ""
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    taxonomy: str = ""
    content_type: str = ""
    date: datetime.date | None = None
    document: Text | None = None
    source_name: str = ""
    source: Artifact | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Upserted:
    """What became of documents.

    Attributes
    ----------
    n_created, n_updated, n_unchanged
        By what was kept under their identifiers before; unchanged ones are no change of the index.
    n_duplicates
        With the text of another document.
    duplicates
        Identifier of each of these and of the one it is like; not kept when they were to be
        skipped.
    sequence
        Number of the collection's last change: searchable everywhere once a search says so.
    """

    n_created: int = 0
    n_updated: int = 0
    n_unchanged: int = 0
    n_duplicates: int = 0
    duplicates: tuple[tuple[str, str], ...] = ()
    sequence: int = 0


def get(*, collection: Collection, external_id: str) -> Document:
    """Return a document that is not deleted.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = None
    if "\x00" not in external_id:
        found = collection.documents.present().filter(external_id=external_id).first()
    if found is None:
        raise NotFound(
            _("The collection “%(collection)s” holds no document “%(id)s”.")
            % {"collection": collection.name, "id": external_id[:80]},
            code="document_not_found",
        )
    return found


def upsert(
    *,
    collection: Collection,
    documents: Sequence[Incoming],
    actor: Actor,
    duplicates: str = KEEP,
) -> Upserted:
    """Keep documents, all of them or none.

    Parameters
    ----------
    collection
        Where.
    documents
        At most 1,000; of two with one identifier the last counts.
    actor
        Who sends them.
    duplicates
        ``keep`` or ``skip`` documents whose text is that of another document.

    Raises
    ------
    InvalidInput
        Naming each field that breaks a rule, as in ``documents[3].metadata``.
    """
    rows = _checked(collection, documents)
    for row in rows.values():
        row.updated_by = actor.name[:150]
    with transaction.atomic():
        locked = lock(collection)
        known = {
            one.external_id: one
            for one in Document.objects.defer("blocks").filter(
                collection=locked, external_id__in=rows
            )
        }
        changed = {
            name: row
            for name, row in rows.items()
            if name not in known or known[name].is_deleted or known[name].digest != row.digest
        }
        same = _same_text(locked, changed)
        if duplicates == SKIP:
            changed = {name: row for name, row in changed.items() if name not in same}
        n_created = sum(name not in known or known[name].is_deleted for name in changed)
        _write(locked, changed)
        collection.sequence = locked.sequence
    n_skipped = len(same) if duplicates == SKIP else 0
    return Upserted(
        n_created=n_created,
        n_updated=len(changed) - n_created,
        n_unchanged=len(rows) - len(changed) - n_skipped,
        n_duplicates=len(same),
        duplicates=tuple(same.items()),
        sequence=locked.sequence,
    )


def delete(*, collection: Collection, external_ids: Sequence[str], actor: Actor) -> int:
    """Delete documents and return how many there were; unknown identifiers are no error."""
    wanted = {clean(one) for one in external_ids}
    with transaction.atomic():
        locked = lock(collection)
        rows = list(
            Document.objects.listed()
            .filter(collection=locked, external_id__in=wanted)
            .order_by("pk")
        )
        moment = clock.now()
        for row in rows:
            locked.sequence += 1
            row.sequence, row.is_deleted, row.updated_at = locked.sequence, True, moment
            row.updated_by = actor.name[:150]
            row.blocks, row.n_chars, row.content_hash, row.digest = [], 0, "", ""
            row.metadata, row.notes, row.source = {}, [], None
        if rows:
            _replace(rows, _TOMBSTONE)
            locked.save(update_fields=["sequence"])
            detail = {"n": len(rows), "first": [row.external_id for row in rows[:20]]}
            audit.record(actor, "document.delete", locked.name, detail=detail)
        collection.sequence = locked.sequence
    return len(rows)


_TOMBSTONE = (
    "sequence",
    "is_deleted",
    "updated_at",
    "updated_by",
    "blocks",
    "n_chars",
    "content_hash",
    "digest",
    "metadata",
    "notes",
    "source",
)
_REPLACED = (*_TOMBSTONE, "title", "taxonomy", "content_type", "date", "source_name")


def _same_text(collection: Collection, changed: Mapping[str, Document]) -> dict[str, str]:
    """Return which documents have the text of another one, that is kept or came before them."""
    hashes = {row.content_hash for row in changed.values()}
    kept = (
        Document.objects.present()
        .filter(collection=collection, content_hash__in=hashes)
        .exclude(external_id__in=changed)
        .order_by("-pk")
        .values_list("content_hash", "external_id")
    )
    first = dict(kept)
    same: dict[str, str] = {}
    for name, row in changed.items():
        other = first.setdefault(row.content_hash, name)
        if other != name:
            same[name] = other
    return same


def _write(collection: Collection, changed: Mapping[str, Document]) -> None:
    if not changed:
        return
    for row in changed.values():
        collection.sequence += 1
        row.sequence = collection.sequence
    _replace(list(changed.values()), _REPLACED)
    collection.save(update_fields=["sequence"])


def _replace(rows: list[Document], columns: Sequence[str]) -> None:
    Document.objects.bulk_create(
        rows,
        batch_size=200,
        update_conflicts=True,
        unique_fields=["collection", "external_id"],
        update_fields=columns,
    )


def _checked(collection: Collection, documents: Sequence[Incoming]) -> dict[str, Document]:
    """Return rows by identifier, or raise with everything that is wrong."""
    if not 1 <= len(documents) <= MOST_AT_ONCE:
        message = _("%(seen)d documents were sent: send 1 to %(most)d at once.") % {
            "seen": len(documents),
            "most": MOST_AT_ONCE,
        }
        raise InvalidInput(
            message,
            code="wrong_number",
            problems=[FieldProblem("documents", "wrong_number", message)],
        )
    rows: dict[str, Document] = {}
    problems: list[FieldProblem] = []
    for place, given in enumerate(documents):
        found = _problems_of(given, f"documents[{place}]")
        problems += found
        if not found:
            row = _row(collection, given)
            rows.pop(row.external_id, None)
            rows[row.external_id] = row
    if problems:
        raise InvalidInput(problems[0].message, code=problems[0].code, problems=problems[:100])
    return rows


def _problems_of(given: Incoming, where: str) -> list[FieldProblem]:
    found = [
        FieldProblem(
            f"{where}.{name}",
            "too_long",
            _("%(field)s has %(seen)d characters: at most %(most)d are kept.")
            % {"field": name, "seen": len(getattr(given, name)), "most": most},
        )
        for name, most in _LONGEST.items()
        if len(getattr(given, name)) > most
    ]
    if not clean(given.external_id).strip():
        message = _("external_id is empty: every document needs an identifier of its own.")
        found.append(FieldProblem(f"{where}.external_id", "empty", message))
    if given.document is None and not clean(given.text).strip():
        message = _("text is empty: a document needs at least one word.")
        found.append(FieldProblem(f"{where}.text", "empty", message))
    if len(given.text) > MAX_CHARS:
        message = _("text has %(seen)d characters: at most %(most)d are kept.")
        found.append(
            FieldProblem(
                f"{where}.text", "too_long", message % {"seen": len(given.text), "most": MAX_CHARS}
            )
        )
    return found or _metadata_problems(given, where)


def _metadata_problems(given: Incoming, where: str) -> list[FieldProblem]:
    try:
        checked(Passage("-", "-", "-", metadata=dict(given.metadata)))
    except EngineError as exc:
        return [FieldProblem(f"{where}.metadata", exc.code, sentence(exc))]
    return []


def _row(collection: Collection, given: Incoming) -> Document:
    text = given.document or from_text(given.text, title=clean(given.title))
    blocks = contents.to_json(text)
    tidy = checked(Passage("-", "-", "-", metadata=dict(given.metadata)))
    row = Document(
        collection=collection,
        external_id=clean(given.external_id).strip(),
        title=" ".join((clean(given.title) or text.title).split())[:500],
        taxonomy=tidy_path(given.taxonomy),
        content_type=clean(given.content_type).strip() or text.kind,
        date=given.date,
        metadata=dict(tidy.metadata),
        blocks=blocks,
        notes=list(given.notes or text.notes),
        n_chars=sum(len(one["text"]) for one in blocks),
        content_hash=contents.hash_of(blocks),
        source_name=clean(given.source_name)[:500],
        source=given.source,
    )
    row.digest = digest_json(
        [
            row.title,
            row.taxonomy,
            row.content_type,
            row.date.isoformat() if row.date else None,
            row.metadata,
            row.blocks,
        ]
    )
    return row
