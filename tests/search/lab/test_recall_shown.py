"""What a recall can be called after so many questions, where its truth is known."""

import numpy as np
import pytest

from search.lab.engine import breadths, statistics
from search.lab.engine.measuring import scored


@pytest.mark.parametrize(("n_questions", "most"), [(50, 0.9849), (500, 0.9985), (1_000, 0.9992)])
def test_questions_without_a_miss_show_no_more_than_so_many_can(
    n_questions: int, most: float
) -> None:
    found = statistics.recall(np.ones(n_questions))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(most, abs=1e-4)


def test_one_row_missed_shows_no_more_than_none() -> None:
    perfect = np.ones(500)
    nearly = perfect.copy()
    nearly[7] = 0.9
    assert statistics.recall(nearly).low <= statistics.recall(perfect).low


def test_a_cell_without_a_miss_has_an_interval() -> None:
    rows = [np.arange(10)] * 100
    samples = scored(rows, np.tile(np.arange(10), (100, 1)), np.ones(100), np.ones(100))
    answers = statistics.rates({"1": [900.0, 950.0]})["1"]
    found = statistics.figures(samples, answers)["recall"]
    assert 0.98 < found.low < 0.995
    assert (found.value, found.high) == (1.0, 1.0)


def test_a_breadth_reaches_no_target_that_its_questions_cannot_show() -> None:
    def perfect(_breadth: int) -> statistics.Figure:
        return statistics.recall(np.ones(500))

    assert breadths.least_breadth(perfect, 0.999) is None
    found = breadths.least_breadth(perfect, 0.99)
    assert found is not None
    assert found[0] == breadths.BREADTHS[0]


@pytest.mark.parametrize("share", [0.001, 0.003, 0.007])
def test_the_lower_end_lies_below_the_true_recall_as_often_as_it_says(share: float) -> None:
    generator = np.random.default_rng(5)
    truth = 1 - 0.2 * share
    lows = [
        statistics.recall(np.where(generator.random(500) < share, 0.8, 1.0)).low for _ in range(200)
    ]
    assert np.mean(np.array(lows) <= truth) >= 0.95
