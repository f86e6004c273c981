"""What every learner must do, run over all of them, with and without latent features."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine import quality_model
from predictions.engine.additive import AdditiveScore
from predictions.engine.crossfit import Fitted, Shots, fit
from predictions.engine.export import MAX_ABS_ERROR, export, parity_rows
from predictions.engine.features import FEATURE_SETS
from predictions.engine.learners.families import FAMILIES
from predictions.engine.metrics import roc_auc
from predictions.engine.parameters import TrainingParams
from predictions.engine.progress import Meter
from predictions.engine.rows import group_numbers
from predictions.engine.serving import ServingModel, load
from predictions.engine.tables import ShotTable
from predictions.engine.training import TrainedModel

Matrix = NDArray[np.float32]
QUICK = TrainingParams(n_estimators=30, max_depth=4, learning_rate=0.1, n_epochs=2)
LEARNT, UNSEEN = np.arange(0, 2_400, 2), np.arange(1, 2_400, 2)
LATENT_SIZES = (0, 4)


@pytest.fixture(scope="module")
def learnt(shots: ShotTable) -> Shots:
    part = shots.take(LEARNT)
    labels = part.labels()
    assert labels is not None
    return Shots(part.matrix(), labels, group_numbers(part.matrix()))


def _fit(learnt: Shots, params: TrainingParams, seed: int = 1) -> Fitted:
    return fit(learnt, params, seed, Meter(None, 1), "Test")


@pytest.fixture(
    scope="module",
    params=[(name, size) for name in FAMILIES for size in LATENT_SIZES],
    ids=lambda given: f"{given[0]}-{given[1]}",
)
def params(request: pytest.FixtureRequest) -> TrainingParams:
    learner, n_latent = request.param
    return replace(QUICK, learner=learner, n_latent=n_latent)


@pytest.fixture(scope="module")
def fitted(learnt: Shots, params: TrainingParams) -> Fitted:
    return _fit(learnt, params)


@pytest.fixture(scope="module")
def model(fitted: Fitted, params: TrainingParams, trained: TrainedModel) -> TrainedModel:
    """A whole version around the learner; all but the learner is another version's."""
    return replace(trained, fitted=fitted, params=params)


@pytest.fixture(scope="module")
def served(model: TrainedModel, matrix: Matrix) -> ServingModel:
    return load(export(model, matrix).data)


def summed(score: AdditiveScore, columns: Matrix) -> NDArray[np.float64]:
    """Add up a score row by row: slow, and by its definition."""
    raw = np.full(len(columns), score.bias)
    if score.trees is not None:
        assert score.trees.bias == 0
        raw += [score.trees.margin(row) for row in columns]
    if score.linear is not None:
        raw += score.linear.raw(columns)
    return raw


def test_it_ranks_unseen_shots_better_than_chance(
    fitted: Fitted, matrix: Matrix, shots: ShotTable
) -> None:
    labels = shots.labels()
    assert labels is not None

    raw = fitted.raw(matrix[UNSEEN])

    assert roc_auc(labels[UNSEEN], raw, labels[UNSEEN], np.ones(len(UNSEEN))) > 0.65


def test_its_mean_score_is_near_the_log_odds_of_the_share(fitted: Fitted, learnt: Shots) -> None:
    raw = fitted.raw(learnt.matrix)

    assert abs((1 / (1 + np.exp(-raw))).mean() - learnt.labels.mean()) < 0.06


def test_its_sum_of_parts_is_its_score(fitted: Fitted, matrix: Matrix) -> None:
    rows = matrix[-60:]

    parts = summed(fitted.learner.score(), fitted.columns(rows))

    np.testing.assert_allclose(parts, fitted.raw(rows), atol=1e-9)


def test_its_importance_is_a_share_of_every_column(fitted: Fitted, params: TrainingParams) -> None:
    importance = fitted.learner.importance()

    assert importance.shape == (30 + params.n_latent,)
    assert importance.min() >= 0
    assert importance.sum() == pytest.approx(1)


def test_same_seed_gives_the_same_learner(
    learnt: Shots, params: TrainingParams, fitted: Fitted, matrix: Matrix
) -> None:
    again = _fit(learnt, params)

    assert np.array_equal(again.raw(matrix), fitted.raw(matrix))


def test_its_file_brings_it_back(model: TrainedModel, matrix: Matrix) -> None:
    again = quality_model.from_bytes(model.to_bytes())

    assert again.latent_method == model.latent_method
    assert np.array_equal(again.predict(matrix), model.predict(matrix))
    assert np.array_equal(again.latent(matrix), model.latent(matrix))


def test_its_serving_form_says_the_same(
    model: TrainedModel, served: ServingModel, matrix: Matrix
) -> None:
    rows = parity_rows(matrix, seed=5)

    probability, latent = served.predict(rows)

    assert np.abs(probability - model.predict(rows)).max() < MAX_ABS_ERROR
    assert np.abs(latent - model.latent(rows)).max() < MAX_ABS_ERROR
    assert served.latent_method == model.latent_method


def test_its_serving_form_takes_no_row_and_wild_rows(
    served: ServingModel, params: TrainingParams
) -> None:
    wild = np.array([[1e30] * 30, [-1e30] * 30, [np.nan] * 30], dtype=np.float32)
    n_latent = params.n_latent or 12

    assert served.predict(wild[:0])[1].shape == (0, n_latent)
    probability, latent = served.predict(wild)
    assert np.isfinite(probability).all()
    assert latent.shape == (3, n_latent)
    assert np.isfinite(latent).all()


def test_its_stages_add_up_to_the_whole(learnt: Shots, params: TrainingParams) -> None:
    told: list[float] = []
    meter = Meter(lambda fraction, *_rest: told.append(fraction), len(learnt))

    fit(learnt, params, 1, meter, "Test")

    assert meter.done == pytest.approx(len(learnt))
    assert told == sorted(told)


@pytest.mark.parametrize("name", FAMILIES)
def test_it_does_not_use_features_it_may_not_see(name: str, learnt: Shots, matrix: Matrix) -> None:
    fitted = _fit(learnt, replace(QUICK, learner=name, features="process", n_latent=4))
    changed = matrix[:200].copy()
    changed[:, FEATURE_SETS["sensor"]] += 100

    assert np.array_equal(fitted.raw(changed), fitted.raw(matrix[:200]))
