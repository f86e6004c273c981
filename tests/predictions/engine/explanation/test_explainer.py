"""Explanations of every learner, with and without latent features, add up to what is served."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine.crossfit import Shots, fit
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


@pytest.fixture(
    scope="module",
    params=[*((name, 0) for name in FAMILIES), ("stacking", 4)],
    ids=lambda given: f"{given[0]}-{given[1]}",
)
def case(
    request: pytest.FixtureRequest, shots: ShotTable, matrix: Matrix, trained: TrainedModel
) -> Case:
    learner, n_latent = request.param
    labels = shots.labels()
    assert labels is not None
    params = replace(QUICK, learner=learner, n_latent=n_latent)
    learnt = Shots(matrix, labels, group_numbers(matrix))
    model = replace(trained, fitted=fit(learnt, params, 1, Meter(None, 1), "Test"), params=params)
    form = from_bytes(form_of(model, matrix).to_bytes())
    return Case(form, Explainer(form), load(export(model, matrix).data))


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
    assert case.explainer.method != "none"


def test_a_form_of_another_version_is_refused(case: Case, trained: TrainedModel) -> None:
    bent = replace(case.form, intercept=case.form.intercept + 0.01)

    with pytest.raises(NotAdditive, match=r"miss the served log-odds by 0\.01"):
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
