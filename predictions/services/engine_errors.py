"""Turn what the engine says about an input into the product's own error, translated."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.core.errors import FieldProblem, InvalidInput
from predictions.engine.problems import EngineError, Problem
from predictions.engine.routing.problems import RoutingProblem
from predictions.engine.routing.schema import FAMILY


def field_problems(problems: Iterable[Problem]) -> list[FieldProblem]:
    """Return the engine's problems with translated sentences."""
    return [_translated(problem) for problem in problems]


def _translated(problem: Problem) -> FieldProblem:
    message = _(problem.template).format(**problem.values)
    return FieldProblem(problem.field or "file", problem.code, message)


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
