"""How good a ranking is, against judged answers.

Each metric has a name, a direction and a source in `METRICS`; values lie between 0 and 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metric:
    """A metric as tables show it."""

    name: str
    label: str
    higher_is_better: bool
    source: str


METRICS: Mapping[str, Metric] = {
    one.name: one
    for one in (
        Metric("ndcg_at_10", "nDCG@10", True, "Järvelin and Kekäläinen, 2002; gains as judged"),
        Metric("recall_at_100", "Recall@100", True, "share of the relevant found"),
        Metric("mrr", "MRR", True, "Voorhees, 1999; over all hits asked for"),
    )
}


def ndcg(ranked: Sequence[str], gains: Mapping[str, float], k: int = 10) -> float:
    """Return the normalised discounted cumulative gain.

    Parameters
    ----------
    ranked : sequence of str
        Ids, best first; a repeated id counts once, where it first stands.
    gains : mapping
        Judged ids and their gain; what is not judged has none.
    k : int
        Hits that count.

    Returns
    -------
    float
        From 0 to 1; 0 when nothing is relevant.
    """
    found = [max(0.0, gains.get(one, 0.0)) for one in list(dict.fromkeys(ranked))[:k]]
    best = sorted((gain for gain in gains.values() if gain > 0), reverse=True)[:k]
    ideal = _discounted(best)
    return _discounted(found) / ideal if ideal else 0.0


def recall(ranked: Sequence[str], gains: Mapping[str, float], k: int = 100) -> float:
    """Return the share of the relevant ids among the first k hits; 0 when nothing is relevant."""
    relevant = {one for one, gain in gains.items() if gain > 0}
    return len(relevant & set(ranked[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranked: Sequence[str], gains: Mapping[str, float]) -> float:
    """Return one over the rank of the first relevant hit, 0 when there is none."""
    for place, one in enumerate(ranked, start=1):
        if gains.get(one, 0.0) > 0:
            return 1.0 / place
    return 0.0


def _discounted(gains: Sequence[float]) -> float:
    return float(sum(gain / np.log2(place + 1) for place, gain in enumerate(gains, start=1)))
