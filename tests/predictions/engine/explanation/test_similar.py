"""Nearest past shots against a plain search, and on awkward histories."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictions.engine.explanation.similar import CLIP, ShotHistory


def test_a_copy_is_found_first_at_distance_zero() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 30)).astype(np.float32)
    first = ShotHistory(rows).nearest(rows[123], k=5)[0]
    assert (first.position, first.distance) == (123, 0.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 20))
def test_neighbours_equal_a_plain_search(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(60, 4)) * [1, 10, 100, 1000]).astype(np.float32)
    wanted = (rng.normal(size=4) * [1, 10, 100, 1000]).astype(np.float32)
    low, centre, high = np.percentile(rows, [25, 50, 75], axis=0)
    scale = (high - low) / 1.349
    scaled = np.clip((np.vstack([rows, wanted]) - centre) / scale, -CLIP, CLIP)
    distance = np.sqrt(((scaled[:-1] - scaled[-1]) ** 2).mean(axis=1))
    found = ShotHistory(rows).nearest(wanted, k)
    assert [n.distance for n in found] == pytest.approx(np.sort(distance)[:k], abs=1e-4)


def test_equal_shots_come_in_order_of_time() -> None:
    rows = np.tile(np.array([[1.0, 2.0], [5.0, 9.0]], dtype=np.float32), (4, 1))
    found = ShotHistory(rows).nearest(rows[0], k=4)
    assert [n.position for n in found] == [0, 2, 4, 6]


def test_constant_and_missing_values_do_not_decide() -> None:
    rows = np.array([[7.0, 1.0], [7.0, 2.0], [7.0, np.nan], [7.0, 4.0]], dtype=np.float32)
    found = ShotHistory(rows).nearest(np.array([99.0, 4.0], dtype=np.float32), k=2)
    assert found[0].position == 3


def test_a_short_history_returns_what_it_has() -> None:
    history = ShotHistory(np.zeros((2, 3), dtype=np.float32))
    assert len(history.nearest(np.zeros(3, dtype=np.float32), k=10)) == 2


def test_an_empty_history_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        ShotHistory(np.empty((0, 30), dtype=np.float32))


def test_asking_for_no_neighbour_is_refused() -> None:
    with pytest.raises(ValueError, match="k = 0"):
        ShotHistory(np.zeros((2, 3), dtype=np.float32)).nearest(np.zeros(3, dtype=np.float32), k=0)


def test_distances_to_others_are_those_of_the_search() -> None:
    rows = np.random.default_rng(2).normal(size=(50, 6)).astype(np.float32)
    history = ShotHistory(rows)
    found = history.nearest(rows[0], k=50)
    others = history.distances(rows[0], rows[[near.position for near in found]])
    assert others.tolist() == pytest.approx([near.distance for near in found], abs=1e-5)
