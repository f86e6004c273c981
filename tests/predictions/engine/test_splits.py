"""Split protocols."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from predictions.engine.splits import PROTOCOLS, TooFewParts, by_part, forward, grouped, random

Labels = NDArray[np.bool_]
Groups = NDArray[np.intp]


@pytest.fixture(scope="module")
def labels() -> Labels:
    return np.random.default_rng(1).random(400) < 0.2


@pytest.fixture(scope="module")
def groups() -> Groups:
    return np.random.default_rng(2).integers(0, 250, 400)


@given(st.integers(2, 6), st.integers(0, 9), st.lists(st.integers(0, 20), min_size=12))
def test_grouped_tests_every_row_once_and_tears_no_group(
    n_folds: int, seed: int, members: list[int]
) -> None:
    groups = np.unique(members, return_inverse=True)[1]
    labels = np.arange(len(groups)) % 3 == 0

    folds = grouped(labels, groups, n_folds, seed)

    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == list(range(len(groups)))
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert len(fold.train) + len(fold.test) == len(groups)


def test_grouped_keeps_the_defect_share_alike(labels: Labels, groups: Groups) -> None:
    counts = [int(labels[fold.test].sum()) for fold in grouped(labels, groups, 5, 0)]

    assert max(counts) - min(counts) <= 3


def test_forward_trains_on_the_past_only(labels: Labels, groups: Groups) -> None:
    folds = forward(labels, groups, 4, 0)

    assert len(folds) == 4
    for fold in folds:
        assert fold.train.max() < fold.test.min()
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_forward_by_hand() -> None:
    folds = forward(np.zeros(6, dtype=bool), np.array([0, 1, 2, 0, 3, 4]), 2, 0)

    assert [(fold.train.tolist(), fold.test.tolist()) for fold in folds] == [
        ([0, 1], [2]),
        ([0, 1, 2, 3], [4, 5]),
    ]


def test_random_tears_groups_and_says_that_it_leaks(labels: Labels, groups: Groups) -> None:
    folds = random(labels, groups, 5, 0)

    assert any(set(groups[fold.train]) & set(groups[fold.test]) for fold in folds)
    assert PROTOCOLS["random"].leaks


def test_few_parts_are_left_out_one_by_one() -> None:
    parts = np.array([4, 4, 9, 9, 9, 7])

    folds = by_part(np.array([True, False] * 3), parts, 5, 0)

    assert {frozenset(parts[fold.test].tolist()) for fold in folds} == {
        frozenset({4}),
        frozenset({7}),
        frozenset({9}),
    }
    for fold in folds:
        assert not set(parts[fold.train]) & set(parts[fold.test])


def test_many_parts_share_the_folds(labels: Labels, groups: Groups) -> None:
    folds = by_part(labels, groups, 4, 0)

    assert len(folds) == 4
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(400))


def test_one_part_cannot_be_split() -> None:
    with pytest.raises(TooFewParts):
        by_part(np.zeros(5, dtype=bool), np.full(5, 3), 5, 0)


def test_honest_protocols_are_not_marked_as_leaking() -> None:
    assert not PROTOCOLS["grouped"].leaks
    assert {name for name, one in PROTOCOLS.items() if one.leaks} == {"random"}


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_same_seed_gives_the_same_folds(labels: Labels, groups: Groups, name: str) -> None:
    first, second = (PROTOCOLS[name].split(labels, groups, 3, 7) for _ in range(2))

    assert all(np.array_equal(a.test, b.test) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["grouped", "random"])
def test_other_seed_gives_other_folds(labels: Labels, groups: Groups, name: str) -> None:
    first, second = (PROTOCOLS[name].split(labels, groups, 3, seed)[0].test for seed in (1, 2))

    assert not np.array_equal(first, second)
