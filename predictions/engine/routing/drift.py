"""The drift baseline of a routing version, in the form that every family has. NumPy only."""

from collections.abc import Sequence

import numpy as np

from portal.lib import seeds
from predictions.engine.baseline import SAMPLE_ROWS, DriftBaseline, quantile_bins
from predictions.engine.routing.proposal import Plan
from predictions.engine.routing.schema import NUMBERS
from predictions.engine.routing.tables import ItemTable

REFUSED = "refused"


def routing_baseline(
    learnt: ItemTable, unseen: ItemTable, plans: Sequence[Plan], *, seed: int
) -> DriftBaseline:
    """Return what items, confidence and refusals looked like when a version was made.

    Parameters
    ----------
    learnt : ItemTable
        Training items; their numbers are what later items are compared with.
    unseen : ItemTable
        Items that training had not seen.
    plans : sequence of Plan
        What the version says of `unseen`; the probability of being exact is the score, 0 where it
        refuses, and the levels of confidence are the classes.
    seed : int
        Draws the sample.
    """
    columns, others = learnt.columns(), unseen.columns()
    probability = np.array([plan.probability for plan in plans])
    levels = [REFUSED if plan.is_refused else plan.confidence for plan in plans]
    kept = np.arange(len(plans))
    if len(plans) > SAMPLE_ROWS:
        kept = np.sort(seeds.generator(seed).choice(len(plans), SAMPLE_ROWS, replace=False))
    sample: dict[str, list[float | None]] = {"probability": probability[kept].tolist()}
    for name in NUMBERS:
        values = others[name][kept].astype(np.float64).tolist()
        sample[name] = [None if np.isnan(value) else value for value in values]
    return DriftBaseline(
        n_rows=learnt.n_rows,
        scores=quantile_bins(probability),
        features={name: quantile_bins(columns[name].astype(np.float64)) for name in NUMBERS},
        classes={level: levels.count(level) for level in sorted(set(levels))},
        sample=sample,
    )
