"""Explanations of every learner, with and without latent features, add up to what is served."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine.autoencoder import LATENT_SIZES
from predictions.engine.calibration import FITS
from predictions.engine.calibrators import Isotonic
from predictions.engine.crossfit import Fitted, Shots, fit
from predictions.engine.explanation.explainer import (
    Explainer,
    ExplanationForm,
    NotAdditive,
    UnreadableExplainer,
    form_of,
    from_bytes,
    log_odds_error,
)
from predictions.engine.export import export, parity_rows
from predictions.engine.learners.families import FAMILIES
from predictions.engine.parameters import TrainingParams
from predictions.engine.progress import Meter
from predictions.engine.rows import group_numbers
from predictions.engine.serving import ServingModel, load
from predictions.engine.tables import ShotTable
from predictions.engine.training import TrainedModel

Matrix = NDArray[np.float32]
QUICK = TrainingParams(n_estimators=20, max_depth=4, learning_rate=0.1, n_epochs=2)


@dataclass(frozen=True)
class Case:
    form: ExplanationForm
    explainer: Explainer
    served: ServingModel

    def probability(self, rows: Matrix) -> NDArray[np.float32]:
        return self.served.predict(rows)[0]


Make = Callable[[str, int, str], Case]


@pytest.fixture(scope="module")
def make(shots: ShotTable, matrix: Matrix, trained: TrainedModel) -> Make:
    """Give ``make(learner, n_latent, calibration)``; what was fitted once is not fitted again."""
    labels = shots.labels()
    assert labels is not None
    part = np.arange(0, len(matrix), 3)
    learnt = Shots(matrix[part], labels[part], group_numbers(matrix[part]))
    unseen = np.arange(1, len(matrix), 3)

    @cache
    def fitted(learner: str, n_latent: int) -> tuple[TrainingParams, Fitted]:
        params = replace(QUICK, learner=learner, n_latent=n_latent)
        return params, fit(learnt, params, 1, Meter(None, 1), "Test")

    @cache
    def case(learner: str, n_latent: int, calibration: str) -> Case:
        params, one = fitted(learner, n_latent)
        calibrator = FITS[calibration](one.raw(matrix[unseen]), labels[unseen])
        model = replace(trained, fitted=one, params=params, calibration=calibrator)
        form = from_bytes(form_of(model, matrix).to_bytes())
        return Case(form, Explainer(form), load(export(model, matrix[:1_000]).data))

    return case


@pytest.fixture(
    scope="module",
    params=[
        *((name, 0, "platt") for name in FAMILIES),
        ("stacking", 4, "platt"),
        ("gradient_boosting", 4, "isotonic"),
    ],
    ids=lambda given: "-".join(map(str, given)),
)
def case(request: pytest.FixtureRequest, make: Make) -> Case:
    return make(*request.param)


@pytest.mark.parametrize("calibration", FITS)
@pytest.mark.parametrize("n_latent", [0, *LATENT_SIZES])
@pytest.mark.parametrize("learner", FAMILIES)
def test_every_learner_s_parts_add_up_at_every_latent_size_and_calibration(
    make: Make, matrix: Matrix, learner: str, n_latent: int, calibration: str
) -> None:
    case = make(learner, n_latent, calibration)
    rows = parity_rows(matrix, seed=4)[-40:]
    assert np.isnan(rows).any()

    pairs = zip(rows, case.probability(rows).tolist(), strict=True)

    assert max(log_odds_error(case.explainer.explain(row), p) for row, p in pairs) < 1e-4


def test_parts_add_up_to_the_served_log_odds(case: Case, matrix: Matrix) -> None:
    rows = parity_rows(matrix, seed=3)[-120:]
    assert np.isnan(rows).any()

    pairs = zip(rows, case.probability(rows).tolist(), strict=True)

    assert max(log_odds_error(case.explainer.explain(row), p) for row, p in pairs) < 1e-4


def test_the_samples_prove_it_at_every_load(case: Case) -> None:
    assert len(case.form.samples) == 24
    assert case.explainer.check(case.probability) < 1e-4


def test_every_part_falls_to_one_of_the_thirty_features(case: Case, matrix: Matrix) -> None:
    explained = case.explainer.explain(matrix[5])

    assert explained.values.shape == (30,)
    assert np.count_nonzero(explained.values) > 3


def test_same_form_same_bytes_same_explanation(case: Case, matrix: Matrix) -> None:
    again = from_bytes(case.form.to_bytes())

    assert again.to_bytes() == case.form.to_bytes()
    assert np.array_equal(
        Explainer(again).explain(matrix[7]).values, case.explainer.explain(matrix[7]).values
    )


def test_the_method_names_each_step(case: Case) -> None:
    has_latent = case.form.embedding is not None

    assert ("latent-by-integrated-gradients" in case.explainer.method) == has_latent
    assert ("isotonic" in case.explainer.method) == isinstance(case.form.calibrator, Isotonic)
    assert case.explainer.method != "none"


def test_a_form_of_another_version_is_refused(case: Case, trained: TrainedModel) -> None:
    bent = replace(case.form, score=replace(case.form.score, bias=case.form.score.bias + 0.1))

    with pytest.raises(NotAdditive, match=r"miss the served log-odds by 0\.\d"):
        Explainer(bent).check(case.probability)


@pytest.mark.parametrize("data", [b"", b"not a file", b"PK\x03\x04 cut short"])
def test_a_damaged_form_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableExplainer, match="not an explanation form"):
        from_bytes(data)


def test_a_form_of_another_format_is_refused(
    case: Case, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictions.engine.explanation.explainer.EXPLAINER_FORMAT", 99)
    later = case.form.to_bytes()
    monkeypatch.undo()

    with pytest.raises(UnreadableExplainer, match="format 99"):
        from_bytes(later)
