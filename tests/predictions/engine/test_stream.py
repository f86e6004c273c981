"""Months of generated shots: molds come, go and come back."""

import itertools

import numpy as np
import pytest

from predictions.engine.stream import LOT_SHOTS, generate_stream


def test_the_same_seed_gives_the_same_shots_and_another_others() -> None:
    one, same, other = (generate_stream(600, seed).to_csv() for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_shots_are_what_the_importer_takes_and_say_that_they_are_synthetic() -> None:
    table = generate_stream(1_500, 3).table()

    labels = table.labels()
    assert labels is not None
    assert table.is_synthetic
    assert table.n_rows == 1_500
    assert labels.mean() == pytest.approx(0.2, abs=0.05)
    assert len(np.unique(table.matrix(), axis=0)) == 1_500


def test_molds_are_few_at_a_time_and_some_return() -> None:
    table = generate_stream(12_000, 4, n_molds=10, n_active=3).table()
    molds = [str(name) for name in table.metadata("Mold") or ()]
    lots = [(name, len(list(group))) for name, group in itertools.groupby(molds)]
    names = [name for name, _size in lots]

    assert max(size for _name, size in lots[:-1]) <= LOT_SHOTS[1]
    assert len(set(names[:20])) == 3
    assert len(set(names)) > 5
    gaps = [
        later - sooner
        for name in set(names)
        for sooner, later in itertools.pairwise(i for i, one in enumerate(names) if one == name)
    ]
    assert max(gaps) > 25


@pytest.mark.parametrize(
    "words",
    [
        {"n_shots": 0},
        {"n_shots": 10, "n_molds": 3, "n_active": 3},
        {"n_shots": 10, "defect_share": 0.95},
    ],
)
def test_senseless_arguments_are_refused(words: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        generate_stream(seed=1, **words)  # type: ignore[arg-type]
