"""The assistant: a question in general or about a prediction, answered with cited passages."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from portal.console.services import assistant as service
from portal.core.api.examples import example
from portal.core.api.fast import Call, fast_view
from portal.core.errors import Refused
from portal.core.keys import Principal
from portal.core.scopes import check
from search.api import bodies
from search.api.search import LONGEST_QUESTION, LOOK
from search.api.shapes import ANSWER_KINDS, SourceSerializer
from search.services import quotas

MEMBERS = ("question", "prediction_id", "collection")
VIEW = "predictions.view_prediction"


@example({"question": "이 샷은 왜 불량입니까?", "collection": "die-casting"})
@extend_schema_serializer(component_name="AssistantQuestion")
class QuestionSerializer(serializers.Serializer[Any]):
    question = serializers.CharField(max_length=LONGEST_QUESTION)
    prediction_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="A prediction that the question is about."
    )
    collection = serializers.SlugField(
        required=False, help_text="Where to look; the shipped knowledge base by default."
    )


class AssistantStepSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(("predict", "explain", "retrieve", "answer"))
    status = serializers.ChoiceField(("done", "failed"))
    detail = serializers.CharField(help_text="What was done or found, in a sentence.")
    took_ms = serializers.FloatField()
    facts = serializers.DictField(help_text="What the step found, for programs.")


@extend_schema_serializer(component_name="AssistantAnswer")
class AnswerSerializer(serializers.Serializer[Any]):
    answer = serializers.CharField(
        allow_null=True, help_text="With the numbers of its sources; null when nothing answers."
    )
    kind = serializers.ChoiceField(ANSWER_KINDS)
    reason = serializers.CharField(help_text="Why the passages do not answer.")
    support = serializers.FloatField()
    sources = SourceSerializer(many=True)
    steps = AssistantStepSerializer(many=True)
    took_ms = serializers.FloatField()


@fast_view(
    scope="search",
    permission=LOOK,
    documented={
        "summary": "Ask the assistant",
        "description": "About a prediction it tells what was predicted and which values made it "
        "so, then what the documents say. A key needs the scope `search`, and for a prediction "
        "`read` or `predict` as well.",
        "request": QuestionSerializer,
        "responses": AnswerSerializer,
    },
)
def assistant(call: Call) -> Any:
    """Answer a question with cited passages and the steps taken."""
    given = bodies.members(call.body, MEMBERS)
    question = bodies.text(given, "question", "", LONGEST_QUESTION)
    if not question.strip():
        raise bodies.empty("question")
    collection = bodies.text(
        given, "collection", "", bodies.LONGEST_NAME, default=service.KNOWLEDGE
    )
    prediction_id = _identifier(given.get("prediction_id"))
    if prediction_id is not None:
        _check_may_look(call.principal)
    quotas.spend(call.principal.name)
    return service.reply(question, prediction_id=prediction_id, collection=collection)


def _identifier(value: Any) -> UUID | None:
    if value is None:
        return None
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError) as exc:
        message = _("“prediction_id” is %(seen)s: send the identifier of a prediction.")
        raise bodies.wrong("prediction_id", message % {"seen": bodies.shown(value)}) from exc


def _check_may_look(principal: Principal) -> None:
    """Let keys see a prediction that read, and those that predict."""
    try:
        check(principal, "read", VIEW)
    except Refused:
        check(principal, "predict", VIEW)
