"""Quality predictions by the champion, one shot or many."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from django.http import HttpResponse
from django.utils.translation import gettext as _

from portal.core.api.fast import Call, fast_view
from portal.core.errors import FieldProblem, InvalidInput
from portal.core.request_context import current_request_id
from predictions.api import shapes
from predictions.api.once import META_NAME, key_of, once
from predictions.services import answering, serving
from predictions.services.answering import Answers, Verdict

JSON = "application/json"
FLAGS = {"true": True, "1": True, "false": False, "0": False}


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

    def work() -> Predicted:
        answers = _answer(call, [features], is_batch=False)
        one = answers.answers[0]
        return Predicted(
            one.prediction_id,
            one.prediction,
            one.latent_features,
            answers.processing_time_ms,
            answers.model_version,
        )

    return _once(call, work)


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

    def work() -> PredictedBatch:
        answers = _answer(call, instances, is_batch=True)
        return PredictedBatch(answers.answers, answers.processing_time_ms, answers.model_version)

    return _once(call, work)


def _answer(call: Call, instances: Sequence[Mapping[str, Any]], *, is_batch: bool) -> Answers:
    return answering.answer(
        serving.quality,
        instances,
        principal=call.principal.name,
        request_id=current_request_id(),
        client_id=key_of(call),
        is_recorded=_is_recorded(call),
        is_batch=is_batch,
    )


def _is_recorded(call: Call) -> bool:
    if not call.request.META.get("QUERY_STRING"):
        return True
    given = call.request.GET.get("record", "true").lower()
    if given not in FLAGS:
        raise _wrong(
            "record", _("“record” is “%(seen)s”: use true or false.") % {"seen": given[:40]}
        )
    return FLAGS[given]


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


def _once(call: Call, work: Callable[[], msgspec.Struct]) -> Any:
    """Do the work, or give the first answer again to a request that repeats its Idempotency-Key."""
    if META_NAME not in call.request.META:
        return work()
    return once(call, call.body, lambda: HttpResponse(msgspec.json.encode(work()), JSON))
