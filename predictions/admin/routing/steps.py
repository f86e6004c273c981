"""A routing as a table that can be edited: each step with what was proposed and who has it too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from portal.core.errors import PortalError
from predictions.models import RoutingPrediction
from predictions.services.routing.feedback import MOST_STEPS

#: What can be edited of a step, as the form names it and the service takes it.
FIELDS = ("operation", "work_center", "setup_minutes", "run_minutes")
_NUMBERS = ("setup_minutes", "run_minutes")
#: Lines to begin with where nothing was proposed.
_BLANK = 3


@dataclass(frozen=True)
class Alike:
    """A similar item that has a step, with how it is done there."""

    item_code: str
    item_name: str
    similarity: float
    step: Mapping[str, Any]


@dataclass
class Line:
    """One line of the table.

    Attributes
    ----------
    origin
        Position of the step as proposed; None for one that somebody added.
    values
        What stands in the fields, as text.
    proposed
        The step as proposed.
    alike
        Similar items that have the step, the most similar first.
    errors
        What is wrong, by field; under "" what is wrong with the step.
    """

    origin: int | None = None
    values: dict[str, str] = field(default_factory=dict)
    proposed: Mapping[str, Any] | None = None
    alike: Sequence[Alike] = ()
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was filled in."""
        return not any(self.values.values())

    @property
    def step(self) -> dict[str, Any]:
        """The step as the service takes it, which says what is wrong with a value."""
        return {
            name: _number(value) if name in _NUMBERS else value
            for name, value in self.values.items()
        }


def proposed_lines(answer: Mapping[str, Any]) -> list[Line]:
    """Return the lines of a proposal as it was made; some blank ones where nothing was."""
    routing = answer["routing"]
    if not routing:
        return [Line() for _number in range(_BLANK)]
    return [
        _line(answer, place, {name: str(step[name]) for name in FIELDS})
        for place, step in enumerate(routing)
    ]


def borrowed_lines(answer: Mapping[str, Any], item_code: str) -> list[Line]:
    """Return the lines of a similar item's routing; those of the proposal if there is none."""
    for one in answer["candidates"]:
        if one["item_code"] == item_code:
            steps = one["routing"]
            return [Line(values={name: str(step[name]) for name in FIELDS}) for step in steps]
    return proposed_lines(answer)


def posted_lines(answer: Mapping[str, Any], posted: QueryDict) -> list[Line]:
    """Return the lines that a person sent, in their order, blank ones left out."""
    columns = [posted.getlist(name)[: MOST_STEPS + 1] for name in ("origin", *FIELDS)]
    lines = [
        _line(answer, _place(origin, answer), dict(zip(FIELDS, map(str.strip, cells), strict=True)))
        for origin, *cells in zip(*columns, strict=False)
    ]
    return [line for line in lines if not line.is_blank]


def is_as_proposed(lines: Sequence[Line], proposal: RoutingPrediction) -> bool:
    """Whether a person left a proposal as it was."""
    proposed = [{name: step[name] for name in FIELDS} for step in proposal.answer["routing"]]
    return bool(proposed) and [line.step for line in lines] == proposed


def place_errors(lines: Sequence[Line], error: PortalError) -> list[str]:
    """Put each problem at the field it is about; return those that are about none."""
    elsewhere = []
    for problem in error.problems:
        place, _dot, name = problem.field.removeprefix("routing[").partition("]")
        line = lines[int(place)] if place.isdigit() and int(place) < len(lines) else None
        if line is None:
            elsewhere.append(problem.message)
        else:
            line.errors[name.removeprefix(".")] = problem.message
    return elsewhere if error.problems else [str(error)]


def known_names(answer: Mapping[str, Any], name: str) -> list[str]:
    """Return the operations or work centres that occur in a proposal or its similar items."""
    routings = [answer["routing"], *(one["routing"] for one in answer["candidates"])]
    return sorted({str(step[name]) for routing in routings for step in routing})


def _line(answer: Mapping[str, Any], place: int | None, values: dict[str, str]) -> Line:
    if place is None:
        return Line(values=values)
    routing = answer["routing"]
    operation = routing[place]["operation"]
    # An operation may occur twice: the second is compared with the second.
    nth = sum(step["operation"] == operation for step in routing[:place])
    return Line(place, values, routing[place], _alike(answer["candidates"], operation, nth))


def _alike(candidates: Iterable[Mapping[str, Any]], operation: str, nth: int) -> list[Alike]:
    found = []
    for one in candidates:
        steps = [step for step in one["routing"] if step["operation"] == operation]
        if len(steps) > nth:
            found.append(Alike(one["item_code"], one["item_name"], one["similarity"], steps[nth]))
    return found


def _place(origin: str, answer: Mapping[str, Any]) -> int | None:
    is_place = origin.isascii() and origin.isdigit() and len(origin) < 4
    return int(origin) if is_place and int(origin) < len(answer["routing"]) else None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
