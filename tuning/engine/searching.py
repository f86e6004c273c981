"""What a study looks for and where: goal, space, budget, and the sampler that proposes."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tuning.engine.contract import Guard, Target
from tuning.engine.metrics import Factor, Metric
from tuning.engine.options import Option
from tuning.engine.problems import BadConfiguration

FACTORS: tuple[Factor, ...] = ("throughput", "latency", "accuracy", "scaling")
#: No single figure may move a score by more than a thousandfold.
_MOST = math.log(1000.0)
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Goal:
    """What is better: the weights of the four factors, and the metric that speaks for each.

    Attributes
    ----------
    weights : mapping
        By factor; they add up to 1.
    metrics : mapping
        By factor with a weight above 0.
    guards : tuple of Guard
    is_pareto : bool
        Whether the factors are searched side by side; the weights then choose from the front.
    """

    weights: Mapping[str, float]
    metrics: Mapping[str, Metric]
    guards: tuple[Guard, ...] = ()
    is_pareto: bool = False

    def gains(self, values: Mapping[str, float], current: Mapping[str, float]) -> dict[str, float]:
        """Return how much better each factor is than at present: signed logs of the ratio.

        A metric that one of both does not have, such as reads where nothing is read, says 0.
        """
        return {
            factor: metric.sign * _log_ratio(values[metric.name], current[metric.name])
            if metric.name in values and metric.name in current
            else 0.0
            for factor, metric in self.metrics.items()
        }

    def score(self, values: Mapping[str, float], current: Mapping[str, float]) -> float:
        """Return the weighted gain; 0 is as good as at present, log 2 twice as good."""
        found = self.gains(values, current)
        return sum(self.weights[factor] * gain for factor, gain in found.items())

    def excesses(self, values: Mapping[str, float], current: Mapping[str, float]) -> list[float]:
        """Return by how much each guard is broken; at most 0 where it is kept."""
        return [
            guard.excess(values[guard.metric], current.get(guard.metric))
            for guard in self.guards
            if guard.metric in values
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "weights": {factor: self.weights.get(factor, 0.0) for factor in FACTORS},
            "metrics": {factor: metric.name for factor, metric in self.metrics.items()},
            "guards": [asdict(guard) for guard in self.guards],
            "mode": "pareto" if self.is_pareto else "weighted",
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], target: Target) -> "Goal":
        """Return what :meth:`to_dict` gave."""
        known = {metric.name: metric for metric in target.metrics()}
        return cls(
            {factor: weight for factor, weight in content["weights"].items() if weight > 0},
            {factor: known[name] for factor, name in content["metrics"].items()},
            tuple(Guard(**guard) for guard in content["guards"]),
            content["mode"] == "pareto",
        )


def _log_ratio(value: float, current: float) -> float:
    floor = max(abs(current) * 1e-3, 1e-12)
    found = math.log(max(value, floor) / max(current, floor))
    return min(max(found, -_MOST), _MOST)


def speaking_for(target: Target) -> dict[str, Metric]:
    """Return the metric that speaks for each factor: the first that the target names."""
    found: dict[str, Metric] = {}
    for metric in target.metrics():
        found.setdefault(metric.factor, metric)
    return found


@dataclass(frozen=True)
class Budget:
    """How long a study may take.

    Attributes
    ----------
    seconds : float
        Of measuring, search and proof together.
    trial_seconds : float
        Of one trial.
    n_trials : int
        Most trials of the search.
    n_pairs : int
        Most pairs of the proof.
    """

    seconds: float
    trial_seconds: float
    n_trials: int
    n_pairs: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def seconds_of(text: str) -> float | None:
    """Return the seconds of a duration such as ``90s``, ``10m`` or ``2h``; None for none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", text.strip())
    return float(found[1]) * _UNITS[found[2]] if found else None


def planned(
    seconds: float,
    *,
    trial_seconds: float | None = None,
    n_trials: int | None = None,
    n_pairs: int | None = None,
) -> Budget:
    """Return the budget, with what was not asked for filled in.

    Two fifths of the time are for the proof: a gain that cannot be shown is worth nothing. A trial
    takes a fiftieth of it, between 2 s and a minute; draining comes on top.
    """
    each = trial_seconds or min(max(seconds / 50, 2.0), 60.0)
    trials = n_trials or max(8, int(0.6 * seconds / each))
    pairs = n_pairs or max(6, int(0.4 * seconds / (2 * each)))
    return Budget(float(seconds), float(each), trials, pairs)


def narrowed(
    options: Sequence[Option], wanted: Mapping[str, Mapping[str, Any]]
) -> tuple[Option, ...]:
    """Return the options a study may change.

    Parameters
    ----------
    wanted : mapping
        By name of option: ``{}`` for its whole range, or narrower ``low``, ``high``, ``choices``.
        Empty for all options.

    Raises
    ------
    BadConfiguration
        For an option or a bound that the target does not have.
    """
    known = {option.name: option for option in options}
    if not wanted:
        return tuple(options)
    for name in wanted:
        if name not in known:
            raise BadConfiguration(
                "unknown_option", target="space", option=name[:80], allowed=", ".join(known)
            )
    return tuple(_narrower(known[name], dict(bounds)) for name, bounds in wanted.items())


def _narrower(option: Option, bounds: dict[str, Any]) -> Option:
    for name in ("low", "high"):
        if bounds.get(name) is not None:
            option = _bounded(option, name, bounds[name])
    if option.low is not None and option.high is not None and option.low > option.high:
        raise BadConfiguration(
            "out_of_bounds",
            option=option.name,
            value=option.low,
            unit=option.unit,
            low="-",
            high=option.high,
        )
    chosen = bounds.get("choices")
    return option if chosen is None else _choosing(option, list(chosen))


def _bounded(option: Option, name: str, value: Any) -> Option:
    if option.kind not in {"integer", "real"}:
        raise BadConfiguration("no_bounds", option=option.name)
    limits = {"low": option.low, "high": option.high}
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise BadConfiguration("not_number", option=option.name, value=repr(value)[:80], **limits)
    low = -math.inf if option.low is None else option.low
    high = math.inf if option.high is None else option.high
    if not low <= value <= high:
        raise BadConfiguration(
            "out_of_bounds", option=option.name, value=value, unit=option.unit, **limits
        )
    if option.kind == "integer" and value != int(value):
        raise BadConfiguration("not_whole", option=option.name, value=value, **limits)
    return replace(option, **{name: value})


def _choosing(option: Option, chosen: list[Any]) -> Option:
    if not option.choices:
        raise BadConfiguration("no_choices", option=option.name)
    unknown = [value for value in chosen if value not in option.choices]
    if unknown or not chosen:
        raise BadConfiguration(
            "unknown_choice",
            option=option.name,
            value=repr(unknown[0] if unknown else chosen)[:80],
            allowed=", ".join(option.choices),
        )
    return replace(option, choices=tuple(dict.fromkeys(chosen)))
