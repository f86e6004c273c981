"""The form of a shot: what the champion takes, filled and checked."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem
from portal.core.formats import figure
from portal.registry.models import ModelVersion
from predictions.engine.features import BY_NAME
from predictions.engine.signature import Signature, SignatureFeature
from predictions.engine.validate import validate
from predictions.models import Prediction
from predictions.services import answering, serving
from predictions.services.answering import Answers
from predictions.services.engine_errors import field_problems

#: Digits of a recorded number that a form shows; float32 holds no more.
DIGITS = 7
PREFIX = "value-"

Typed = Mapping[str, str]


@dataclass(frozen=True)
class Slot:
    """One field of the form.

    Attributes
    ----------
    feature : SignatureFeature
    label : str
        In the reader's language.
    text : str
        What was typed, as it was typed.
    problems : list of str
    """

    feature: SignatureFeature
    label: str
    text: str
    problems: list[str]

    @property
    def name(self) -> str:
        """Of the input."""
        return f"{PREFIX}{self.feature.name}"

    @property
    def choices(self) -> list[str]:
        """The accepted values of a category."""
        return [figure_text(value) for value in self.feature.allowed or ()]

    @property
    def rule(self) -> str:
        """What is accepted, for people."""
        if self.choices:
            return _("one of %(values)s") % {"values": ", ".join(self.choices)}
        return _("%(low)s to %(high)s") % {
            "low": figure(self.feature.low),
            "high": figure(self.feature.high),
        }


@dataclass(frozen=True)
class Group:
    """Fields that stand together: what the machine reports, or what is measured around it."""

    name: str
    slots: list[Slot]

    @property
    def n_problems(self) -> int:
        """How many fields are wrong."""
        return sum(bool(slot.problems) for slot in self.slots)


def figure_text(value: float) -> str:
    """Return a number as somebody would type it."""
    return f"{value:.{DIGITS}g}"


def texts_of(features: Mapping[str, float | None]) -> dict[str, str]:
    """Return recorded numbers as text for the fields."""
    return {name: "" if value is None else figure_text(value) for name, value in features.items()}


def groups(signature: Signature, typed: Typed, problems: Iterable[FieldProblem]) -> list[Group]:
    """Return the form of a signature, filled, each problem at its field."""
    by_name: dict[str, list[str]] = {}
    for problem in problems:
        by_name.setdefault(problem.field, []).append(problem.message)
    made = [
        Slot(one, _label(one.name), typed.get(one.name, ""), by_name.get(one.name, []))
        for one in signature.features
    ]
    names = dict.fromkeys(slot.feature.group for slot in made)
    return [Group(name, [slot for slot in made if slot.feature.group == name]) for name in names]


def elsewhere(signature: Signature, problems: Sequence[FieldProblem]) -> list[str]:
    """Return what is wrong with no field of the form."""
    return [one.message for one in problems if one.field not in signature.names]


def instance_of(signature: Signature, typed: Typed) -> dict[str, object]:
    """Return what was typed as numbers; what is no number stays text for the check to name."""
    return {name: _number(typed.get(name, "")) for name in signature.names}


def check(signature: Signature, instance: Mapping[str, object]) -> list[FieldProblem]:
    """Return what is wrong with a shot, without refusing it on record."""
    return field_problems(validate([instance], signature).problems)


def ask(instance: Mapping[str, object], *, user_id: int, request_id: str) -> Answers:
    """Have the champion answer a shot and record it; see :func:`answering.answer`."""
    return answering.answer(
        serving.quality,
        [instance],
        principal=f"user:{user_id}",
        request_id=request_id,
        is_batch=False,
    )


def recent(limit: int) -> list[Prediction]:
    """Return the shots that were predicted last, to fill the form from."""
    rows = Prediction.objects.filter(version__model__name=serving.quality.model_name)
    return list(rows.select_related("version__model").order_by("-at", "-id")[:limit])


def signature_of(version: ModelVersion) -> Signature | None:
    """Return what a version takes, None for one that says nothing readable."""
    try:
        return Signature.from_dict(version.signature)
    except (KeyError, TypeError):
        return None


def _number(text: str) -> object:
    stripped = text.strip()
    if not stripped:
        return None
    try:
        number = float(stripped)
    except ValueError:
        return stripped
    return number if math.isfinite(number) else stripped


def _label(name: str) -> str:
    known = BY_NAME.get(name)
    if known is None:
        return name
    return known.label_ko if (get_language() or "").startswith("ko") else known.label_en
