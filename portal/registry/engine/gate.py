"""The gate: whether a candidate is better than the champion on the same rows, and worse in nothing.

The rule, and why it is this one, is written in docs/registry.md. In short, with every difference
turned so that positive means better:

- too few distinct rows or positives: inconclusive;
- the primary metric, or any guard, has its whole interval below zero: failed;
- the primary metric has its whole interval above zero: passed;
- anything else: inconclusive.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from portal.registry.engine.bootstrap import interval, paired_differences
from portal.registry.engine.metrics import METRICS, Floats, Metric, Sample
from portal.registry.engine.policy import Policy
from portal.registry.engine.scored import Scored
from portal.registry.engine.words import gettext_noop

PASSED, FAILED, INCONCLUSIVE = "passed", "failed", "inconclusive"
BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"

TEMPLATES: Mapping[str, str] = {
    "primary_better": gettext_noop(
        "{label} is better: the whole interval of the difference is above zero."
    ),
    "primary_worse": gettext_noop(
        "{label} is worse: the whole interval of the difference is below zero."
    ),
    "primary_undecided": gettext_noop(
        "{label} is neither better nor worse: the interval holds zero."
    ),
    "guard_worse": gettext_noop("{label} must not be worse, and its whole interval is below zero."),
    "identical": gettext_noop("Both versions give the same probability on every row."),
    "too_few_groups": gettext_noop(
        "The evaluation set has {seen} distinct rows; at least {needed} are needed."
    ),
    "too_few_positives": gettext_noop(
        "{seen} distinct rows are positive; at least {needed} are needed."
    ),
    "too_few_negatives": gettext_noop(
        "{seen} distinct rows are negative; at least {needed} are needed."
    ),
}


class GateError(ValueError):
    """Candidate and champion were not scored on the same rows."""


@dataclass(frozen=True)
class Reason:
    """One sentence of the verdict, as a code with its values so that it can be translated."""

    code: str
    params: Mapping[str, Any]

    @property
    def template(self) -> str:
        """The English sentence with named placeholders."""
        return TEMPLATES[self.code]

    def to_dict(self) -> dict[str, Any]:
        """Return the reason as JSON, the English sentence included."""
        return {
            "code": self.code,
            "params": dict(self.params),
            "message": self.template.format(**self.params),
        }


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
class GateReport:
    """The verdict and everything it rests on.

    Attributes
    ----------
    outcome
        ``passed``, ``failed`` or ``inconclusive``.
    reasons
        Why, the decisive ones first.
    comparisons
        One line per metric; empty when there was too little to compare.
    against
        ``champion``, or ``base_rate`` when no champion exists and the candidate was held against
        the constant answer.
    n_rows, n_groups, n_positives
        Rows, distinct rows and distinct positive rows.
    n_resamples, seed
        How the intervals were drawn.
    policy
        The policy in force.
    """

    outcome: str
    reasons: tuple[Reason, ...]
    comparisons: tuple[Comparison, ...]
    against: str
    n_rows: int
    n_groups: int
    n_positives: int
    n_resamples: int
    seed: int
    policy: Policy

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return asdict(self) | {
            "reasons": [reason.to_dict() for reason in self.reasons],
            "comparisons": [asdict(line) for line in self.comparisons],
            "policy": self.policy.to_dict(),
        }


def seed_of(*digests: str) -> int:
    """Return a seed fixed by what is compared: asking again draws the same resamples."""
    return int.from_bytes(hashlib.sha256("|".join(digests).encode()).digest()[:4], "big")


def judge(
    candidate: Scored, champion: Scored | None, *, policy: Policy | None = None, seed: int
) -> GateReport:
    """Compare two versions on the same rows and decide.

    Parameters
    ----------
    candidate
        The version that asks to go live.
    champion
        The version that is live; None compares against the base rate of the labels.
    policy
        What to look at and how sure to be.
    seed
        For the resamples; see :func:`seed_of`.

    Raises
    ------
    GateError
        If both were not scored on the same rows, or a label is neither 0 nor 1.
    SampleError
        If a probability is missing or outside 0 to 1.
    """
    policy = policy or Policy()
    _check_same_rows(candidate, champion)
    other = champion or base_rate(candidate)
    groups = {
        "groups": _distinct(candidate, None),
        "positives": _distinct(candidate, 1),
        "negatives": _distinct(candidate, 0),
    }
    reasons = _too_few(groups, policy)
    comparisons = () if reasons else _compare(candidate, other, policy, seed)
    outcome, verdict_reasons = _decide(comparisons) if comparisons else (INCONCLUSIVE, ())
    if np.array_equal(candidate.probability, other.probability):
        verdict_reasons = (Reason("identical", {}), *verdict_reasons)
    return GateReport(
        outcome=outcome,
        reasons=(*reasons, *verdict_reasons),
        comparisons=comparisons,
        against="base_rate" if champion is None else "champion",
        n_rows=len(candidate.y_true),
        n_groups=groups["groups"],
        n_positives=groups["positives"],
        n_resamples=policy.n_resamples if comparisons else 0,
        seed=seed,
        policy=policy,
    )


def base_rate(scored: Scored) -> Scored:
    """Return the best answer that ignores its input: the share of positives, all called so."""
    share = float(np.mean(scored.y_true))
    constant = np.full(len(scored.y_true), share)
    return Scored(scored.y_true, constant, scored.group_ids, threshold=share)


def _check_same_rows(candidate: Scored, champion: Scored | None) -> None:
    if not np.isin(candidate.y_true, (0, 1)).all():
        raise GateError("every label must be 0 or 1")
    if champion is None:
        return
    for name in ("y_true", "group_ids"):
        if not np.array_equal(getattr(candidate, name), getattr(champion, name)):
            raise GateError(
                f"candidate and champion differ in {name}: score both on the rows of one frozen "
                "set, in the order of the set"
            )


def _distinct(scored: Scored, label: int | None) -> int:
    ids = scored.group_ids if label is None else scored.group_ids[scored.y_true == label]
    return len(np.unique(ids))


def _too_few(groups: Mapping[str, int], policy: Policy) -> tuple[Reason, ...]:
    needed = {
        "groups": policy.min_groups,
        "positives": policy.min_positives,
        "negatives": policy.min_negatives,
    }
    return tuple(
        Reason(f"too_few_{name}", {"seen": groups[name], "needed": needed[name]})
        for name in needed
        if groups[name] < needed[name]
    )


def _compare(
    candidate: Scored, champion: Scored, policy: Policy, seed: int
) -> tuple[Comparison, ...]:
    one, other = _sample(candidate), _sample(champion)
    metrics = [METRICS[name] for name in (policy.primary, *policy.guards)]
    differences = paired_differences(
        one,
        other,
        metrics,
        candidate.group_ids,
        n_resamples=policy.n_resamples,
        rng=np.random.default_rng(seed),
    )
    return tuple(_line(metric, one, other, differences[metric.name], policy) for metric in metrics)


def _sample(scored: Scored) -> Sample:
    return Sample(
        np.asarray(scored.y_true) == 1,
        np.asarray(scored.probability, dtype=np.float64),
        float(scored.threshold),
    )


def _line(
    metric: Metric, one: Sample, other: Sample, differences: Floats, policy: Policy
) -> Comparison:
    role = "primary" if metric.name == policy.primary else "guard"
    level = policy.level if role == "primary" else policy.guard_level
    low, high = interval(metric.sign * differences, level)
    mine, theirs = metric.value(one), metric.value(other)
    return Comparison(
        name=metric.name,
        label=metric.label,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        role=role,
        candidate=mine,
        champion=theirs,
        gain=metric.sign * (mine - theirs),
        low=low,
        high=high,
        level=level,
        verdict=BETTER if low > 0 else WORSE if high < 0 else UNDECIDED,
    )


def _decide(comparisons: tuple[Comparison, ...]) -> tuple[str, tuple[Reason, ...]]:
    primary = comparisons[0]
    main = Reason(f"primary_{primary.verdict}", {"label": primary.label})
    worse = tuple(
        Reason("guard_worse", {"label": line.label})
        for line in comparisons[1:]
        if line.verdict == WORSE
    )
    if primary.verdict == WORSE or worse:
        return FAILED, (*worse, main) if worse else (main,)
    if primary.verdict == BETTER:
        return PASSED, (main,)
    return INCONCLUSIVE, (main,)
