"""Fit, on items the trees have not seen, everything that turns scores into decisions.

The blend of trees and neighbours, the ranking rule, and the probability that a proposal is right.
An item's own variants never vote on it here.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from predictions.engine.routing.book import group_members
from predictions.engine.routing.decision import (
    Confidence,
    Decider,
    Decision,
)
from predictions.engine.routing.voting import (
    RAREST,
    Blend,
    Evidence,
    Rule,
    logit,
    weighted_sets,
)

#: Ranking rules tried; the first one that no other beats stays.
RULES: tuple[Rule, ...] = tuple(
    Rule(weight, 0.01, bonus) for weight, bonus in product((0.0, 0.1, 0.3), (0.0, 0.5, 1.0, 2.0))
)
#: Where calibration starts; a logistic regression replaces it.
FIRST_BLEND = Blend(trees=1.0, neighbours=0.0, intercept=0.0)


@dataclass(frozen=True)
class Calibrated:
    """What calibration found.

    Attributes
    ----------
    decider : Decider
        With blend and rule in place.
    confidence : Confidence
    decisions : list of Decision
        For every calibration item, by the calibrated decider; `similarity` is left empty.
    exact_share : float
        Part of the calibration items whose operations were proposed exactly.
    """

    decider: Decider
    confidence: Confidence
    decisions: list[Decision]
    exact_share: float


def calibrate(decider: Decider, items: NDArray[np.intp], groups: NDArray[np.intp]) -> Calibrated:
    """Calibrate a decider on items of its own index.

    Parameters
    ----------
    decider : Decider
        Its trees must not have seen `items`.
    items : intp array, shape [n]
        Rows of the index.
    groups : intp array, shape [n_index]
        Equal for variants of one item.
    """
    members = group_members(groups)
    own = [members[int(groups[item])] for item in items]
    raw = dataclasses.replace(decider, blend=FIRST_BLEND)
    chosen = decider.index.items.take(items)
    decisions = [_light(one) for one in raw.decide_all(chosen, excluded=own)]
    truth = decider.book.contents[decider.book.item_routing[items]]
    blend = _fit_blend(decisions, truth)
    blended = [_blended(decision, blend) for decision in decisions]
    rule = _best_rule(blended, truth, decider)
    ready = dataclasses.replace(decider, blend=blend, rule=rule)
    final = [_light(one) for one in ready.decide_all(chosen, excluded=own)]
    is_right = np.array(
        [
            bool(one.ranked)
            and list(one.ranked[0].steps) == ready.book.sequence(int(ready.book.item_routing[item]))
            for one, item in zip(final, items, strict=True)
        ]
    )
    return Calibrated(ready, _fit_confidence(final, is_right), final, float(is_right.mean()))


def _light(decision: Decision) -> Decision:
    """Return a decision without the similarity to every item, which many would keep."""
    return dataclasses.replace(decision, similarity=np.empty(0, dtype=np.float32))


def _fit_blend(decisions: Sequence[Decision], truth: NDArray[np.bool_]) -> Blend:
    """Regress presence of steps on the log-odds of trees and neighbours."""
    # With FIRST_BLEND the beliefs are those of the trees alone.
    trees = np.concatenate([logit(one.evidence.beliefs) for one in decisions])
    neighbours = np.concatenate([logit(one.frequency, RAREST) for one in decisions])
    fitted = LogisticRegression().fit(np.column_stack([trees, neighbours]), truth.ravel())
    # A negative weight fits noise: no evidence for a step speaks against it.
    by_trees, by_neighbours = (max(float(weight), 0.0) for weight in fitted.coef_[0])
    return Blend(by_trees, by_neighbours, float(fitted.intercept_[0]))


def _blended(decision: Decision, blend: Blend) -> Evidence:
    beliefs = blend(logit(decision.evidence.beliefs), decision.frequency)
    return dataclasses.replace(decision.evidence, beliefs=beliefs)


def _best_rule(evidence: Sequence[Evidence], truth: NDArray[np.bool_], decider: Decider) -> Rule:
    """Return the rule under which the likeliest set of steps is right most often."""

    def hits(rule: Rule) -> int:
        found = 0
        for one, line in zip(evidence, truth, strict=True):
            sets, _, weights = weighted_sets(one, decider.book, rule)
            found += int((sets[int(weights.argmax())] == line).all())
        return found

    return max(RULES, key=hits)


def _fit_confidence(decisions: Sequence[Decision], is_right: NDArray[np.bool_]) -> Confidence:
    """Regress being right on the proposal's log-odds and on familiarity."""
    share = (is_right.sum() + 0.5) / (len(is_right) + 1)
    constant = Confidence(0.0, 0.0, float(logit(np.array(share))))
    if is_right.all() or not is_right.any():
        return constant
    weights = np.array([one.ranked[0].weight if one.ranked else 0.0 for one in decisions])
    odds = logit(weights, 1e-3)
    familiarity = np.array([one.familiarity for one in decisions])
    fitted = LogisticRegression().fit(np.column_stack([odds, familiarity]), is_right)
    by_weight, by_familiarity = (float(weight) for weight in fitted.coef_[0])
    if by_familiarity < 0:
        # Being strange is no reason to be sure: then familiarity only tells noise.
        fitted = LogisticRegression().fit(odds[:, None], is_right)
        by_weight, by_familiarity = float(fitted.coef_[0, 0]), 0.0
    if by_weight < 0:
        return constant
    return Confidence(by_weight, by_familiarity, float(fitted.intercept_[0]))
