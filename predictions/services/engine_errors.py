"""Turn what the engine says about an input into the product's own error, translated."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.core.errors import FieldProblem, InvalidInput
from predictions.engine.humble import BASELINES
from predictions.engine.problems import EngineError, Problem
from predictions.engine.routing.problems import RoutingProblem
from predictions.engine.routing.schema import FAMILY
from predictions.engine.splits import PROTOCOLS

#: Findings that name a protocol or a baseline.
NAMING = {"worse_in_use", "baseline_as_good"}
LABELS = {one.name: one.label for one in PROTOCOLS.values()} | {
    one.name: one.label for one in BASELINES
}


def field_problems(problems: Iterable[Problem]) -> list[FieldProblem]:
    """Return the engine's problems with translated sentences."""
    return [_translated(problem) for problem in problems]


def _translated(problem: Problem) -> FieldProblem:
    values = dict(problem.values)
    if problem.code in NAMING:
        values |= {name: _named(values[name]) for name in ("field", "protocol") if name in values}
    message = _(problem.template).format(**values)
    return FieldProblem(problem.field or "file", problem.code, message)


def _named(name: object) -> str:
    """Return what people call a protocol or a baseline."""
    known = LABELS.get(str(name))
    return _(known) if known else str(name)


def sentence(finding: Mapping[str, Any]) -> str:
    """Return a stored finding, as ``Problem.to_dict`` wrote it, in the reader's language."""
    kind = RoutingProblem if finding.get("family") == FAMILY else Problem
    problem = kind(
        str(finding.get("field", "")),
        str(finding["code"]),
        finding.get("row"),
        finding.get("params", {}),
    )
    try:
        return _translated(problem).message
    except (KeyError, ValueError):  # written by another release
        return str(finding.get("message", ""))


def invalid_input(error: EngineError, consequence: str) -> InvalidInput:
    """Return the error that names every problem the engine listed and what was not done.

    Parameters
    ----------
    error
        As the engine raised it.
    consequence
        A whole sentence, as in “Nothing was imported.”
    """
    listed = field_problems(error.problems)
    found = ngettext(
        "%(count)d problem was found.", "%(count)d problems were found.", error.n_problems
    ) % {"count": error.n_problems}
    first = listed[0].message if listed else str(error)
    return InvalidInput(
        f"{found} {consequence} {first}" if listed else first, code=error.code, problems=listed
    )
