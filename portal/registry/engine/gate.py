"""The gate: whether a candidate is better than the champion on the same rows, and worse in nothing.

The rule, and why it is this one, is written in docs/registry.md. In short, with every difference
turned so that positive means better:

- too few distinct rows or positives: inconclusive;
- the primary metric, any guard, or any slice has its whole interval below zero: failed;
- the primary metric has its whole interval above zero, and the gain is large enough: passed;
- anything else: inconclusive.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from portal.registry.engine.comparing import (
    BETTER,
    WORSE,
    Comparison,
    SliceComparison,
    block_ids,
    compare,
    compare_slices,
    distinct,
)
from portal.registry.engine.policy import Policy
from portal.registry.engine.scored import Scored
from portal.registry.engine.words import gettext_noop

PASSED, FAILED, INCONCLUSIVE = "passed", "failed", "inconclusive"

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
    "primary_small": gettext_noop(
        "{label} is better by {gain:.3f} only; at least {needed:.3f} is asked for."
    ),
    "slice_worse": gettext_noop(
        "{label} is worse where {column} is “{value}”: the whole interval of the difference is "
        "below zero."
    ),
    "left_out": gettext_noop(
        "{n} rows were left out, because one of the two versions had learnt from them."
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
    slices
        One line per part of the rows that is large enough, by the primary metric.
    against
        ``champion``, or ``base_rate`` when no champion exists and the candidate was held against
        the constant answer.
    n_rows, n_groups, n_positives
        Rows compared, distinct rows and distinct positive rows.
    n_left_out
        Rows that one of the versions had learnt from.
    n_blocks
        Blocks that were drawn; 0 when there was too little to compare.
    n_resamples, seed
        How the intervals were drawn.
    policy
        The policy in force.
    """

    outcome: str
    reasons: tuple[Reason, ...]
    comparisons: tuple[Comparison, ...]
    slices: tuple[SliceComparison, ...]
    against: str
    n_rows: int
    n_groups: int
    n_positives: int
    n_left_out: int
    n_blocks: int
    n_resamples: int
    seed: int
    policy: Policy

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return asdict(self) | {
            "reasons": [reason.to_dict() for reason in self.reasons],
            "comparisons": [asdict(line) for line in self.comparisons],
            "slices": [asdict(line) for line in self.slices],
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
    n_given = len(candidate.y_true)
    candidate, champion = _unseen(candidate, champion)
    groups = {
        "groups": distinct(candidate),
        "positives": distinct(candidate, 1),
        "negatives": distinct(candidate, 0),
    }
    n_left_out = n_given - len(candidate.y_true)
    reasons = _too_few(groups, policy)
    lines: tuple[Comparison, ...] = ()
    slices: tuple[SliceComparison, ...] = ()
    outcome, n_blocks = INCONCLUSIVE, 0
    if not reasons:
        other = champion or base_rate(candidate)
        rng = np.random.default_rng(seed)
        lines = compare(candidate, other, policy, rng)
        slices = compare_slices(candidate, other, policy, rng)
        n_blocks = len(np.unique(block_ids(candidate, policy)))
        outcome, reasons = _decide(lines, slices, policy)
        if np.array_equal(candidate.probability, other.probability):
            reasons = (Reason("identical", {}), *reasons)
    if n_left_out:
        reasons = (*reasons, Reason("left_out", {"n": n_left_out}))
    return GateReport(
        outcome=outcome,
        reasons=reasons,
        comparisons=lines,
        slices=slices,
        against="base_rate" if champion is None else "champion",
        n_rows=len(candidate.y_true),
        n_groups=groups["groups"],
        n_positives=groups["positives"],
        n_left_out=n_left_out,
        n_blocks=n_blocks,
        n_resamples=policy.n_resamples if lines else 0,
        seed=seed,
        policy=policy,
    )


def base_rate(scored: Scored) -> Scored:
    """Return the best answer that ignores its input: the share of positives, all called so."""
    share = float(np.mean(scored.y_true))
    constant = np.full(len(scored.y_true), share)
    return Scored(scored.y_true, constant, scored.group_ids, threshold=share)


def _unseen(candidate: Scored, champion: Scored | None) -> tuple[Scored, Scored | None]:
    """Leave out the rows that either version has learnt from."""
    learnt = np.zeros(len(candidate.y_true), dtype=bool)
    for scored in (candidate, champion):
        if scored is not None and scored.learnt is not None:
            learnt |= scored.learnt
    if not learnt.any():
        return candidate, champion
    return candidate.at(~learnt), None if champion is None else champion.at(~learnt)


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


def _decide(
    lines: tuple[Comparison, ...], slices: tuple[SliceComparison, ...], policy: Policy
) -> tuple[str, tuple[Reason, ...]]:
    primary = lines[0]
    main = Reason(f"primary_{primary.verdict}", {"label": primary.label})
    worse = _worse(lines, slices)
    if primary.verdict == WORSE or worse:
        return FAILED, (*worse, main)
    if primary.verdict != BETTER:
        return INCONCLUSIVE, (main,)
    if primary.gain < policy.min_gain:
        values = {"label": primary.label, "gain": primary.gain, "needed": policy.min_gain}
        return INCONCLUSIVE, (Reason("primary_small", values),)
    return PASSED, (main,)


def _worse(
    lines: tuple[Comparison, ...], slices: tuple[SliceComparison, ...]
) -> tuple[Reason, ...]:
    """Return which guards and slices are surely worse."""
    guards = (
        Reason("guard_worse", {"label": line.label}) for line in lines[1:] if line.verdict == WORSE
    )
    parts = (
        Reason(
            "slice_worse",
            {"label": lines[0].label, "column": part.column, "value": part.value},
        )
        for part in slices
        if part.verdict == WORSE
    )
    return (*guards, *parts)
