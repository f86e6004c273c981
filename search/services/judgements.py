"""What people hold to be the right answers to queries."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import FieldProblem, InvalidInput
from portal.lib import clock
from portal.lib.hashing import digest_json
from search.engine.text import clean
from search.models import Collection, Document, JudgedQuery
from search.models.relevance import GAINS

if TYPE_CHECKING:
    from search.engine.tuning import Judged

LONGEST_QUERY = 1000
MOST_GAINS = 1000


def save(
    *,
    collection: Collection,
    query: str,
    gains: Mapping[str, int],
    actor: Actor,
    note: str = "",
) -> JudgedQuery:
    """Keep which documents answer a query; what was kept for the same query is replaced.

    Parameters
    ----------
    collection
        Where the query is asked.
    query
        As people type it, at most 1,000 characters.
    gains
        Identifier of each document that answers it → 1 (touches), 2 (helps), 3 (answers).
    actor
        Who judges.
    note
        For colleagues.

    Raises
    ------
    InvalidInput
        For an empty query, no document, or another gain.
    """
    text = " ".join(clean(query).split())
    _check(text, gains)
    with transaction.atomic():
        kept, _created = JudgedQuery.objects.update_or_create(
            collection=collection,
            query=text,
            defaults={
                "gains": {clean(name): gain for name, gain in gains.items()},
                "note": clean(note)[:500],
                "updated_at": clock.now(),
                "updated_by": actor.name[:150],
            },
        )
        audit.record(actor, "judgement.save", f"{collection.name}: {text[:80]}")
    return kept


def remove(*, judged: JudgedQuery, actor: Actor) -> None:
    """Forget a judged query."""
    with transaction.atomic():
        audit.record(actor, "judgement.remove", f"{judged.collection.name}: {judged.query[:80]}")
        judged.delete()


def import_list(*, collection: Collection, rows: Iterable[Mapping[str, Any]], actor: Actor) -> int:
    """Keep a list of ``{"query", "gains"}`` and return how many; all of it or nothing.

    Raises
    ------
    InvalidInput
        Naming the row that is wrong.
    """
    listed = list(rows)
    with transaction.atomic():
        for place, row in enumerate(listed):
            try:
                query, gains = row["query"], row["gains"]
                save(collection=collection, query=query, gains=gains, actor=actor)
            except InvalidInput as exc:
                problem = FieldProblem(f"rows[{place}]", exc.specific_code, str(exc))
                raise InvalidInput(exc.message, problems=[problem]) from exc
            except (KeyError, TypeError, AttributeError) as exc:
                message = _("Row %(row)d needs a “query” and “gains” by document.") % {"row": place}
                problem = FieldProblem(f"rows[{place}]", "bad_row", message)
                raise InvalidInput(message, code="bad_row", problems=[problem]) from exc
    return len(listed)


def load(collection: Collection) -> list["Judged"]:
    """Return the judged queries of a collection in order, by document, for the engine.

    Documents that are not there any more count no longer: no index could find them.
    """
    from search.engine.tuning import Judged  # noqa: PLC0415 - the engine is large

    rows = list(collection.judged_queries.order_by("pk").values_list("query", "gains"))
    named = {name for _query, gains in rows for name in gains}
    documents = Document.objects.present().filter(collection=collection, external_id__in=named)
    present = set(documents.values_list("external_id", flat=True))
    kept = ((query, _of(present, gains)) for query, gains in rows)
    return [Judged(query, gains) for query, gains in kept if gains]


def _of(present: set[str], gains: Mapping[str, float]) -> dict[str, float]:
    return {name: gain for name, gain in gains.items() if name in present}


def digest(judged: Iterable["Judged"]) -> str:
    """Return what two lists of the same judgements share."""
    return digest_json([[one.query, dict(one.gains)] for one in judged])


def _check(query: str, gains: Mapping[str, int]) -> None:
    if not 1 <= len(query) <= LONGEST_QUERY:
        raise _wrong(
            "query",
            _("The query has %(seen)d characters: send 1 to %(most)d.")
            % {"seen": len(query), "most": LONGEST_QUERY},
        )
    if not 1 <= len(gains) <= MOST_GAINS:
        raise _wrong(
            "gains",
            _("%(seen)d documents are named: name 1 to %(most)d.")
            % {"seen": len(gains), "most": MOST_GAINS},
        )
    for name, gain in gains.items():
        if type(gain) is not int or gain not in GAINS:
            raise _wrong(
                "gains",
                _(
                    "The gain of “%(document)s” is %(seen)s: give 1 (touches the question), 2 "
                    "(helps much) or 3 (answers it)."
                )
                % {"document": str(name)[:80], "seen": str(gain)[:40]},
            )


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(
        message, code="bad_judgement", problems=[FieldProblem(field, "bad_judgement", message)]
    )
