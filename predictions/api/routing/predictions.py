"""Routings for new items, one or many, and the history of what was proposed."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.core.api import scope
from portal.core.api.fast import Call, fast_view
from portal.core.errors import NotFound
from predictions.api.once import is_recorded, once
from predictions.api.queries import wrong
from predictions.api.routing import shapes
from predictions.api.shapes import ONCE, RECORD
from predictions.models import RoutingPrediction
from predictions.services.answering import Caller
from predictions.services.routing import answering, serving
from predictions.services.routing.answering import Answers, Wanted

JSON = "application/json"
OPTIONS = ("top_k", "as_of")
LOOK = "predictions.view_routingprediction"


@fast_view(
    scope="predict",
    documented={
        "summary": "Propose a routing for an item",
        "description": "An item too unlike all known ones is not planned: “refused” says why, "
        "“routing” is empty, and the most similar items and the explanation stay.",
        "parameters": [RECORD, ONCE],
        "request": shapes.QuestionSerializer,
        "responses": shapes.ProposedSerializer,
    },
)
def propose(call: Call) -> Any:
    """Answer for one item."""
    body = _members(call.body, "item")

    def work(caller: Caller) -> HttpResponse:
        answers = _answer(call, caller, [body["item"]], body, is_batch=False)
        return _json(answers.answers[0] | _common(answers))

    return once(call, lambda: call.body, work)


@fast_view(
    scope="predict",
    documented={
        "summary": "Propose routings for up to 200 items at once",
        "parameters": [RECORD, ONCE],
        "request": shapes.QuestionsSerializer,
        "responses": shapes.ProposedBatchSerializer,
    },
)
def propose_batch(call: Call) -> Any:
    """Answer for up to 200 items."""
    body = _members(call.body, "items")
    items = body["items"]
    if not isinstance(items, list):
        raise wrong("items", _("“items” must be a list of objects, one for each item."))

    def work(caller: Caller) -> HttpResponse:
        answers = _answer(call, caller, items, body, is_batch=True)
        return _json({"predictions": answers.answers, **_common(answers)})

    return once(call, lambda: call.body, work)


def _answer(
    call: Call, caller: Caller, items: Sequence[Any], body: Mapping[str, Any], *, is_batch: bool
) -> Answers:
    return answering.answer(
        serving.routing,
        items,
        _wanted(body),
        caller,
        is_recorded=is_recorded(call),
        is_batch=is_batch,
    )


def _common(answers: Answers) -> dict[str, Any]:
    return {
        "model_version": answers.model_version,
        "processing_time_ms": answers.processing_time_ms,
    }


def _members(body: Any, name: str) -> dict[str, Any]:
    """Return a body that has the member `name` and perhaps options."""
    if not isinstance(body, dict):
        message = _("The body must be an object with the member “%(name)s”.")
        raise wrong("", message % {"name": name})
    if name not in body:
        raise wrong(name, _("“%(name)s” is missing.") % {"name": name})
    for seen in body:
        if seen not in (name, *OPTIONS):
            message = _("“%(seen)s” is not known here; known are %(known)s.")
            words = {"seen": seen[:60], "known": ", ".join((name, *OPTIONS))}
            raise wrong(seen[:60], message % words)
    return body


def _wanted(body: Mapping[str, Any]) -> Wanted:
    top_k, as_of = body.get("top_k", Wanted.top_k), body.get("as_of")
    if isinstance(top_k, bool) or not isinstance(top_k, int):
        message = _("“top_k” is “%(seen)s”: give a whole number.")
        raise wrong("top_k", message % {"seen": str(top_k)[:40]})
    return Wanted(top_k, None if as_of is None else _day(as_of))


def _day(given: Any) -> date:
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError) as exc:
        message = _("“as_of” is “%(seen)s”: give a day as 2026-01-31.")
        raise wrong("as_of", message % {"seen": str(given)[:40]}) from exc


def _json(content: dict[str, Any]) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(content), JSON)


# --- History --------------------------------------------------------------------------------------
class RoutingPredictionFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    model = filters.CharFilter("version__model__name")
    model_version = filters.NumberFilter("version__number")
    since = filters.IsoDateTimeFilter("at", "gte")
    until = filters.IsoDateTimeFilter("at", "lt")
    item_code = filters.CharFilter()
    confidence = filters.ChoiceFilter(choices=RoutingPrediction.Confidence.choices)
    principal = filters.CharFilter()
    request_id = filters.CharFilter()

    class Meta:
        model = RoutingPrediction
        fields: tuple[str, ...] = ()


class RoutingPredictionList(generics.ListAPIView[RoutingPrediction]):
    """Every recorded proposal, the latest first, refused items too."""

    queryset = RoutingPrediction.objects.select_related("version__model").defer("item", "answer")
    serializer_class = shapes.RoutingPredictionSerializer
    filterset_class = RoutingPredictionFilter
    permission_classes = [scope("read", LOOK)]
    ordering_fields = ("at",)
    ordering = "-at"


class RoutingPredictionDetail(APIView):
    """One proposal as it was given, with what became of it."""

    permission_classes = [scope("read", LOOK)]

    @extend_schema(
        summary="Look at one proposed routing", responses=shapes.RoutingPredictionDetailSerializer
    )
    def get(self, request: Request, pk: UUID) -> Response:
        rows = RoutingPrediction.objects.select_related("version__model")
        found = rows.prefetch_related("outcomes__prediction__version").filter(pk=pk).first()
        if found is None:
            raise NotFound(_("There is no proposed routing %(id)s.") % {"id": pk})
        return Response(shapes.RoutingPredictionDetailSerializer(found).data)
