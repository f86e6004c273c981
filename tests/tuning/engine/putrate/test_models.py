"""Every version: one contract, and what v5 must be better at."""

import dataclasses
import json
import math

import numpy as np
import pytest

from tests.tuning.engine.putrate.rows import BASE, observations
from tuning.engine.problems import ModelError
from tuning.engine.putrate.boosting import Boosting
from tuning.engine.putrate.calibrated import Calibrated
from tuning.engine.putrate.contract import conformal, folds
from tuning.engine.putrate.versions import VERSIONS, loaded, score


@pytest.fixture(scope="module")
def fifth() -> Calibrated:
    """v5 fitted on the known law."""
    return Calibrated().fit(observations())


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_predicts_within_its_interval_and_survives_json(name: str) -> None:
    fitted = VERSIONS[name]().fit(observations()[::2])
    found = fitted.predict(BASE)
    assert 0 < found.low < found.rate < found.high
    again = loaded(json.loads(json.dumps(fitted.as_json(), allow_nan=False)))
    assert again == fitted
    assert again.predict(BASE) == found
    assert again.formula
    assert again.stated_error >= 0


@pytest.mark.parametrize("name", VERSIONS)
def test_an_unfitted_version_says_so(name: str) -> None:
    with pytest.raises(ModelError, match="not fitted"):
        VERSIONS[name]().predict(BASE)


@pytest.mark.parametrize("name", VERSIONS)
def test_too_few_or_impossible_rows_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="at least 8"):
        VERSIONS[name]().fit(observations()[:7])
    bad = dataclasses.replace(observations()[0], rate=-1.0)
    with pytest.raises(ModelError, match="positive"):
        VERSIONS[name]().fit([bad, *observations()])


def test_v5_finds_a_known_law_that_the_bare_formula_misses(fifth: Calibrated) -> None:
    found = score("v5", Calibrated, observations(), n_folds=3)
    bare = score("v3", VERSIONS["v3"], observations(), n_folds=3)
    assert found.median_ape < 0.10
    assert found.median_ape < bare.median_ape
    assert 0.6 <= found.coverage <= 0.95
    assert fifth.stated_error < 0.10


def test_the_boosting_is_scored_beside_and_never_kept() -> None:
    found = score("boosting", Boosting, observations()[::3], n_folds=2)
    assert found.n == len(observations()[::3])
    assert 0 < found.median_ape < 1
    with pytest.raises(ModelError, match="comparison"):
        Boosting().fit(observations()).as_json()


def test_v5_follows_an_engine_that_became_slower(fifth: Calibrated) -> None:
    model, given = fifth, observations()[5].inputs
    slower = 0.7 * fifth.predict(given).rate
    for _ in range(12):
        model = model.adapted(given, slower)
    assert model.predict(given).rate == pytest.approx(slower, rel=0.03)
    for _ in range(50):
        model = model.adapted(given, 1e-3)
    assert model.bias == pytest.approx(-math.log(2.0))


def test_v5_tells_an_input_beyond_what_it_was_fitted_on(fifth: Calibrated) -> None:
    assert not fifth.predict(observations()[0].inputs).is_extrapolated
    assert fifth.predict(dataclasses.replace(BASE, value_bytes=60_000.0)).is_extrapolated


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"model": "v9"},
        {"model": "v1", "half_width": "wide", "stated_error": 0.1},
        {"model": "v5", "cpu_scale": 1.0},
        {"model": "v1", "half_width": float("nan"), "stated_error": 0.1},
    ],
)
def test_json_that_is_no_model_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="no put-rate model"):
        loaded(broken)


def test_lists_of_another_length_are_refused(fifth: Calibrated) -> None:
    data = fifth.as_json()
    with pytest.raises(ModelError, match="weights"):
        loaded({**data, "weights": data["weights"][1:]})


def test_the_conformal_half_width_by_hand() -> None:
    # Nine residuals: the eighth smallest, as ceil(10 * 0.8) = 8.
    assert conformal(np.array([9.0, -8, 7, -6, 5, -4, 3, -2, 1])) == 8.0
    assert conformal(np.array([1.0])) == 1.0


def test_folds_never_split_a_group() -> None:
    groups = [f"g{at % 7}" for at in range(50)]
    masks = folds(groups, 4)
    assert np.sum(masks, axis=0).tolist() == [1] * 50
    for mask in masks:
        inside = {group for group, left in zip(groups, mask, strict=True) if left}
        outside = {group for group, left in zip(groups, mask, strict=True) if not left}
        assert not inside & outside
