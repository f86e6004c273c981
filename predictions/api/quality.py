"""Quality predictions by the champion, one shot or many."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.http import HttpResponse
from django.utils.translation import gettext as _

from portal.core.api.fast import Call, fast_view
from portal.core.errors import FieldProblem, InvalidInput
from predictions.api import shapes
from predictions.api.once import is_recorded, once
from predictions.services import answering, serving
from predictions.services.answering import Answers, Caller, Verdict

JSON = "application/json"


class Predicted(msgspec.Struct, frozen=True):
    """The answer to one shot."""

    prediction_id: str | None
    prediction: Verdict
    latent_features: list[float]
    processing_time_ms: float
    model_version: int


class PredictedBatch(msgspec.Struct, frozen=True):
    """The answer to many shots, in the order asked."""

    predictions: list[answering.Answer]
    processing_time_ms: float
    model_version: int


@fast_view(
    scope="predict",
    documented={
        "summary": "Predict the quality of one shot",
        "parameters": [shapes.RECORD, shapes.ONCE],
        "request": shapes.ShotSerializer,
        "responses": shapes.PredictedSerializer,
    },
)
def predict(call: Call) -> Any:
    """Answer one shot."""
    features = _only(call.body, "features")
    if not isinstance(features, dict):
        raise _wrong("features", _("“features” must be an object of feature names and numbers."))

    def work(caller: Caller) -> HttpResponse:
        answers = _answer(call, caller, [features], is_batch=False)
        one = answers.answers[0]
        return _json(
            Predicted(
                one.prediction_id,
                one.prediction,
                one.latent_features,
                answers.processing_time_ms,
                answers.model_version,
            )
        )

    return once(call, lambda: call.body, work)


@fast_view(
    scope="predict",
    documented={
        "summary": "Predict the quality of up to 10,000 shots at once",
        "parameters": [shapes.RECORD, shapes.ONCE],
        "request": shapes.ShotsSerializer,
        "responses": shapes.PredictedBatchSerializer,
    },
)
def predict_batch(call: Call) -> Any:
    """Answer up to 10,000 shots."""
    instances = _only(call.body, "instances")
    if not isinstance(instances, list):
        raise _wrong("instances", _("“instances” must be a list of objects, one for each shot."))

    def work(caller: Caller) -> HttpResponse:
        answers = _answer(call, caller, instances, is_batch=True)
        return _json(
            PredictedBatch(answers.answers, answers.processing_time_ms, answers.model_version)
        )

    return once(call, lambda: call.body, work)


def _answer(
    call: Call, caller: Caller, instances: Sequence[Mapping[str, Any]], *, is_batch: bool
) -> Answers:
    return answering.respond(
        serving.quality.choose,
        answering.NamedShots(instances),
        caller,
        is_recorded=is_recorded(call),
        place="instances" if is_batch else None,
    )


def _json(answer: msgspec.Struct) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(answer), JSON)


def _only(body: Any, name: str) -> Any:
    """Return the one member that a body must have."""
    if isinstance(body, dict) and len(body) == 1 and name in body:
        return body[name]
    if not isinstance(body, dict):
        raise _wrong(
            "", _("The body must be an object with the member “%(name)s”.") % {"name": name}
        )
    if name not in body:
        raise _wrong(name, _("“%(name)s” is missing.") % {"name": name})
    unknown = next(key for key in body if key != name)
    raise _wrong(
        unknown[:60],
        _("“%(seen)s” is not known here: send “%(name)s” alone.")
        % {"seen": unknown[:60], "name": name},
    )


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[FieldProblem(field, "invalid", message)])
