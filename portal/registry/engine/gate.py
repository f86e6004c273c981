"""The gate: whether a candidate is better than the champion on the same rows, and worse in nothing.

The rule, and why it is this one, is written in docs/registry.md. In short, with every difference
turned so that positive means better:

- too few distinct rows or positives: inconclusive;
- the primary metric, any guard, or any slice has its whole interval below zero: failed;
- the primary metric has its whole interval above zero, and surely gains enough: passed;
- anything else: inconclusive.

A policy with ``max_loss`` asks only that nothing is worse by more than that: zero above is replaced
by minus ``max_loss``, and equal is good enough.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from portal.lib.coded import gettext_noop
from portal.registry.engine.comparing import (
    BETTER,
    WORSE,
    Comparison,
    SliceComparison,
    block_ids,
    by_class,
    compare,
    compare_slices,
    distinct,
)
from portal.registry.engine.policy import Policy
from portal.registry.engine.scored import RowScores, Scored

A = TypeVar("A", Scored, RowScores)
_TWO_KINDS = "candidate and champion were scored in two different ways: train both anew"

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
    "gain_unsure": gettext_noop(
        "{label} is better by {gain:.3f}, but surely by {sure:.3f} only; at least {needed:.3f} is "
        "asked for."
    ),
    "slice_worse": gettext_noop(
        "{label} is worse where {column} is “{value}”: the whole interval of the difference is "
        "below zero."
    ),
    "left_out": gettext_noop(
        "{n} rows were left out, because one of the two versions had learnt from them."
    ),
    "guard_worse": gettext_noop("{label} must not be worse, and its whole interval is below zero."),
    "primary_kept": gettext_noop(
        "{label} is not worse by more than {allowed:.3f}: the whole interval lies above that."
    ),
    "identical": gettext_noop("Both versions give the same probability on every row."),
    "identical_rows": gettext_noop("Both versions achieve the same on every row."),
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
        ``champion``; without one ``base_rate``, the constant answer to labelled rows, or
        ``lookup``, what looking up a known row achieves.
    n_rows, n_groups, n_positives
        Rows compared, distinct rows and distinct positive rows; None where rows have no class.
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
    n_positives: int | None
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
    candidate: Scored | RowScores,
    champion: Scored | RowScores | None,
    *,
    policy: Policy | None = None,
    seed: int,
) -> GateReport:
    """Compare two versions on the same rows and decide.

    Parameters
    ----------
    candidate
        The version that asks to go live.
    champion
        The version that is live; None compares against what takes no learning.
    policy
        What to look at and how sure to be.
    seed
        For the resamples; see :func:`seed_of`.

    Raises
    ------
    GateError
        If both were not scored on the same rows, a label is neither 0 nor 1, or the policy looks at
        metrics of another kind.
    SampleError
        If a probability is missing or outside 0 to 1.
    """
    policy = policy or Policy()
    if isinstance(candidate, RowScores):
        if isinstance(champion, Scored):
            raise GateError(_TWO_KINDS)
        return _judge(candidate, champion, policy, seed)
    if isinstance(champion, RowScores):
        raise GateError(_TWO_KINDS)
    return _judge(candidate, champion, policy, seed)


def _judge(candidate: A, champion: A | None, policy: Policy, seed: int) -> GateReport:
    _check(candidate, champion, policy)
    n_given = len(candidate.group_ids)
    candidate, champion = _unseen(candidate, champion)
    groups = {"groups": distinct(candidate), **by_class(candidate)}
    n_left_out = n_given - len(candidate.group_ids)
    reasons: tuple[Reason, ...] = _too_few(groups, policy)
    lines: tuple[Comparison, ...] = ()
    slices: tuple[SliceComparison, ...] = ()
    outcome, n_blocks = INCONCLUSIVE, 0
    if not reasons:
        other = champion if champion is not None else _without_learning(candidate)
        rng = np.random.default_rng(seed)
        lines = compare(candidate, other, policy, rng)
        slices = compare_slices(candidate, other, policy, rng)
        n_blocks = len(np.unique(block_ids(candidate, policy)))
        outcome, reasons = _decide(lines, slices, policy)
        if candidate.is_as(other):
            code = "identical" if candidate.classes() else "identical_rows"
            reasons = (Reason(code, {}), *reasons)
    if n_left_out:
        reasons = (*reasons, Reason("left_out", {"n": n_left_out}))
    return GateReport(
        outcome=outcome,
        reasons=reasons,
        comparisons=lines,
        slices=slices,
        against=candidate.against if champion is None else "champion",
        n_rows=len(candidate.group_ids),
        n_groups=groups["groups"],
        n_positives=groups.get("positives"),
        n_left_out=n_left_out,
        n_blocks=n_blocks,
        n_resamples=policy.n_resamples if lines else 0,
        seed=seed,
        policy=policy,
    )


def base_rate(scored: Scored) -> Scored:
    """Return the best answer that ignores its input: the share of positives, all called so."""
    return scored.without_learning()


def _without_learning(candidate: A) -> A:
    other = candidate.without_learning()
    if other is None:
        raise GateError("nothing is live, and the family measured nothing to be held against")
    return other


def _unseen(candidate: A, champion: A | None) -> tuple[A, A | None]:
    """Leave out the rows that either version has learnt from."""
    learnt = np.zeros(len(candidate.group_ids), dtype=bool)
    for answers in (candidate, champion):
        if answers is not None and answers.learnt is not None:
            learnt |= answers.learnt
    if not learnt.any():
        return candidate, champion
    return candidate.at(~learnt), None if champion is None else champion.at(~learnt)


def _check(candidate: A, champion: A | None, policy: Policy) -> None:
    if policy.primary not in candidate.metrics:
        known = ", ".join(candidate.metrics)
        raise GateError(f"the gate policy asks for {policy.primary}, but the rows have {known}")
    problem = candidate.problem(champion)
    if champion is not None and not np.array_equal(candidate.group_ids, champion.group_ids):
        problem = problem or "candidate and champion differ in group_ids"
    if problem:
        raise GateError(
            f"{problem}: score both on the rows of one frozen set, in the order of the set"
        )


def _too_few(groups: Mapping[str, int], policy: Policy) -> tuple[Reason, ...]:
    needed = {
        "groups": policy.min_groups,
        "positives": policy.min_positives,
        "negatives": policy.min_negatives,
    }
    return tuple(
        Reason(f"too_few_{name}", {"seen": groups[name], "needed": needed[name]})
        for name in groups
        if groups[name] < needed[name]
    )


def _decide(
    lines: tuple[Comparison, ...], slices: tuple[SliceComparison, ...], policy: Policy
) -> tuple[str, tuple[Reason, ...]]:
    if policy.max_loss:
        return _decide_kept(lines, slices, policy)
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
    if primary.sure_gain < policy.min_gain:
        values = {
            "label": primary.label,
            "gain": primary.gain,
            "sure": primary.sure_gain,
            "needed": policy.min_gain,
        }
        return INCONCLUSIVE, (Reason("gain_unsure", values),)
    return PASSED, (main,)


def _decide_kept(
    lines: tuple[Comparison, ...], slices: tuple[SliceComparison, ...], policy: Policy
) -> tuple[str, tuple[Reason, ...]]:
    """Decide where equal is good enough: nothing may be worse by more than the policy allows."""
    primary = lines[0]
    worse = _worse(lines, slices, policy.max_loss)
    if primary.high < -policy.max_loss or worse:
        return FAILED, (*worse, Reason(f"primary_{primary.verdict}", {"label": primary.label}))
    if primary.low > -policy.max_loss:
        values = {"label": primary.label, "allowed": policy.max_loss}
        return PASSED, (Reason("primary_kept", values),)
    return INCONCLUSIVE, (Reason(f"primary_{primary.verdict}", {"label": primary.label}),)


def _worse(
    lines: tuple[Comparison, ...], slices: tuple[SliceComparison, ...], allowed: float = 0.0
) -> tuple[Reason, ...]:
    """Return which guards and slices are surely worse by more than is allowed."""
    guards = (
        Reason("guard_worse", {"label": line.label}) for line in lines[1:] if line.high < -allowed
    )
    parts = (
        Reason(
            "slice_worse",
            {"label": lines[0].label, "column": part.column, "value": part.value},
        )
        for part in slices
        if part.high < -allowed
    )
    return (*guards, *parts)
