"""Work centres and times."""

import numpy as np
import pytest

from predictions.engine.routing.book import make_books
from predictions.engine.routing.learning.times import TimeRows, fit_times, measured_margins
from predictions.engine.routing.learning.trees import TreeSettings
from predictions.engine.routing.resources import GRACE_DAYS, Resources, open_days
from predictions.engine.routing.routings import Routing
from predictions.engine.routing.times import LEAST_MINUTES, TimeModel

SETTINGS = TreeSettings(n_trees=30, learning_rate=0.2, max_leaf_nodes=8, min_samples_leaf=8)
N = 900


@pytest.fixture(scope="module")
def design() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 3, size=(N, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def rows(design: np.ndarray) -> dict[str, TimeRows]:
    """Return setup times that grow with the first column, run times with the second."""
    noise = np.random.default_rng(1).normal(0, 0.2, size=(N, 2))
    items = np.arange(N)
    return {"TURN": TimeRows(items, np.zeros(N, int), np.full(N, 19_000.0), design + noise)}


@pytest.fixture(scope="module")
def fitted(design: np.ndarray, rows: dict[str, TimeRows]) -> TimeModel:
    return fit_times(rows, np.arange(N) < N // 3, design, 0, SETTINGS, seed=0)


def test_margins_make_four_in_five_times_fall_into_the_interval(
    design: np.ndarray, rows: dict[str, TimeRows], fitted: TimeModel
) -> None:
    held, test = (rows["TURN"].of(np.arange(N) % 3 == rest) for rest in (1, 2))
    later = np.arange(N) >= N // 3
    held, test = held.of(later), test.of(later)
    margins = measured_margins(fitted, {"TURN": held}, design)
    model = TimeModel(
        fitted.operations, fitted.places, fitted.trees, margins, fitted.reference_day, (1.0, 1.0)
    )

    found = model.predict("TURN", design[test.items], test.work_center, test.day)

    for spans, target in ((found.setup, 0), (found.run, 1)):
        actual = np.exp(test.logs[:, target])
        covered = (spans[:, 0] <= actual) & (actual <= spans[:, 2])
        assert covered.mean() == pytest.approx(0.8, abs=0.08)
        assert (np.diff(spans, axis=1) >= 0).all()
        error = np.abs(spans[:, 1] - actual).sum() / actual.sum()
        assert error < 0.3


def test_an_operation_with_few_rows_gives_its_own_quantiles(design: np.ndarray) -> None:
    logs = np.log(np.column_stack([np.arange(1.0, 12), np.full(11, 5.0)]))
    few = {"LAP": TimeRows(np.arange(11), np.zeros(11, int), np.full(11, 19_000.0), logs)}

    model = fit_times(few, np.ones(N, dtype=bool), design, 0, SETTINGS, seed=0)
    found = model.predict("LAP", design[:1], np.array([0]), np.array([19_000.0]))

    assert found.setup[0] == pytest.approx([2, 6, 10], rel=1e-6)
    assert found.run[0] == pytest.approx([5, 5, 5], rel=1e-6)


def test_times_are_never_zero_or_below(design: np.ndarray) -> None:
    logs = np.full((5, 2), np.log(LEAST_MINUTES))
    few = {"LAP": TimeRows(np.arange(5), np.zeros(5, int), np.full(5, 19_000.0), logs)}

    model = fit_times(few, np.zeros(N, dtype=bool), design, 0, SETTINGS, seed=0)

    found = model.predict("LAP", design[:1], np.array([99]), np.array([19_000.0]))
    assert (found.setup >= LEAST_MINUTES).all()


def _resources() -> Resources:
    """Return six items turned on an old machine, then two on its successor."""
    places = ["L-OLD"] * 6 + ["L-NEW"] * 2
    days = [18_000 + 10 * place for place in range(6)] + [19_000, 19_010]
    one = np.ones(1)
    routings = [
        Routing(("TURN",), (place,), one, one, (10,), day)
        for place, day in zip(places, days, strict=True)
    ]
    book, steps = make_books(routings)
    return Resources(book, steps, *open_days(steps))


def test_a_machine_that_is_gone_is_not_proposed() -> None:
    resources = _resources()
    similarity = np.array([0.9] * 6 + [0.5] * 2, dtype=np.float32)

    chosen = [resources.choose(0, similarity, 30.0, day) for day in (18_020, 19_005, 25_000)]

    assert [resources.steps.work_centers[one] for one in chosen] == ["L-OLD", "L-NEW", "L-NEW"]


def test_with_no_machine_open_the_similar_items_decide() -> None:
    resources = _resources()
    similarity = np.array([0.9] * 6 + [0.5] * 2, dtype=np.float32)

    chosen = resources.choose(0, similarity, 30.0, 18_050 + 2 * GRACE_DAYS)

    assert resources.steps.work_centers[chosen] == "L-OLD"
