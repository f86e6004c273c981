"""Humble baselines."""

import numpy as np
import pytest

from predictions.engine.humble import constant, lookup, recent, trailing_share
from predictions.engine.splits import Fold

LABELS = np.array([True, False, True, False, True])
KEYS = np.array([7, 7, 9, 7, 8], dtype=np.uint64)
FOLD = Fold(np.array([0, 1, 2]), np.array([3, 4]))


def test_constant_says_the_training_share_and_calls_everything() -> None:
    guess = constant(LABELS, KEYS, FOLD)

    assert guess.probability.tolist() == pytest.approx([2 / 3, 2 / 3])
    assert (guess.probability >= guess.threshold).all()


def test_lookup_knows_seen_shots_and_nothing_else() -> None:
    guess = lookup(LABELS, KEYS, FOLD)

    assert guess.probability.tolist() == pytest.approx([0.5, 2 / 3])


def test_trailing_share_never_sees_its_own_row() -> None:
    assert trailing_share(LABELS, 2).tolist() == [0.5, 1.0, 0.5, 0.5, 0.5]


def test_recent_looks_back_from_each_test_row() -> None:
    guess = recent(LABELS, KEYS, FOLD)

    assert guess.probability.tolist() == pytest.approx([2 / 3, 0.5])
