"""Two versions on the same rows: per metric both values, their difference and its interval."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from portal.registry.engine.bootstrap import block_length, blocks, interval, paired_differences
from portal.registry.engine.metrics import Floats, Metric, Sampled
from portal.registry.engine.policy import Policy
from portal.registry.engine.scored import Answers

D = TypeVar("D")

#: Parts of fewer blocks are not looked at: how blocks scatter cannot be told from so few.
MIN_SLICE_BLOCKS = 5
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
    sure_gain
        The difference is at least this with the certainty that the policy asks for.
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
    sure_gain: float
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
    pair = _Pair.of(candidate, champion, block_ids(candidate, policy))
    metrics = [candidate.metrics[name] for name in (policy.primary, *policy.guards)]
    differences = pair.differences(metrics, policy, rng)
    return tuple(_line(metric, pair, differences[metric.name], policy) for metric in metrics)


def compare_slices(
    candidate: Answers[D], champion: Answers[D], policy: Policy, rng: np.random.Generator
) -> tuple[SliceComparison, ...]:
    """Compare two versions by the primary metric on every part that is large enough.

    The blocks are those of the whole: what of a block belongs to the part is drawn together. Shots
    of one mold come in lots as well, and hundred shots of it may be a single lot.
    """
    block = block_ids(candidate, policy)
    parts = list(_parts(candidate, block, policy))
    level = policy.shared_level(len(parts))
    metric = candidate.metrics[policy.primary]
    return tuple(
        _slice(
            (column, value),
            _Pair.of(candidate.at(rows), champion.at(rows), block[rows]),
            metric,
            policy,
            level,
            rng,
        )
        for column, value, rows in parts
    )


def _parts(
    answers: Answers[D], block: NDArray[np.intp], policy: Policy
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    for column, values in sorted(answers.slices.items()):
        names = np.unique(values)
        for value in names[names != ""] if len(names) > 1 else ():
            rows: NDArray[np.bool_] = values == value
            part = answers.at(rows)
            rarer = min(by_class(part).values(), default=policy.min_slice_positives)
            if (
                distinct(part) >= policy.min_slice_groups
                and rarer >= policy.min_slice_positives
                and len(np.unique(block[rows])) >= MIN_SLICE_BLOCKS
            ):
                yield column, str(value), rows


@dataclass(frozen=True, eq=False)
class _Pair(Generic[D]):
    """Two versions' answers on some rows, and the block of each row."""

    one: Sampled[D]
    other: Sampled[D]
    block: NDArray[np.intp]
    n_blocks: int
    n_groups: int
    n_positives: int | None

    @classmethod
    def of(cls, candidate: Answers[D], champion: Answers[D], block: NDArray[np.intp]) -> "_Pair[D]":
        return cls(
            candidate.sample(),
            champion.sample(),
            block,
            len(np.unique(block)),
            distinct(candidate),
            by_class(candidate).get("positives"),
        )

    def differences(
        self, metrics: Sequence[Metric[D]], policy: Policy, rng: np.random.Generator
    ) -> dict[str, Floats]:
        return paired_differences(
            self.one, self.other, metrics, self.block, n_resamples=policy.n_resamples, rng=rng
        )

    def gain(self, metric: Metric[D]) -> float:
        return metric.sign * (metric.value(self.one) - metric.value(self.other))


def _slice(
    name: tuple[str, str],
    pair: _Pair[D],
    metric: Metric[D],
    policy: Policy,
    level: float,
    rng: np.random.Generator,
) -> SliceComparison:
    differences = metric.sign * pair.differences([metric], policy, rng)[metric.name]
    low, high = interval(differences, level, pair.n_blocks)
    return SliceComparison(
        column=name[0],
        value=name[1],
        n_groups=pair.n_groups,
        n_positives=pair.n_positives,
        candidate=metric.value(pair.one),
        champion=metric.value(pair.other),
        gain=pair.gain(metric),
        low=low,
        high=high,
        level=level,
        verdict=_verdict(low, high),
    )


def _line(metric: Metric[D], pair: _Pair[D], differences: Floats, policy: Policy) -> Comparison:
    role = "primary" if metric.name == policy.primary else "guard"
    level = policy.level if role == "primary" else policy.guard_level
    turned = metric.sign * differences
    low, high = interval(turned, level, pair.n_blocks)
    return Comparison(
        name=metric.name,
        label=metric.label,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        role=role,
        candidate=metric.value(pair.one),
        champion=metric.value(pair.other),
        gain=pair.gain(metric),
        low=low,
        high=high,
        sure_gain=interval(turned, 2 * policy.gain_certainty - 1, pair.n_blocks)[0],
        level=level,
        verdict=_verdict(low, high),
    )


def _verdict(low: float, high: float) -> str:
    return BETTER if low > 0 else WORSE if high < 0 else UNDECIDED
