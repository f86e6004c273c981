"""Two versions on the same rows: per metric both values, their difference and its interval."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.registry.engine.bootstrap import block_length, blocks, interval, paired_differences
from portal.registry.engine.metrics import METRICS, Floats, Metric, Sample
from portal.registry.engine.policy import Policy
from portal.registry.engine.scored import Scored

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
        Distinct rows of the part, and those that are positive.
    candidate, champion, gain, low, high, level, verdict
        As in :class:`Comparison`.
    """

    column: str
    value: str
    n_groups: int
    n_positives: int
    candidate: float
    champion: float
    gain: float
    low: float
    high: float
    level: float
    verdict: str


def distinct(scored: Scored, label: int | None = None) -> int:
    """Return how many distinct rows there are, of one class if asked."""
    ids = scored.group_ids if label is None else scored.group_ids[scored.y_true == label]
    return len(np.unique(ids))


def block_ids(scored: Scored, policy: Policy) -> NDArray[np.intp]:
    """Return the block of each row under a policy."""
    return blocks(scored.group_ids, policy.block_rows or block_length(distinct(scored)))


def compare(
    candidate: Scored, champion: Scored, policy: Policy, rng: np.random.Generator
) -> tuple[Comparison, ...]:
    """Compare two versions by the primary metric and the guards, in this order."""
    one, other = _sample(candidate), _sample(champion)
    metrics = [METRICS[name] for name in (policy.primary, *policy.guards)]
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
    candidate: Scored, champion: Scored, policy: Policy, rng: np.random.Generator
) -> tuple[SliceComparison, ...]:
    """Compare two versions by the primary metric on every part that is large enough."""
    parts = list(_parts(candidate, policy))
    level = policy.shared_level(len(parts))
    metric = METRICS[policy.primary]
    return tuple(
        _slice(column, value, candidate.at(rows), champion.at(rows), metric, policy, level, rng)
        for column, value, rows in parts
    )


def _parts(scored: Scored, policy: Policy) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    for column, values in sorted(scored.slices.items()):
        names = np.unique(values)
        for value in names[names != ""] if len(names) > 1 else ():
            rows: NDArray[np.bool_] = values == value
            part = scored.at(rows)
            rarer = min(distinct(part, 0), distinct(part, 1))
            if distinct(part) >= policy.min_slice_groups and rarer >= policy.min_slice_positives:
                yield column, str(value), rows


def _slice(
    column: str,
    value: str,
    candidate: Scored,
    champion: Scored,
    metric: Metric,
    policy: Policy,
    level: float,
    rng: np.random.Generator,
) -> SliceComparison:
    one, other = _sample(candidate), _sample(champion)
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
        n_positives=distinct(candidate, 1),
        candidate=metric.value(one),
        champion=metric.value(other),
        gain=gain,
        low=low,
        high=high,
        level=level,
        verdict=_verdict(low, high),
    )


def _line(
    metric: Metric, one: Sample, other: Sample, differences: Floats, policy: Policy
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
    metric: Metric, one: Sample, other: Sample, differences: Floats, level: float
) -> Sequence[float]:
    low, high = interval(metric.sign * differences, level)
    return low, high, metric.sign * (metric.value(one) - metric.value(other))


def _verdict(low: float, high: float) -> str:
    return BETTER if low > 0 else WORSE if high < 0 else UNDECIDED


def _sample(scored: Scored) -> Sample:
    return Sample(
        np.asarray(scored.y_true) == 1,
        np.asarray(scored.probability, dtype=np.float64),
        float(scored.threshold),
    )
