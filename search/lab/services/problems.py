"""What the lab's engine refuses, as the portal says it."""

from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput
from search.lab.engine.problems import LabProblem


def said(problem: LabProblem) -> str:
    """Return the sentence of a problem in the reader's language."""
    return _(problem.template).format(**problem.params)


def invalid_input(problem: LabProblem, *, field: str = "") -> InvalidInput:
    """Return the portal's error for a problem; names the field that is wrong, if one is."""
    message = said(problem)
    field = str(problem.params.get("field", field))
    named = [FieldProblem(field, problem.code, message)] if field else []
    return InvalidInput(message, code=problem.code, problems=named)


def remade(name: str) -> str:
    """Return what is said of a damaged folder that campaigns share."""
    text = _("%(name)s differs from what its manifest says, so it is made again.")
    return text % {"name": name}
