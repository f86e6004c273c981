"""The gate's metrics against scikit-learn, resample by resample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from portal.registry.engine.bootstrap import (
    expanded,
    interval,
    paired_differences,
    resamples,
    student_quantile,
)
from portal.registry.engine.metrics import METRICS, Drawn, Sample, SampleError

N_RESAMPLES = 7


def ground_truth(name: str, sample: Sample, weights: np.ndarray) -> float:
    y, p = sample.y, sample.p
    if name == "f1":
        return float(reference.f1_score(y, p >= sample.threshold, sample_weight=weights))
    function = {
        "average_precision": reference.average_precision_score,
        "roc_auc": reference.roc_auc_score,
        "brier": reference.brier_score_loss,
    }[name]
    return float(function(y, p, sample_weight=weights))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("n_levels", [3, 1000])
def test_every_metric_agrees_with_scikit_learn_on_every_resample(name: str, n_levels: int) -> None:
    rng = np.random.default_rng(5)
    y = rng.random(120) < 0.3
    p = np.round((0.3 * y + 0.7 * rng.random(120)) * n_levels) / n_levels
    sample = Sample(y, p, threshold=0.5)
    weights = rng.integers(0, 4, size=(120, N_RESAMPLES)).astype(float)

    got = METRICS[name].function(Drawn(sample, weights.copy()))

    wanted = [ground_truth(name, sample, weights[:, k]) for k in range(N_RESAMPLES)]
    np.testing.assert_allclose(got, wanted, atol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_leaves_the_weights_alone(name: str) -> None:
    sample = Sample(np.array([True, False, True]), np.array([0.9, 0.5, 0.5]), 0.5)
    weights = np.ones((3, 2))
    METRICS[name].function(Drawn(sample, weights))

    assert (weights == 1).all()


def test_a_hand_worked_case() -> None:
    sample = Sample(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]), 0.75)

    assert METRICS["average_precision"].value(sample) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert METRICS["roc_auc"].value(sample) == pytest.approx(3 / 4)
    assert METRICS["f1"].value(sample) == pytest.approx(2 * 1 / (2 + 2))
    assert METRICS["brier"].value(sample) == pytest.approx((0.01 + 0.64 + 0.09 + 0.01) / 4)


def test_a_resample_of_one_class_leaves_ranking_undefined() -> None:
    sample = Sample(np.array([True, False]), np.array([0.9, 0.1]), 0.5)
    only_negative = np.array([[0.0], [2.0]])

    assert np.isnan(METRICS["average_precision"].function(Drawn(sample, only_negative)))
    assert np.isnan(METRICS["roc_auc"].function(Drawn(sample, only_negative)))


@pytest.mark.parametrize(
    ("y", "p", "threshold"),
    [
        ([True], [float("nan")], 0.5),
        ([True], [1.1], 0.5),
        ([True], [-0.1], 0.5),
        ([True, False], [0.5], 0.5),
        ([], [], 0.5),
        ([True], [0.5], float("nan")),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(
    y: list[bool], p: list[float], threshold: float
) -> None:
    with pytest.raises(SampleError):
        Sample(np.array(y, dtype=bool), np.array(p, dtype=float), threshold)


def test_a_resample_draws_whole_groups() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2])
    drawn = resamples(groups, n_groups=3, n_resamples=50, rng=np.random.default_rng(0))
    weights = np.concatenate(list(drawn), axis=1)

    assert weights.shape == (6, 50)
    assert (weights[0] == weights[1]).all()
    assert (weights[4] == weights[5]).all()
    assert (weights[[0, 3, 4]].sum(axis=0) == 3).all()


def test_batches_draw_the_same_as_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.arange(40) % 3 == 0
    one = Sample(y, np.linspace(0, 1, 40), 0.5)
    other = Sample(y, np.linspace(1, 0, 40), 0.5)

    def differences() -> np.ndarray:
        return paired_differences(
            one,
            other,
            list(METRICS.values()),
            np.arange(40),
            n_resamples=30,
            rng=np.random.default_rng(1),
        )["roc_auc"]

    whole = differences()
    monkeypatch.setattr("portal.registry.engine.bootstrap.MAX_CELLS", 200)
    np.testing.assert_allclose(differences(), whole)


def test_an_interval_ignores_undefined_resamples() -> None:
    values = np.array([np.nan, 0.0, 0.5, 1.0])

    assert interval(values, 0.5, 10**6) == pytest.approx((0.25, 0.75), abs=1e-4)
    assert np.isnan(interval(np.array([np.nan]), 0.9, 30)).all()


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 29, 500])
@pytest.mark.parametrize("tail", [0.4, 0.1, 0.05, 0.004])
def test_the_quantile_is_that_of_student(freedom: int, tail: float) -> None:
    assert student_quantile(tail, freedom) == pytest.approx(stats.t.isf(tail, freedom), rel=1e-4)


def test_few_blocks_make_a_wider_interval() -> None:
    values = np.random.default_rng(0).normal(size=4_000)
    widths = [np.diff(interval(values, 0.9, n))[0] for n in (1, 3, 6, 30, 10_000)]

    assert widths == sorted(widths, reverse=True)
    assert widths[0] == pytest.approx(np.ptp(values))
    assert expanded(0.05, 10_000) == pytest.approx(0.05, abs=1e-4)


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = dict.fromkeys((8, 10**6), 0)
    for _ in range(400):
        sample = rng.normal(size=8)
        means = rng.choice(sample, (400, 8)).mean(axis=1)
        for n_blocks in held:
            low, high = interval(means, 0.9, n_blocks)
            held[n_blocks] += low <= 0 <= high

    assert held[8] / 400 >= 0.87
    assert held[10**6] < held[8]


@settings(max_examples=40, deadline=None)
@given(
    data=st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=16)), min_size=2, max_size=60),
    scale=st.floats(0.1, 0.9),
)
def test_ranking_metrics_see_only_the_order(data: list[tuple[bool, float]], scale: float) -> None:
    y = np.array([label for label, _p in data] + [True, False])
    p = np.array([value for _label, value in data] + [0.5, 0.5])
    plain, squeezed = Sample(y, p, 0.5), Sample(y, np.round(p, 6) * scale, 0.5)
    plain = Sample(y, np.round(p, 6), 0.5)

    for name in ("average_precision", "roc_auc"):
        metric = METRICS[name]
        assert 0 <= metric.value(plain) <= 1
        assert metric.value(plain) == pytest.approx(metric.value(squeezed))
