"""Keep what planners made of proposed routings: accepted as it was, or the routing it got instead.

Every decision is a row; the last one is current. Saying the same again changes nothing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput, NotFound
from portal.lib import clock
from predictions.engine.routing.model import SEQUENCE_STEP
from predictions.engine.routing.schema import ROUTING_BY_NAME
from predictions.models import RoutingOutcome, RoutingPrediction

MEMBERS = ("accepted", "routing", "item_code")
STEP_MEMBERS = ("sequence", "operation", "work_center", "setup_minutes", "run_minutes")
MOST_STEPS = 200
_LONGEST_CODE = RoutingOutcome._meta.get_field("item_code").max_length or 0
_LONGEST = {name: ROUTING_BY_NAME[name].max_length for name in ("operation", "work_center")}


def decide(
    identifier: UUID, said: Mapping[str, Any], *, reported_by: str
) -> tuple[RoutingOutcome, bool]:
    """Keep one decision; return its row and whether it is new.

    Parameters
    ----------
    identifier
        Of the proposal.
    said
        ``accepted`` true, or ``routing`` as a list of steps; and ``item_code`` if it is news.
    reported_by
        Of the key or person that decides.

    Raises
    ------
    InvalidInput
        When the decision breaks a rule; every wrong step is named.
    NotFound
        When there is no such proposal.
    """
    _check_members(said)
    with transaction.atomic():
        prediction = (
            RoutingPrediction.objects.select_for_update(of=("self",)).filter(pk=identifier).first()
        )
        if prediction is None:
            raise NotFound(_("There is no proposed routing %(id)s.") % {"id": identifier})
        return _decided(prediction, said, reported_by)


def _decided(
    prediction: RoutingPrediction, said: Mapping[str, Any], reported_by: str
) -> tuple[RoutingOutcome, bool]:
    verdict, routing = _routing(prediction, said)
    code = _code(said) or prediction.item_code
    rows = RoutingOutcome.objects.filter(prediction=prediction)
    now = rows.current().first()
    if now is not None and (now.verdict, now.routing, now.item_code) == (verdict, routing, code):
        return now, False
    rows.current().update(is_current=False)
    proposed = [step["operation"] for step in prediction.answer["routing"]]
    row = RoutingOutcome.objects.create(
        prediction=prediction,
        verdict=verdict,
        item_code=code,
        routing=routing,
        same_operations=[step["operation"] for step in routing] == proposed,
        reported_by=reported_by,
        recorded_at=clock.now(),
    )
    return row, True


def _routing(
    prediction: RoutingPrediction, said: Mapping[str, Any]
) -> tuple[str, list[dict[str, Any]]]:
    if "routing" in said:
        return RoutingOutcome.Verdict.CORRECTED.value, _steps(said["routing"])
    if prediction.is_refused:
        message = _("Nothing was proposed for this item, so it cannot be accepted: send “routing”.")
        raise _wrong("accepted", message)
    steps = [{name: step[name] for name in STEP_MEMBERS} for step in prediction.answer["routing"]]
    return RoutingOutcome.Verdict.ACCEPTED.value, steps


# --- What is said ---------------------------------------------------------------------------------
def _check_members(said: Mapping[str, Any]) -> None:
    for name in said:
        if name not in MEMBERS:
            message = _("“%(seen)s” is not known here; known are %(known)s.")
            words = {"seen": str(name)[:60], "known": ", ".join(MEMBERS)}
            raise _wrong(str(name)[:60], message % words)
    accepted = said.get("accepted")
    if accepted is not None and not isinstance(accepted, bool):
        message = _("“accepted” is “%(seen)s”: say true or false.")
        raise _wrong("accepted", message % {"seen": str(accepted)[:40]})
    if accepted and "routing" in said:
        message = _("Say “accepted”, or “routing” with what the item got instead, not both.")
        raise _wrong("routing", message)
    if not accepted and "routing" not in said:
        message = _("Say “accepted”: true, or send “routing” with what the item got instead.")
        raise _wrong("routing", message)


def _code(said: Mapping[str, Any]) -> str:
    given = said.get("item_code")
    if given is None:
        return ""
    if isinstance(given, str) and 0 < len(given.strip()) <= _LONGEST_CODE:
        return given.strip()
    message = _("“item_code” is “%(seen)s”: give a text of up to %(most)d characters.")
    raise _wrong("item_code", message % {"seen": str(given)[:80], "most": _LONGEST_CODE})


def _steps(given: Any) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_STEPS:
        message = _("“routing” must be a list of 1 to %(most)d steps.") % {"most": MOST_STEPS}
        raise _wrong("routing", message)
    problems = [problem for place, step in enumerate(given) for problem in _problems(place, step)]
    if not problems:
        problems = _sequence_problems(given)
    if problems:
        raise InvalidInput(problems[0].message, code="invalid_routing", problems=problems)
    return [_step(place, step) for place, step in enumerate(given)]


def _step(place: int, step: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sequence": step.get("sequence", (place + 1) * SEQUENCE_STEP),
        "operation": step["operation"].strip(),
        "work_center": step["work_center"].strip(),
        "setup_minutes": float(step["setup_minutes"]),
        "run_minutes": float(step["run_minutes"]),
    }


def _problems(place: int, step: Any) -> list[FieldProblem]:
    if not isinstance(step, Mapping):
        return [_problem(place, "", _("Each step must be an object."))]
    found = []
    for name in step:
        if name not in STEP_MEMBERS:
            message = _("“%(seen)s” is not known here; known are %(known)s.")
            words = {"seen": str(name)[:60], "known": ", ".join(STEP_MEMBERS)}
            found.append(_problem(place, str(name)[:60], message % words))
    for name, longest in _LONGEST.items():
        given = step.get(name)
        if not isinstance(given, str) or not 0 < len(given.strip()) <= longest:
            message = _("“%(name)s” is “%(seen)s”: give a text of 1 to %(most)d characters.")
            shown = {"name": name, "seen": str(given)[:80], "most": longest}
            found.append(_problem(place, name, message % shown))
    for name in ("setup_minutes", "run_minutes"):
        if not _is_number(step.get(name), name):
            message = _("“%(name)s” is “%(seen)s”: give minutes from %(low)g to %(high)g.")
            column, seen = ROUTING_BY_NAME[name], str(step.get(name))[:40]
            limits = {"name": name, "seen": seen, "low": column.low, "high": column.high}
            found.append(_problem(place, name, message % limits))
    return found


def _is_number(given: Any, name: str) -> bool:
    column = ROUTING_BY_NAME[name]
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        return False
    return (column.low or 0.0) <= given <= (column.high or math.inf)


def _sequence_problems(steps: Sequence[Mapping[str, Any]]) -> list[FieldProblem]:
    """Return what is wrong with the numbers of the steps: all or none, whole, ascending."""
    given = [step.get("sequence") for step in steps]
    if all(number is None for number in given):
        return []
    high = int(ROUTING_BY_NAME["sequence"].high or 0)
    before = 0
    for place, number in enumerate(given):
        is_whole = isinstance(number, int) and not isinstance(number, bool)
        if number is None or not is_whole or not before < number <= high:
            message = _(
                "“sequence” is “%(seen)s”: number every step or none, ascending from 1 to %(high)d."
            )
            return [_problem(place, "sequence", message % {"seen": number, "high": high})]
        before = number
    return []


def _problem(place: int, name: str, message: str) -> FieldProblem:
    field = f"routing[{place}]"
    return FieldProblem(f"{field}.{name}" if name else field, "invalid", message)


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[FieldProblem(field, "invalid", message)])
