"""Answer shots with the champion: check, predict, record, and only then answer."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.core.errors import FieldProblem, InvalidInput
from predictions.engine.validate import Validated, validate
from predictions.models import Prediction
from predictions.services import prediction_ids, recording
from predictions.services.engine_errors import field_problems
from predictions.services.records import Record
from predictions.services.serving import Champion, Held

#: Shots in one batch request.
MAX_INSTANCES = 10_000
#: Probabilities and latent features are answered to a millionth, about their float32 precision.
DECIMALS = 6

_DEFECT, _OK = Prediction.Label.DEFECT.value, Prediction.Label.OK.value
_json = msgspec.json.Encoder().encode


class Verdict(msgspec.Struct, rename={"label": "class"}, frozen=True, gc=False):
    """The prediction proper."""

    label: str
    probability: float
    confidence: str


class Answer(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is said of one shot; `prediction_id` is None when nothing was recorded."""

    prediction_id: str | None
    prediction: Verdict
    latent_features: list[float]


class Answers(msgspec.Struct, frozen=True):
    """What is said of all shots of a request."""

    answers: list[Answer]
    processing_time_ms: float
    model_version: int


def answer(
    champion: Champion,
    instances: Sequence[Mapping[str, Any]],
    *,
    principal: str,
    request_id: str,
    is_recorded: bool = True,
    is_batch: bool = True,
) -> Answers:
    """Answer shots.

    Parameters
    ----------
    champion
        The model that answers.
    instances
        Features by name, one mapping a shot; at least one, at most `MAX_INSTANCES`.
    principal, request_id
        For the record.
    is_recorded
        Whether the answer must be durable before it is given.
    is_batch
        Whether problems name the position of the shot.

    Raises
    ------
    InvalidInput
        Naming each feature, the value seen and the rule.
    Unavailable
        When there is no model, or the answer could not be recorded.
    """
    started = time.perf_counter()
    held = champion.get()
    _check_count(instances)
    validated = validate(instances, held.model.signature)
    if validated.n_problems:
        raise _invalid(validated, is_batch=is_batch)
    answers = _predict(held, validated)
    if is_recorded:
        latency_ms = (time.perf_counter() - started) * 1000
        answers = _recorded(
            answers,
            instances,
            version_id=held.version_id,
            latency_ms=round(latency_ms, 3),
            principal=principal,
            request_id=request_id,
        )
    spent_ms = (time.perf_counter() - started) * 1000
    return Answers(answers, round(spent_ms, 3), held.number)


def _check_count(instances: Sequence[Mapping[str, Any]]) -> None:
    if 0 < len(instances) <= MAX_INSTANCES:
        return
    message = _("There are %(count)d instances: send 1 to %(most)d at once.") % {
        "count": len(instances),
        "most": MAX_INSTANCES,
    }
    raise InvalidInput(message, problems=[FieldProblem("instances", "count", message)])


def _predict(held: Held, validated: Validated) -> list[Answer]:
    model = held.model
    probability, latent = model.predict(validated.matrix)
    calls = model.decide(probability).tolist()
    rounded = np.round(probability.astype(np.float64), DECIMALS).tolist()
    latents = np.round(latent.astype(np.float64), DECIMALS).tolist()
    confidences = model.confidence.levels(probability)
    rows = zip(calls, rounded, confidences, latents, strict=True)
    return [
        Answer(None, Verdict(_DEFECT if called else _OK, value, confidence), numbers)
        for called, value, confidence, numbers in rows
    ]


def _recorded(
    answers: Sequence[Answer],
    instances: Sequence[Mapping[str, Any]],
    *,
    version_id: int,
    latency_ms: float,
    principal: str,
    request_id: str,
) -> list[Answer]:
    """Make answers durable and give each its identifier."""
    at = round(time.time(), 6)  # whole microseconds, as the table keeps them
    ids = prediction_ids.new_ids(len(answers), at)
    recording.record(
        [
            Record(
                identifier,
                version_id,
                at,
                _json(instance).decode(),
                one.prediction.probability,
                one.prediction.label,
                one.prediction.confidence,
                _json(one.latent_features).decode(),
                latency_ms,
                principal,
                request_id,
            )
            for identifier, instance, one in zip(ids, instances, answers, strict=True)
        ]
    )
    return [
        Answer(prediction_ids.text(identifier), one.prediction, one.latent_features)
        for identifier, one in zip(ids, answers, strict=True)
    ]


def _invalid(validated: Validated, *, is_batch: bool) -> InvalidInput:
    problems = field_problems(validated.problems)
    if is_batch:
        problems = [
            FieldProblem(_place(problem.row, problem.field), listed.code, listed.message)
            for problem, listed in zip(validated.problems, problems, strict=True)
        ]
    message = ngettext(
        "%(count)d value breaks a rule; nothing was predicted. The errors name each.",
        "%(count)d values break a rule; nothing was predicted. The errors name each.",
        validated.n_problems,
    ) % {"count": validated.n_problems}
    return InvalidInput(message, code="invalid_features", problems=problems)


def _place(row: int | None, field: str) -> str:
    place = "instances" if row is None else f"instances[{row}]"
    return f"{place}.{field}" if field else place
