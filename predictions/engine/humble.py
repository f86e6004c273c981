"""Baselines that know next to nothing, shown beside every model.

A model that does not beat them has learned nothing about the process.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.lib.coded import gettext_noop
from predictions.engine.splits import Fold
from predictions.engine.threshold import best_f1_threshold

Labels = NDArray[np.bool_]
Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]

#: Shots looked back on; ours, about two hours of production.
RECENT_SHOTS = 50


@dataclass(frozen=True, eq=False)
class Guess:
    """What a baseline says of the test rows of a fold.

    Attributes
    ----------
    probability : float64 array, shape [n_test]
    threshold : float
        From which a shot is called a defect.
    """

    probability: Floats
    threshold: float


@dataclass(frozen=True)
class Baseline:
    """A named baseline.

    Attributes
    ----------
    name : str
        Key in reports.
    label, description : str
        For people; marked for translation.
    guess : callable
        ``guess(labels, keys, fold)`` → Guess; labels and keys of all rows in production order.
    """

    name: str
    label: str
    description: str
    guess: Callable[[Labels, Keys, Fold], Guess]


def constant(labels: Labels, keys: Keys, fold: Fold) -> Guess:
    """Say the training share of defects for every shot, so call every shot a defect."""
    del keys
    share = float(labels[fold.train].mean())
    return Guess(np.full(len(fold.test), share), share)


def lookup(labels: Labels, keys: Keys, fold: Fold) -> Guess:
    """Say what the same shot was in training, and the training share when it was not there."""
    seen, numbers = np.unique(keys[fold.train], return_inverse=True)
    rates = np.bincount(numbers, weights=labels[fold.train]) / np.bincount(numbers)
    places = np.minimum(np.searchsorted(seen, keys[fold.test]), len(seen) - 1)
    known = seen[places] == keys[fold.test]
    share = labels[fold.train].mean()
    return Guess(np.where(known, rates[places], share), 0.5)


def recent(labels: Labels, keys: Keys, fold: Fold) -> Guess:
    """Say the defect share of the shots just before, as if each were inspected at once."""
    del keys
    rate = trailing_share(labels, RECENT_SHOTS)
    return Guess(rate[fold.test], best_f1_threshold(labels[fold.train], rate[fold.train]))


def trailing_share(labels: Labels, n_shots: int) -> Floats:
    """Return the share of defects among up to `n_shots` rows before each row, float64 [n].

    The first row, which has nothing before it, gets 0.5.
    """
    before = np.r_[0, np.cumsum(labels)]
    stop = np.arange(len(labels))
    start = np.maximum(stop - n_shots, 0)
    counted = stop - start
    share = (before[stop] - before[start]) / np.maximum(counted, 1)
    return np.where(counted > 0, share, 0.5)


BASELINES: tuple[Baseline, ...] = (
    Baseline(
        "constant",
        gettext_noop("Constant"),
        gettext_noop("The defect share of the training shots for every shot: calls all of them."),
        constant,
    ),
    Baseline(
        "lookup",
        gettext_noop("Lookup table"),
        gettext_noop(
            "What the same values were labelled in training: scores well only where test shots "
            "have copies there."
        ),
        lookup,
    ),
    Baseline(
        "recent",
        gettext_noop("Recent defect rate"),
        gettext_noop(
            "The defect share of the 50 shots before, without any sensor, as if every shot were "
            "inspected at once."
        ),
        recent,
    ),
)
