"""Keep what became of shots: late, corrected, by id or by line, shot and time; nothing is lost.

Every report is a row. Of the rows of one prediction the last word is current: what a person
inspected before what was only reported, then the later observation. One transaction at a time
writes outcomes, so that a report that comes twice is kept once and one row alone is current.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput, NotFound, Unavailable
from portal.core.models import ApiKey, User
from portal.lib import clock
from predictions.models import Outcome, Prediction
from predictions.services import lookup, reports
from predictions.services.models import FAMILY_NAME
from predictions.services.reports import Refusal, Report

#: A shot may have been predicted this long before or after the time that is reported for it.
TOLERANCE = timedelta(minutes=2)
#: How far back predictions of waiting outcomes are looked for.
WAITING = timedelta(days=30)
_CHUNK = 1_000
_LOCK = 0x4F7574636F6D65

_PLACES = """
    SELECT wanted.position, found.id
    FROM unnest(%s::float8[], %s::timestamptz[]) WITH ORDINALITY AS wanted (shot, at, position)
    CROSS JOIN LATERAL (
        SELECT id FROM predictions_prediction
        WHERE at BETWEEN wanted.at - make_interval(secs => %s)
                AND wanted.at + make_interval(secs => %s)
            AND principal = ANY(%s)
            AND features -> 'Shot' = to_jsonb(wanted.shot)
        ORDER BY abs(extract(epoch FROM at - wanted.at)), at, id LIMIT 1
    ) AS found
"""

_Said = tuple[str, datetime, bool]


@dataclass
class Recorded:
    """What became of the reports.

    Attributes
    ----------
    n_recorded : int
        New outcomes of known predictions.
    n_unchanged : int
        Said before.
    n_waiting : int
        New, but of a shot whose prediction has not been found yet; kept until it is.
    refusals : list of Refusal
        Those not kept, and why.
    outcomes : dict
        The row of each report that was kept, by its index.
    """

    n_recorded: int = 0
    n_unchanged: int = 0
    n_waiting: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)


def record(items: Iterable[object], *, reported_by: str) -> Recorded:
    """Keep every report that can be understood and say what is wrong with the others.

    Parameters
    ----------
    items
        Mappings with the members of :data:`reports.MEMBERS`.
    reported_by
        Of the key or person that reports.
    """
    understood, refusals = reports.read(items)
    result = Recorded(refusals=refusals)
    for start in range(0, len(understood), _CHUNK):
        _record(understood[start : start + _CHUNK], reported_by, result)
    result.refusals.sort(key=lambda refusal: refusal.index)
    return result


def record_one(
    identifier: UUID, item: dict[str, object], *, reported_by: str
) -> tuple[Outcome, bool]:
    """Keep one report on a known prediction; return its row and whether it is new.

    Raises
    ------
    InvalidInput
        When the report breaks a rule.
    NotFound
        When there is no such prediction.
    """
    if "prediction_id" in item or any(name in item for name in reports.PLACE):
        message = _("The address says of what; send “label”, “observed_at” and “inspected” alone.")
        raise InvalidInput(message, problems=[FieldProblem("", "unknown", message)])
    result = record([{**item, "prediction_id": str(identifier)}], reported_by=reported_by)
    if not result.refusals:
        return result.outcomes[0], bool(result.n_recorded)
    refusal = result.refusals[0]
    if refusal.code == "not_found":
        raise NotFound(refusal.message)
    if refusal.code == "try_again":
        raise Unavailable(refusal.message)
    raise InvalidInput(
        refusal.message, problems=[FieldProblem(refusal.field, refusal.code, refusal.message)]
    )


def join_waiting() -> int:
    """Look again for the predictions of waiting outcomes; return how many were found."""
    rows = list(
        Outcome.objects.waiting()
        .filter(shot_at__gte=clock.now() - WAITING)
        .order_by("shot_at")
        .values_list("pk", "line", "shot", "shot_at")[: 10 * _CHUNK]
    )
    n_joined = 0
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        asked = [Report(pk, None, line, shot, at, "", None, False) for pk, line, shot, at in part]
        n_joined += _join(_at_places(asked))
    return n_joined


# --- Of which prediction --------------------------------------------------------------------------
def _found(asked: Sequence[Report], result: Recorded) -> dict[int, Prediction]:
    """Return the prediction of each report by its index; refuse those that name a wrong one."""
    found = _at_places([one for one in asked if one.prediction_id is None])
    by_id = [one for one in asked if one.prediction_id is not None]
    known = _by_ids({one.prediction_id for one in by_id if one.prediction_id is not None})
    for one in by_id:
        problem, prediction = _sought(one, known)
        if prediction is not None:
            found[one.index] = prediction
        elif problem is not None:
            result.refusals.append(problem)
    return found


def _by_ids(identifiers: set[UUID]) -> dict[UUID, Prediction]:
    rows = Prediction.objects.select_related("version__model").filter(pk__in=identifiers)
    return {row.pk: row for row in rows.defer("features", "latent")}


def _sought(one: Report, known: dict[UUID, Prediction]) -> tuple[Refusal | None, Prediction | None]:
    assert one.prediction_id is not None  # noqa: S101 - the caller looked
    try:
        prediction = known.get(one.prediction_id) or lookup.find_now(one.prediction_id)
    except NotFound as exc:
        return Refusal(one.index, "prediction_id", "not_found", str(exc)), None
    except Unavailable as exc:
        return Refusal(one.index, "prediction_id", "try_again", str(exc)), None
    if prediction.version.model.family != FAMILY_NAME:
        message = _("Prediction %(id)s is not of a quality model: it has no such outcome.")
        refusal = message % {"id": one.prediction_id}
        return Refusal(one.index, "prediction_id", "other_family", refusal), None
    return None, prediction


def _at_places(asked: Sequence[Report]) -> dict[int, Prediction]:
    """Return the predictions nearest in time of the shots named, by the reports' index."""
    found: dict[int, UUID] = {}
    span_s = TOLERANCE.total_seconds()
    for line in {one.line for one in asked}:
        principals = _principals(line)
        here = [one for one in asked if one.line == line]
        with connection.cursor() as cursor:
            shots, moments = [one.shot for one in here], [one.shot_at for one in here]
            cursor.execute(_PLACES, [shots, moments, span_s, span_s, principals])
            found |= {here[position - 1].index: pk for position, pk in cursor.fetchall()}
    known = _by_ids(set(found.values()))
    return {
        index: known[pk]
        for index, pk in found.items()
        if pk in known and known[pk].version.model.family == FAMILY_NAME
    }


def _principals(line: str) -> list[str]:
    """Return who asks for predictions under a line's name: its keys, old ones too, or a person."""
    keys = ApiKey.objects.filter(name=line).values_list("pk", flat=True)
    users = User.objects.filter(username=line).values_list("pk", flat=True)
    return [*(f"key:{pk}" for pk in keys), *(f"user:{pk}" for pk in users)]


# --- Writing --------------------------------------------------------------------------------------
def _record(asked: Sequence[Report], reported_by: str, result: Recorded) -> None:
    with transaction.atomic():
        _take_turn()
        found = _found(asked, result)
        refused = {refusal.index for refusal in result.refusals}
        kept = [one for one in asked if one.index not in refused]
        joined = [(one, found[one.index]) for one in kept if one.index in found]
        _record_joined(joined, reported_by, result)
        _record_waiting([one for one in kept if one.index not in found], reported_by, result)


def _take_turn() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _record_joined(
    joined: Sequence[tuple[Report, Prediction]], reported_by: str, result: Recorded
) -> None:
    said: dict[UUID, dict[_Said, Outcome]] = {}
    for row in Outcome.objects.filter(
        prediction__in={prediction.pk for _one, prediction in joined}
    ):
        said.setdefault(_of(row), {})[_key(row)] = row
    new = []
    for one, prediction in joined:
        before = said.setdefault(prediction.pk, {})
        row = _row(_timed(one, before.values()), reported_by)
        _compare(row, prediction)
        if _key(row) in before:
            result.n_unchanged += 1
        else:
            before[_key(row)] = row
            new.append(row)
            result.n_recorded += 1
        result.outcomes[one.index] = before[_key(row)]
    Outcome.objects.bulk_create(new)
    _settle({_of(row) for row in new}, result.outcomes.values())


def _timed(one: Report, before: Iterable[Outcome]) -> Report:
    """Return a report with its time; one of now that says nothing new takes the time it had."""
    if one.observed_at is not None:
        return one
    for row in before:
        if (row.is_current, row.label, row.is_inspected) == (True, one.label, one.is_inspected):
            return replace(one, observed_at=row.observed_at)
    return replace(one, observed_at=clock.now())


def _record_waiting(asked: Sequence[Report], reported_by: str, result: Recorded) -> None:
    moments = {one.shot_at for one in asked}
    waiting = Outcome.objects.waiting().filter(shot_at__in=moments)
    said = {_place(row): row for row in waiting}
    times = {_words(row): row.observed_at for row in waiting}
    for one in asked:
        if one.observed_at is None:  # of now, unless the very same waits already
            words = (one.line, one.shot, one.shot_at, one.label, one.is_inspected)
            one = replace(one, observed_at=times.setdefault(words, clock.now()))
        row = _row(one, reported_by)
        if (known := said.get(_place(row))) is None:
            row.save(force_insert=True)
            known = said[_place(row)] = row
            result.n_waiting += 1
        else:
            result.n_unchanged += 1
        result.outcomes[one.index] = known


def _row(one: Report, reported_by: str) -> Outcome:
    assert one.observed_at is not None  # noqa: S101 - it was given its time
    return Outcome(
        line=one.line,
        shot=one.shot,
        shot_at=one.shot_at,
        label=one.label,
        observed_at=one.observed_at,
        is_inspected=one.is_inspected,
        reported_by=reported_by,
        recorded_at=clock.now(),
    )


def _compare(row: Outcome, prediction: Prediction) -> None:
    """Join a row to its prediction."""
    row.prediction = prediction
    row.agrees = row.label == prediction.predicted_class
    row.surprise = abs(prediction.probability - (row.label == Prediction.Label.DEFECT))


def _of(row: Outcome) -> UUID:
    assert row.prediction_id is not None  # noqa: S101 - the row was joined
    return row.prediction_id


def _key(row: Outcome) -> _Said:
    return row.label, row.observed_at, row.is_inspected


def _place(row: Outcome) -> tuple[object, ...]:
    return row.line, row.shot, row.shot_at, *_key(row)


def _words(row: Outcome) -> tuple[object, ...]:
    """Return what a waiting row says, but for when it was seen."""
    return row.line, row.shot, row.shot_at, row.label, row.is_inspected


def _settle(identifiers: set[UUID], shown: Iterable[Outcome] = ()) -> None:
    """Make the last word on each prediction the current row, and say so on rows in hand."""
    rows = Outcome.objects.filter(prediction__in=identifiers)
    last = set(
        rows.order_by("prediction_id", "-is_inspected", "-observed_at", "-id")
        .distinct("prediction_id")
        .values_list("pk", flat=True)
    )
    rows.filter(is_current=True).exclude(pk__in=last).update(is_current=False)
    rows.filter(pk__in=last, is_current=False).update(is_current=True)
    for row in shown:
        if row.prediction_id in identifiers:
            row.is_current = row.pk in last


def _join(found: dict[int, Prediction]) -> int:
    """Join waiting rows, by their key, to the predictions that turned up."""
    with transaction.atomic():
        _take_turn()
        waiting = Outcome.objects.waiting().in_bulk(found)
        known = {
            (row.prediction_id, *_key(row))
            for row in Outcome.objects.filter(
                prediction__in={prediction.pk for prediction in found.values()}
            )
        }
        for pk, row in waiting.items():
            _compare(row, found[pk])
            if (row.prediction_id, *_key(row)) in known:
                row.delete()  # the same was reported by the prediction's id meanwhile
                continue
            known.add((row.prediction_id, *_key(row)))
            row.save(update_fields=["prediction", "agrees", "surprise"])
        _settle({_of(row) for row in waiting.values()})
    return len(waiting)
