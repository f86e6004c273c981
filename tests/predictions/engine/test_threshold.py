"""Choice of threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from predictions.engine.threshold import best_f1_threshold


def test_threshold_by_hand() -> None:
    labels = np.array([True, False, True, False])

    assert best_f1_threshold(labels, np.array([0.9, 0.2, 0.6, 0.4])) == pytest.approx(0.5)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9])),
        min_size=1,
        max_size=30,
    )
)
def test_no_other_threshold_has_a_higher_f1(rows: list[tuple[bool, float]]) -> None:
    labels = np.array([row[0] for row in rows])
    probability = np.array([row[1] for row in rows])

    chosen = best_f1_threshold(labels, probability)

    tried = [
        f1_score(labels, probability >= threshold, zero_division=0.0)
        for threshold in (0.05, 0.15, 0.3, 0.6, 0.8, 0.95)
    ]
    if labels.any():
        assert f1_score(labels, probability >= chosen) == pytest.approx(max(tried))
    else:
        assert chosen == 1.0


def test_best_threshold_is_half_the_best_f1_for_calibrated_probabilities() -> None:
    rng = np.random.default_rng(1)
    probability = rng.beta(1, 3, 200_000)
    labels = rng.random(200_000) < probability

    chosen = best_f1_threshold(labels, probability)

    assert chosen == pytest.approx(f1_score(labels, probability >= chosen) / 2, abs=0.02)
