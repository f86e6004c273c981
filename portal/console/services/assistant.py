"""One question, several parts of the portal: what was predicted, why, and what documents say.

Each step is told with what it found. A step that cannot be done is told as well, and the others go
on without it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from portal.core.errors import PortalError
from predictions.engine.features import BY_NAME
from predictions.models import Explanation, Prediction
from predictions.services import lookup
from search.services import answers, knowledge, replies, searching
from search.services.answers import REFUSED, Answer

#: The collection that is shipped.
KNOWLEDGE = knowledge.NAME
#: Values of a shot that documents are looked up for; ours.
N_CAUSES = 3
PREDICT, EXPLAIN, RETRIEVE, ANSWER = "predict", "explain", "retrieve", "answer"


@dataclass
class Step:
    """Something the assistant did."""

    name: str
    status: str = "done"
    detail: str = ""
    took_ms: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Reply:
    """What a question got.

    Attributes
    ----------
    answer
        Sentences, those of documents with the number of their source; None when there are none.
    kind, reason, support
        As of :class:`search.services.answers.Answer`.
    sources
        Passages; citations count them from 1.
    """

    answer: str | None
    kind: str
    reason: str
    support: float
    sources: list[dict[str, Any]]
    steps: list[Step]
    took_ms: float


def reply(
    question: str, *, prediction_id: UUID | None = None, collection: str = KNOWLEDGE
) -> Reply:
    """Answer a question in general or about a prediction.

    Parameters
    ----------
    question
        As it was asked.
    prediction_id
        A recorded prediction of the quality model.
    collection
        Where to look for passages.

    Raises
    ------
    NotFound
        When there is no such prediction or collection.
    InvalidInput, Unavailable, Overloaded
        As a search.
    """
    started = time.perf_counter()
    steps: list[Step] = []
    facts: list[str] = []
    causes: list[str] = []
    if prediction_id is not None:
        prediction = _predicted(prediction_id, steps, facts)
        causes = _explained(prediction, steps, facts)
    found = _retrieved(question, causes, collection, steps, facts)
    with _step(steps, ANSWER) as step:
        said = found.text
        step.facts = {"kind": found.kind, "support": found.support}
        n_sentences = len(found.sentences)
        step.detail = found.reason or ngettext(
            "%(count)d sentence is supported by the passages found.",
            "%(count)d sentences are supported by the passages found.",
            n_sentences,
        ) % {"count": n_sentences}
    parts = [*facts, *([said] if said else [])]
    return Reply(
        answer=" ".join(parts) or None,
        kind=found.kind,
        reason=found.reason,
        support=found.support,
        sources=replies.sources(found),
        steps=steps,
        took_ms=round((time.perf_counter() - started) * 1000, 3),
    )


@contextmanager
def _step(steps: list[Step], name: str) -> Iterator[Step]:
    step = Step(name)
    steps.append(step)
    started = time.perf_counter()
    try:
        yield step
    finally:
        step.took_ms = round((time.perf_counter() - started) * 1000, 3)


def _predicted(prediction_id: UUID, steps: list[Step], facts: list[str]) -> Prediction:
    with _step(steps, PREDICT) as step:
        prediction = lookup.find(prediction_id)
        step.detail = _(
            "Version %(version)d of the model predicted “%(label)s” with a defect probability of "
            "%(share)s."
        ) % {
            "version": prediction.version.number,
            "label": prediction.get_predicted_class_display(),
            "share": f"{prediction.probability:.1%}",
        }
        step.facts = {
            "prediction_id": str(prediction.pk),
            "class": prediction.predicted_class,
            "probability": prediction.probability,
            "confidence": prediction.confidence,
            "model_version": prediction.version.number,
        }
        facts.append(step.detail)
    return prediction


def _explained(prediction: Prediction, steps: list[Step], facts: list[str]) -> list[str]:
    """Tell which values spoke most for a defect, and return their features."""
    with _step(steps, EXPLAIN) as step:
        try:
            explanation = _explanation(prediction)
        except PortalError as exc:
            step.status, step.detail = "failed", str(exc)
            return []
        raising = [(name, value) for name, value in explanation.ranked if value > 0][:N_CAUSES]
        step.facts = {"base_value": explanation.base_value, "top_features": dict(raising)}
        if not raising:
            step.detail = _("No value of this shot spoke for a defect.")
        else:
            values = ", ".join(_value(prediction, name) for name, _share in raising)
            step.detail = _("These values spoke most for a defect: %(values)s.") % {
                "values": values
            }
        facts.append(step.detail)
    return [name for name, _share in raising]


def _explanation(prediction: Prediction) -> Explanation:
    from predictions.services import explanations  # noqa: PLC0415 - it loads the explainer

    return explanations.of_prediction(prediction)


def _value(prediction: Prediction, name: str) -> str:
    known = BY_NAME.get(name)
    value = prediction.features.get(name)
    shown = _("missing") if value is None else f"{value:.6g} {known.unit if known else ''}".rstrip()
    return f"{_label(name)} = {shown}"


def _label(name: str) -> str:
    known = BY_NAME.get(name)
    if known is None:
        return name
    is_korean = (get_language() or "").startswith("ko")
    return f"{known.label_ko if is_korean else known.label_en} ({name})"


def _retrieved(
    question: str, causes: list[str], collection: str, steps: list[Step], facts: list[str]
) -> Answer:
    """Ask the documents: the question itself, else about what spoke most for a defect."""
    asks: list[tuple[str, Callable[[], Answer]]] = [
        (question, partial(answers.answer, collection, question)),
        *((_label(name), partial(_about, name, collection)) for name in causes),
    ]
    refused: list[Answer] = []
    for asked, ask in asks:
        with _step(steps, RETRIEVE) as step:
            found = ask()
            step.facts = {
                "query": asked,
                "documents": [hit.passage.document_id for hit in found.sources],
                "support": found.support,
            }
            step.detail = _("Looked for “%(query)s” in “%(collection)s”: %(count)d passages.") % {
                "query": asked[:200],
                "collection": collection,
                "count": len(found.sources),
            }
        if found.kind != REFUSED:
            if refused:  # another question was answered than the one asked
                facts.append(
                    _("The documents do not answer the question itself; they say about %(about)s:")
                    % {"about": asked}
                )
            return found
        refused.append(found)
    return refused[0]


def _about(name: str, collection: str) -> Answer:
    """Return what the document about a feature says, if the collection has one."""
    known = BY_NAME.get(name)
    question = f"{known.label_ko} {known.label_en} {name}" if known else name
    fields = searching.held(collection).index.fields
    filters = {"tags": name} if "tags" in fields else None
    return answers.answer(collection, question, filters=filters)
