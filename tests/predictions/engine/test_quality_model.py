"""The training form is read strictly: every part present, none of another shape or layout."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from skops import io

from predictions.engine.parameters import TrainingParams
from predictions.engine.quality_model import ALLOWED_TYPES, UnreadableTrainingForm, from_bytes
from predictions.engine.tables import ShotTable
from predictions.engine.training import TrainedModel, train

PARAMS = TrainingParams(
    n_estimators=10, max_depth=2, n_folds=2, n_inner_folds=2, n_bootstraps=5, compare=False,
    n_latent=4, n_epochs=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def model(shots: ShotTable) -> TrainedModel:
    return train(shots.take(np.arange(600)), PARAMS, seed=1)


def _changed(model: TrainedModel, change: Callable[[dict[str, Any]], object]) -> bytes:
    content = io.loads(model.to_bytes(), trusted=sorted(ALLOWED_TYPES))
    change(content)
    return bytes(io.dumps(content))


def test_an_unchanged_form_is_read(model: TrainedModel, shots: ShotTable) -> None:
    again = from_bytes(_changed(model, lambda content: content))

    assert np.array_equal(again.predict(shots.matrix()), model.predict(shots.matrix()))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("medians"),
        lambda content: content.update(format=1),
        lambda content: content.update(family="oracle"),
        lambda content: content.update(calibration={"slope": 1.0}),
        lambda content: content["embedding"]["weights"].pop("out.bias"),
        lambda content: content["embedding"]["weights"].update(more=np.zeros(3)),
        lambda content: content["embedding"]["weights"].update({"out.bias": np.zeros(3)}),
        lambda content: content["embedding"]["weights"].update({"out.bias": np.full(8, np.nan)}),
        lambda content: content["embedding"].update(centre=np.zeros(29, dtype=np.float32)),
        lambda content: content["learner"].pop("estimator"),
    ],
)
def test_a_form_that_lacks_or_bends_a_part_is_refused(
    model: TrainedModel, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(UnreadableTrainingForm):
        from_bytes(_changed(model, change))


def test_the_form_names_no_type_beyond_the_list(model: TrainedModel) -> None:
    assert set(io.get_untrusted_types(data=model.to_bytes())) <= ALLOWED_TYPES


def test_latent_features_follow_the_encoder_of_the_version(
    model: TrainedModel, shots: ShotTable
) -> None:
    rows = shots.matrix()[:4]

    without = replace(model, fitted=replace(model.fitted, embedding=None))

    assert model.latent(rows).shape == (4, 4)
    assert without.latent(rows).shape == (4, 12)
    assert model.latent_method != without.latent_method
