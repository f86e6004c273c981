"""Parameters of engines as somebody writes them: ``hnswlib.m=32 hnswlib.ef_construction=400``."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput
from search.lab.engine.matrix import GRAPHS, Matrix
from search.lab.engine.problems import EngineProblem
from search.lab.services import problems

FIELD = "parameters"
Given = dict[str, dict[str, int | float | str]]


def read(words: Iterable[str]) -> Given:
    """Return the parameters of each engine.

    Parameters
    ----------
    words : iterable of str
        Each ``ENGINE.NAME=VALUE``.

    Raises
    ------
    InvalidInput
        If a word is written otherwise.
    """
    found: Given = {}
    for word in words:
        name, is_set, value = word.partition("=")
        engine, dot, parameter = name.strip().partition(".")
        if not (is_set and dot and engine and parameter and value.strip()):
            raise _wrong(
                "wrong_form",
                _("The parameter “%(word)s” is written as ENGINE.NAME=VALUE, as in hnswlib.m=32.")
                % {"word": word[:80]},
            )
        found.setdefault(engine, {})[parameter] = _value(value.strip())
    return found


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def check(plan: Matrix) -> None:
    """Refuse parameters that would be passed over, or with which every cell would fail.

    Raises
    ------
    InvalidInput
        If an engine is not measured, knows no such parameter or not that value, or a breadth is
        given beside the recall that chooses it.
    """
    for engine, given in plan.parameters.items():
        if engine not in plan.engines:
            raise _wrong(
                "unused",
                _("%(engine)s has parameters and is not measured: add it to the engines, or leave "
                  "its parameters out.") % {"engine": engine},
            )  # fmt: skip
        _check_known(engine, given)
        if plan.recall is not None and engine in GRAPHS and "ef_search" in given:
            raise _wrong(
                "one_of",
                _("ef_search of %(engine)s is given together with a recall, which chooses it: "
                  "leave one of them out.") % {"engine": engine},
            )  # fmt: skip


def _check_known(engine: str, given: object) -> None:
    from search.lab.engine.contract import chosen  # noqa: PLC0415 - as below
    from search.lab.engine.engines import registry  # noqa: PLC0415 - the web process loads engines
    # only for a campaign that names parameters

    if not isinstance(given, dict):
        raise _wrong(
            "wrong_form",
            _("The parameters of %(engine)s are no names with values.") % {"engine": engine},
        )
    try:
        chosen(registry.engine(engine), given)
    except EngineProblem as exc:
        raise _wrong(exc.code, f"{engine}: {problems.said(exc)}") from exc


def _wrong(code: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[FieldProblem(FIELD, code, message)])
