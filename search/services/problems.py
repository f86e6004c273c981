"""Turn what the engine says into the product's own errors, translated."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from portal.core.errors import Corrupt, FieldProblem, InvalidInput, PortalError, Unavailable
from search.engine.problems import (
    TEMPLATES,
    EmbedderProblem,
    EngineError,
    IndexDamaged,
    MachineShort,
    MemoryShort,
)


def sentence(error: EngineError) -> str:
    """Return what an engine error says, in the reader's language."""
    return _(error.template).format(**error.params)


def stored_sentence(finding: Mapping[str, Any]) -> str:
    """Return a finding that was kept as ``code`` and ``params``, in the reader's language."""
    template = TEMPLATES.get(str(finding.get("code")))
    if template is None:  # written by another release, or no problem of the engine
        return str(finding.get("message", ""))
    try:
        return _(template).format(**finding.get("params", {}))
    except (KeyError, ValueError):
        return str(finding.get("message", ""))


def finding(error: EngineError) -> dict[str, Any]:
    """Return an engine error as JSON from which :func:`stored_sentence` makes its sentence."""
    params = {
        name: value if isinstance(value, int | float | str) else str(value)
        for name, value in error.params.items()
    }
    return {"code": error.code, "params": params, "message": str(error)}


def invalid_input(error: EngineError, *, field: str = "") -> InvalidInput:
    """Return the error that asks the caller for another input.

    Parameters
    ----------
    field
        What the input is called by the caller, when the engine's own name would mean nothing.
    """
    message = sentence(error)
    named = field or error.field
    problems = [FieldProblem(named, error.code, message)] if named else []
    return InvalidInput(message, code=error.code, problems=problems)


def translated(error: EngineError) -> PortalError:
    """Return the product's error for whatever the engine raised."""
    if isinstance(error, IndexDamaged):
        return Corrupt(sentence(error), code=error.code)
    is_passing = isinstance(error, EmbedderProblem) and error.retryable
    if is_passing or isinstance(error, MemoryShort | MachineShort):
        return Unavailable(sentence(error), code=error.code)
    return invalid_input(error)
