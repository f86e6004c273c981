"""Two versions on the same rows: per metric both values, their difference and its interval."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from portal.registry.engine.bootstrap import block_length, blocks, interval, paired_differences
from portal.registry.engine.metrics import Floats, Metric, Sampled
from portal.registry.engine.policy import Policy
from portal.registry.engine.scored import Answers

D = TypeVar("D")

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"


@dataclass(frozen=True)
class Comparison:
    """One metric of both versions and the interval of their difference.

    Attributes
    ----------
    name, label, unit, higher_is_better
        The metric.
    role
        ``primary`` or ``guard``.
    candidate, champion
        Values on all rows.
    gain, low, high
        The difference and its interval, positive when the candidate is better.
    level
        Confidence of the interval.
    verdict
        ``better`` or ``worse`` when the whole interval says so, else ``undecided``.
    """

    name: str
    label: str
    unit: str
    higher_is_better: bool
    role: str
    candidate: float
    champion: float
    gain: float
    low: float
    high: float
    level: float
    verdict: str


@dataclass(frozen=True)
class SliceComparison:
    """The primary metric on one part of the rows.

    Attributes
    ----------
    column, value
        Which part, such as ``Mold`` and ``P1-A``.
    n_groups, n_positives
        Distinct rows of the part, and those that are positive; None where rows have no class.
    candidate, champion, gain, low, high, level, verdict
        As in :class:`Comparison`.
    """

    column: str
    value: str
    n_groups: int
    n_positives: int | None
    candidate: float
    champion: float
    gain: float
    low: float
    high: float
    level: float
    verdict: str


def distinct(answers: Answers[D], rows: NDArray[np.bool_] | None = None) -> int:
    """Return how many distinct rows there are, among some if asked."""
    ids = answers.group_ids if rows is None else answers.group_ids[rows]
    return len(np.unique(ids))


def by_class(answers: Answers[D]) -> dict[str, int]:
    """Return how many distinct rows each class has."""
    return {name: distinct(answers, rows) for name, rows in answers.classes().items()}


def block_ids(answers: Answers[D], policy: Policy) -> NDArray[np.intp]:
    """Return the block of each row under a policy."""
    return blocks(answers.group_ids, policy.block_rows or block_length(distinct(answers)))


def compare(
    candidate: Answers[D], champion: Answers[D], policy: Policy, rng: np.random.Generator
) -> tuple[Comparison, ...]:
    """Compare two versions by the primary metric and the guards, in this order."""
    one, other = candidate.sample(), champion.sample()
    metrics = [candidate.metrics[name] for name in (policy.primary, *policy.guards)]
    differences = paired_differences(
        one,
        other,
        metrics,
        block_ids(candidate, policy),
        n_resamples=policy.n_resamples,
        rng=rng,
    )
    return tuple(_line(metric, one, other, differences[metric.name], policy) for metric in metrics)


def compare_slices(
    candidate: Answers[D], champion: Answers[D], policy: Policy, rng: np.random.Generator
) -> tuple[SliceComparison, ...]:
    """Compare two versions by the primary metric on every part that is large enough."""
    parts = list(_parts(candidate, policy))
    level = policy.shared_level(len(parts))
    metric = candidate.metrics[policy.primary]
    return tuple(
        _slice(column, value, candidate.at(rows), champion.at(rows), metric, policy, level, rng)
        for column, value, rows in parts
    )


def _parts(answers: Answers[D], policy: Policy) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    for column, values in sorted(answers.slices.items()):
        names = np.unique(values)
        for value in names[names != ""] if len(names) > 1 else ():
            rows: NDArray[np.bool_] = values == value
            part = answers.at(rows)
            rarer = min(by_class(part).values(), default=policy.min_slice_positives)
            if distinct(part) >= policy.min_slice_groups and rarer >= policy.min_slice_positives:
                yield column, str(value), rows


def _slice(
    column: str,
    value: str,
    candidate: Answers[D],
    champion: Answers[D],
    metric: Metric[D],
    policy: Policy,
    level: float,
    rng: np.random.Generator,
) -> SliceComparison:
    one, other = candidate.sample(), champion.sample()
    differences = paired_differences(
        one,
        other,
        [metric],
        block_ids(candidate, policy),
        n_resamples=policy.n_resamples,
        rng=rng,
    )[metric.name]
    low, high, gain = _interval(metric, one, other, differences, level)
    return SliceComparison(
        column=column,
        value=value,
        n_groups=distinct(candidate),
        n_positives=by_class(candidate).get("positives"),
        candidate=metric.value(one),
        champion=metric.value(other),
        gain=gain,
        low=low,
        high=high,
        level=level,
        verdict=_verdict(low, high),
    )


def _line(
    metric: Metric[D], one: Sampled[D], other: Sampled[D], differences: Floats, policy: Policy
) -> Comparison:
    role = "primary" if metric.name == policy.primary else "guard"
    level = policy.level if role == "primary" else policy.guard_level
    low, high, gain = _interval(metric, one, other, differences, level)
    return Comparison(
        name=metric.name,
        label=metric.label,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        role=role,
        candidate=metric.value(one),
        champion=metric.value(other),
        gain=gain,
        low=low,
        high=high,
        level=level,
        verdict=_verdict(low, high),
    )


def _interval(
    metric: Metric[D], one: Sampled[D], other: Sampled[D], differences: Floats, level: float
) -> Sequence[float]:
    low, high = interval(metric.sign * differences, level)
    return low, high, metric.sign * (metric.value(one) - metric.value(other))


def _verdict(low: float, high: float) -> str:
    return BETTER if low > 0 else WORSE if high < 0 else UNDECIDED
