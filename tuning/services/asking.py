"""Reading what somebody asks of a study: each refusal names the field, the value and the rule."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput
from tuning.engine import searching
from tuning.engine.contract import Guard, Target, preset
from tuning.engine.problems import TuningError
from tuning.engine.searching import FACTORS, Budget, Goal
from tuning.services import targets

SAMPLERS = ("tpe", "random", "grid", "nsga2")
PRUNERS = ("none", "median")
LEAST_SECONDS, MOST_SECONDS = 10.0, 7 * 86_400.0
#: A budget that does not hold the options in use twice and as many others is none; ours.
FEWEST_TRIALS = 4
_OBJECTIVE = ("weights", "metrics", "guards", "mode")
_BUDGET = ("seconds", "trial_seconds", "trials", "pairs", "sampler", "pruner")


def problem(field: str, code: str, message: str) -> InvalidInput:
    """Return the refusal of one field."""
    return InvalidInput(message, code=code, problems=[FieldProblem(field, code, message)])


def before(until: datetime, span: timedelta) -> datetime:
    """Return the time a span before another; the first there is where it would lie before that."""
    return until - min(span, until - datetime.min.replace(tzinfo=UTC))


def workload(target: Target, name: str) -> str:
    known = target.workloads()
    if not known:
        raise problem(
            "workload",
            "nothing_to_measure",
            _("%(target)s has nothing to be measured on yet: import data or documents first.")
            % {"target": target.name},
        )
    try:
        return preset(target, name or known[0].name).name
    except TuningError as exc:
        refusal = targets.refused(exc)
        raise problem("workload", exc.code, str(refusal)) from exc


def goal(target: Target, asked: Mapping[str, Any] | str | None) -> Goal:
    content = {"weights": {asked: 1}} if isinstance(asked, str) else _object("objective", asked)
    _known("objective", content, _OBJECTIVE)
    speaking = searching.speaking_for(target)
    weights = _weights(content.get("weights"), speaking, target.metrics()[0].factor)
    metrics = {factor: speaking[factor] for factor in weights}
    by_name = {metric.name: metric for metric in target.metrics()}
    for factor, wanted in _object("objective.metrics", content.get("metrics")).items():
        wanted = str(wanted)
        if factor not in weights or wanted not in by_name or by_name[wanted].factor != factor:
            allowed = ", ".join(name for name, one in by_name.items() if one.factor == factor)
            raise problem(
                "objective.metrics",
                "unknown_metric",
                _("“%(seen)s” does not speak for %(factor)s here: choose from %(allowed)s.")
                % {"seen": wanted, "factor": factor, "allowed": allowed or "-"},
            )
        metrics[factor] = by_name[wanted]
    guards = target.guards()
    if content.get("guards") is not None:
        guards = tuple(_guard(one, set(by_name)) for one in _list(content["guards"]))
    mode = content.get("mode", "weighted")
    _choice("objective.mode", mode, ("weighted", "pareto"))
    return Goal(weights, metrics, guards, mode == "pareto")


def _weights(asked: Any, speaking: Mapping[str, Any], usual: str) -> dict[str, float]:
    given = _object("objective.weights", asked) or {usual: 1.0}
    for factor, weight in given.items():
        _choice("objective.weights", factor, FACTORS)
        value = _number("objective.weights", weight, 0.0, 1e6)
        if value > 0 and factor not in speaking:
            raise problem(
                "objective.weights",
                "no_metric",
                _("This target measures nothing of %(factor)s: weigh %(known)s only.")
                % {"factor": factor, "known": ", ".join(speaking)},
            )
    total = sum(float(weight) for weight in given.values())
    if total <= 0:
        raise problem(
            "objective.weights", "no_weight", _("All weights are 0: give one factor some weight.")
        )
    return {
        factor: float(given[factor]) / total for factor in FACTORS if float(given.get(factor, 0))
    }


def _guard(content: Any, known: set[str]) -> Guard:
    if not isinstance(content, Mapping):
        raise problem(
            "objective.guards",
            "wrong_shape",
            _("A guard is an object with metric, bound, direction and relative."),
        )
    _known("objective.guards", content, ("metric", "bound", "direction", "relative"))
    metric = content.get("metric")
    _choice("objective.guards", metric, sorted(known))
    direction = content.get("direction", "at_most")
    _choice("objective.guards", direction, ("at_most", "at_least"))
    bound = _number("objective.guards", content.get("bound"), -1e18, 1e18)
    is_relative = content.get("relative", False)
    _choice("objective.guards", is_relative, (True, False))
    return Guard(str(metric), bound, direction, bool(is_relative))


def budget(asked: Mapping[str, Any] | str | float | None) -> dict[str, Any]:
    usual = "10m" if asked is None else asked
    content = dict(asked) if isinstance(asked, Mapping) else {"seconds": usual}
    _known("budget", content, _BUDGET)
    seconds = content.get("seconds", "10m")
    if isinstance(seconds, str):
        found = searching.seconds_of(seconds)
        if found is None:
            raise problem(
                "budget",
                "no_duration",
                _("“%(seen)s” is no duration: write seconds, or such as 90s, 10m, 2h.")
                % {"seen": seconds[:40]},
            )
        seconds = found
    plan: Budget = searching.planned(
        _number("budget.seconds", seconds, LEAST_SECONDS, MOST_SECONDS),
        trial_seconds=_maybe("budget.trial_seconds", content.get("trial_seconds"), 1.0, 3600.0),
        n_trials=_whole("budget.trials", content.get("trials"), 1, 10_000),
        n_pairs=_whole("budget.pairs", content.get("pairs"), 4, 1_000),
    )
    if plan.trial_seconds > plan.seconds / FEWEST_TRIALS:
        raise problem(
            "budget.trial_seconds",
            "budget_too_short",
            _("%(n)d trials of %(each)g s do not fit into %(whole)g s: give a longer budget.")
            % {"n": FEWEST_TRIALS, "each": plan.trial_seconds, "whole": plan.seconds},
        )
    sampler, pruner = content.get("sampler", "tpe"), content.get("pruner", "none")
    _choice("budget.sampler", sampler, SAMPLERS)
    _choice("budget.pruner", pruner, PRUNERS)
    return plan.to_dict() | {"sampler": sampler, "pruner": pruner}


def space(asked: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    content = _object("space", asked)
    for name, bounds in content.items():
        if not isinstance(bounds, Mapping):
            raise problem(
                f"space.{name}"[:80],
                "wrong_shape",
                _("“%(name)s” must be an object: {} for all of it, or low, high, choices.")
                % {"name": name[:40]},
            )
        _known(f"space.{name}"[:80], bounds, ("low", "high", "choices"))
        if not isinstance(bounds.get("choices", []), list):
            raise problem(f"space.{name}"[:80], "wrong_shape", _("“choices” must be a list."))
    return content


def _object(field: str, seen: Any) -> dict[str, Any]:
    if seen is None:
        return {}
    if not isinstance(seen, Mapping):
        raise problem(
            field,
            "wrong_shape",
            _("“%(field)s” is %(value)s: send an object.")
            % {"field": field, "value": str(seen)[:40]},
        )
    return dict(seen)


def _list(seen: Any) -> list[Any]:
    if not isinstance(seen, list):
        raise problem("objective.guards", "wrong_shape", _("“guards” must be a list."))
    return seen


def _known(field: str, content: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in content:
        if name not in names:
            raise problem(
                f"{field}.{name}"[:80],
                "unknown",
                _("There is no such field; known are: %s.") % ", ".join(names),
            )


def _choice(field: str, seen: Any, known: Any) -> None:
    if seen not in known:
        raise problem(
            field,
            "unknown_choice",
            _("“%(seen)s” is not known here: choose from %(known)s.")
            % {"seen": str(seen)[:60], "known": ", ".join(map(str, known))},
        )


def _number(field: str, seen: Any, low: float, high: float) -> float:
    is_number = isinstance(seen, int | float) and not isinstance(seen, bool)
    if not is_number or not math.isfinite(seen) or not low <= seen <= high:
        raise problem(
            field,
            "wrong_number",
            _("%(field)s is %(value)s: it must lie between %(low)s and %(high)s.")
            % {"field": field, "value": str(seen)[:40], "low": f"{low:g}", "high": f"{high:g}"},
        )
    return float(seen)


def _maybe(field: str, seen: Any, low: float, high: float) -> float | None:
    return None if seen is None else _number(field, seen, low, high)


def _whole(field: str, seen: Any, low: int, high: int) -> int | None:
    if seen is None:
        return None
    found = _number(field, seen, low, high)
    if found != int(found):
        raise problem(
            field,
            "not_whole",
            _("%(field)s is %(value)s: send a whole number.") % {"field": field, "value": found},
        )
    return int(found)
