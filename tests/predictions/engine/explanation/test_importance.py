"""What a version looks at over all."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine.explanation.explainer import Explainer, form_of
from predictions.engine.explanation.importance import GlobalImportance, global_importance
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.training import TrainedModel

Matrix = NDArray[np.float32]


@pytest.fixture(scope="module")
def explainer(trained: TrainedModel, matrix: Matrix) -> Explainer:
    return Explainer(form_of(trained, matrix))


def found(explainer: Explainer, rows: Matrix, seed: int = 5, n_shots: int = 60) -> GlobalImportance:
    return global_importance(explainer, rows, FEATURE_NAMES, seed=seed, n_shots=n_shots)


def test_it_is_the_mean_size_of_the_parts(explainer: Explainer, matrix: Matrix) -> None:
    rows = matrix[:12]

    weights = {one.feature: one.value for one in found(explainer, rows).features}

    sizes = np.abs([explainer.explain(row).values for row in rows]).mean(axis=0)
    assert [weights[name] for name in FEATURE_NAMES] == pytest.approx(sizes.tolist())


def test_it_is_ranked_and_holds_its_intervals(explainer: Explainer, matrix: Matrix) -> None:
    features = found(explainer, matrix).features

    values = [one.value for one in features]
    assert len(features) == 30
    assert values == sorted(values, reverse=True)
    assert all(one.low <= one.value <= one.high for one in features)
    assert features[0].low < features[0].high


def test_copies_count_once(explainer: Explainer, matrix: Matrix) -> None:
    rows = matrix[:10]
    heavy = np.concatenate([rows, np.repeat(rows[:1], 50, axis=0)])

    assert found(explainer, heavy).n_shots == found(explainer, rows).n_shots == 10
    assert found(explainer, heavy).features[0].value == pytest.approx(
        found(explainer, rows).features[0].value
    )


def test_same_seed_same_figures(explainer: Explainer, matrix: Matrix) -> None:
    assert found(explainer, matrix) == found(explainer, matrix)
    assert found(explainer, matrix) != found(explainer, matrix, seed=6)


def test_it_is_ready_for_json_and_can_be_ended(explainer: Explainer, matrix: Matrix) -> None:
    content = json.loads(json.dumps(found(explainer, matrix[:5]).to_dict(), allow_nan=False))
    assert content["unit"] == "log-odds"
    assert content["method"] == explainer.method

    def stop(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        global_importance(explainer, matrix, FEATURE_NAMES, seed=1, on_shot=stop)
