"""Propose routings: check the items, decide, record, and only then answer."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.core.errors import FieldProblem, InvalidInput, Unavailable
from predictions.engine.routing.model import DEFAULT_TOP_K, MAX_TOP_K, RoutingModel
from predictions.engine.routing.proposal import RoutingProposal
from predictions.engine.routing.validate import validate_item
from predictions.models import RoutingPrediction
from predictions.services import counts, prediction_ids
from predictions.services.answering import Caller
from predictions.services.engine_errors import field_problems
from predictions.services.serving import Champion, Choice

log = structlog.get_logger(__name__)

#: Items in one request; about 6 ms each.
MAX_ITEMS = 200
_LONGEST_CODE = RoutingPrediction._meta.get_field("item_code").max_length or 0


@dataclass(frozen=True)
class Wanted:
    """How the items are to be answered.

    Attributes
    ----------
    top_k
        Known items to show, 1 to `MAX_TOP_K`.
    as_of
        Day of planning, which decides what machines there are; None for the day an item was
        created, or else the latest day of training.
    """

    top_k: int = DEFAULT_TOP_K
    as_of: date | None = None


@dataclass(frozen=True)
class Answers:
    """What is said of all items of a request.

    Attributes
    ----------
    answers
        For each item what was proposed, ready for JSON; `prediction_id` is None when nothing was
        recorded, `refused` is None unless the item is too unlike everything known.
    model_version, role
        Who answered.
    processing_time_ms
        For all of them.
    """

    answers: list[dict[str, Any]]
    model_version: int
    role: str
    processing_time_ms: float


def answer(
    champion: Champion[RoutingModel],
    items: Sequence[Any],
    wanted: Wanted,
    caller: Caller,
    *,
    is_recorded: bool = True,
    is_batch: bool = True,
) -> Answers:
    """Propose a routing for every item, by the champion or its challenger.

    Parameters
    ----------
    champion
        The model that answers.
    items
        Mappings of item columns; at least one, at most `MAX_ITEMS`.
    wanted
        How.
    caller
        Who asks.
    is_recorded
        Whether the answer must be durable before it is given.
    is_batch
        Whether problems name the position of the item.

    Raises
    ------
    InvalidInput
        Naming each column, the value seen and the rule.
    Unavailable
        When there is no model, or the answer could not be recorded.
    """
    started = time.perf_counter()
    _check(champion.model_name, items, wanted, is_batch=is_batch)
    named = caller.named
    at = round(named.since if named else time.time(), 6)  # microseconds, as the table keeps them
    ids = _ids(caller, len(items), at) if is_recorded else []
    if named and named.is_second and (earlier := _earlier(ids)):
        return earlier
    name = caller.name or (ids[0].bytes if ids else os.urandom(8))
    choice, proposals = _proposed(champion.choose(name), items, wanted)
    answers = [_told(proposal) for proposal in proposals]
    if is_recorded:
        latency_ms = round((time.perf_counter() - started) * 1000, 3)
        rows = [
            _row(identifier, at, item, proposal, told, choice, caller, latency_ms)
            for identifier, item, proposal, told in zip(ids, items, proposals, answers, strict=True)
        ]
        _record(rows)
        answers = [_as_recorded(row) for row in rows]
    spent_s = time.perf_counter() - started
    levels = [proposal.confidence for proposal in proposals]
    counts.answered(champion.model_name, choice.role, levels, spent_s, n=len(levels))
    return Answers(answers, choice.held.number, choice.role, round(spent_s * 1000, 3))


def _ids(caller: Caller, count: int, at: float) -> list[UUID]:
    if caller.named is None:
        ids = prediction_ids.new_ids(count, at)
    else:
        ids = prediction_ids.repeated_ids(count, at, caller.name)
    return [UUID(bytes=identifier) for identifier in ids]


def _earlier(ids: Sequence[UUID]) -> Answers | None:
    """Return what an attempt that died after its record would have answered."""
    rows = RoutingPrediction.objects.select_related("version").in_bulk(ids)
    if not ids or len(rows) < len(ids):
        return None
    first = rows[ids[0]]
    answers = [_as_recorded(rows[identifier]) for identifier in ids]
    return Answers(answers, first.version.number, first.role, first.latency_ms)


def _as_recorded(row: RoutingPrediction) -> dict[str, Any]:
    return {**row.answer, "prediction_id": str(row.pk)}


def _proposed(
    choice: Choice[RoutingModel], items: Sequence[Any], wanted: Wanted
) -> tuple[Choice[RoutingModel], list[RoutingProposal]]:
    """Let the chosen version propose; what a challenger cannot, the champion does."""
    champion = choice.stand_in()
    if champion is None:
        return choice, _by(choice, items, wanted)
    try:
        return choice, _by(choice, items, wanted)
    except Exception as exc:  # noqa: BLE001 - whatever is wrong with a challenger, the champion answers
        log.warning("challenger_fell_back", version=choice.held.number, error=str(exc)[:300])
        return champion, _by(champion, items, wanted)


def _by(
    choice: Choice[RoutingModel], items: Sequence[Any], wanted: Wanted
) -> list[RoutingProposal]:
    model = choice.held.model
    return [model.propose(item, wanted.top_k, as_of=wanted.as_of) for item in items]


# --- What is asked --------------------------------------------------------------------------------
def _check(model_name: str, items: Sequence[Any], wanted: Wanted, *, is_batch: bool) -> None:
    if not 0 < len(items) <= MAX_ITEMS:
        message = _("There are %(count)d items: send 1 to %(most)d at once.")
        raise _wrong("items", message % {"count": len(items), "most": MAX_ITEMS})
    if not 1 <= wanted.top_k <= MAX_TOP_K:
        message = _("“top_k” is %(seen)d: use 1 to %(most)d.")
        raise _wrong("top_k", message % {"seen": wanted.top_k, "most": MAX_TOP_K})
    found = [
        (place, problem) for place, item in enumerate(items) for problem in validate_item(item)
    ]
    if not found:
        return
    counts.refused(model_name, [problem for _place, problem in found])
    listed = field_problems([problem for _place, problem in found])
    problems = [
        FieldProblem(_field(place if is_batch else None, problem.field), one.code, one.message)
        for (place, problem), one in zip(found, listed, strict=True)
    ]
    message = ngettext(
        "%(count)d value breaks a rule; nothing was proposed. The errors name each.",
        "%(count)d values break a rule; nothing was proposed. The errors name each.",
        len(found),
    ) % {"count": len(found)}
    raise InvalidInput(message, code="invalid_item", problems=problems)


def _field(place: int | None, field: str) -> str:
    whole = "item" if place is None else f"items[{place}]"
    return f"{whole}.{field}" if field else whole


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[FieldProblem(field, "invalid", message)])


# --- What is told and kept ------------------------------------------------------------------------
def _told(proposal: RoutingProposal) -> dict[str, Any]:
    """Return a proposal ready for JSON; a refusal says so in so many words."""
    content = proposal.to_dict()
    refusal = content.pop("refusal")
    refused = None
    if proposal.refusal is not None:
        (problem,) = field_problems([proposal.refusal])
        refused = {"code": refusal["code"], "reason": problem.message}
    return {"prediction_id": None, "refused": refused, **content}


def _row(
    identifier: UUID,
    at: float,
    item: Mapping[str, Any],
    proposal: RoutingProposal,
    told: dict[str, Any],
    choice: Choice[RoutingModel],
    caller: Caller,
    latency_ms: float,
) -> RoutingPrediction:
    return RoutingPrediction(
        id=identifier,
        version_id=choice.held.version_id,
        role=choice.role,
        challenger_share=choice.share,
        at=datetime.fromtimestamp(at, UTC),
        item_code=str(item.get("item_code") or "").strip()[:_LONGEST_CODE],
        item=dict(item),
        answer={name: value for name, value in told.items() if name != "prediction_id"},
        n_steps=len(proposal.routing),
        probability=proposal.probability,
        confidence=proposal.confidence,
        familiarity=proposal.familiarity,
        latency_ms=latency_ms,
        principal=caller.principal,
        request_id=caller.request_id,
    )


def _record(rows: list[RoutingPrediction]) -> None:
    """Write the rows before the answer leaves; planners ask seldom enough for an insert each.

    Raises
    ------
    Unavailable
        When Postgres does not take them.
    """
    try:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        RoutingPrediction.objects.bulk_create(rows)
    except DatabaseError as exc:
        raise Unavailable(
            _(
                "The proposal could not be recorded, so it is not answered: the database accepts "
                "no writes. Try again, or send ?record=false if no record is needed."
            ),
            code="recording_unavailable",
        ) from exc
