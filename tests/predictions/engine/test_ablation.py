"""Ablation campaigns."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from predictions.engine.ablation import Axes, Campaign, campaign
from predictions.engine.parameters import ParameterProblem, TrainingParams
from predictions.engine.tables import ShotTable

TINY = TrainingParams(
    n_estimators=15, max_depth=3, learning_rate=0.1, n_folds=2, n_inner_folds=2, n_bootstraps=60,
    n_epochs=1,
)  # fmt: skip
AXES = Axes(
    features=("all", "process"), n_latent=(0, 4), learners=("gradient_boosting", "extra_trees")
)


@pytest.fixture(scope="module")
def part(shots: ShotTable) -> ShotTable:
    return shots.take(np.arange(900))


@pytest.fixture(scope="module")
def found(part: ShotTable) -> Campaign:
    return campaign(part, TINY, AXES, seed=1)


def test_every_combination_is_a_cell(found: Campaign) -> None:
    combinations = {(cell.features, cell.n_latent, cell.learner) for cell in found.cells}

    assert len(found.cells) == len(combinations) == 8


def test_cells_are_ranked_by_their_figure(found: Campaign) -> None:
    values = [cell.metrics["pr_auc"].value or 0 for cell in found.cells]

    assert values == sorted(values, reverse=True)


def test_the_reference_is_the_cell_of_the_parameters(found: Campaign) -> None:
    reference = found.reference

    assert (reference.features, reference.n_latent) == ("all", 0)
    assert reference.learner == "gradient_boosting"
    assert reference.gain is None
    assert reference in found.cells


def test_gains_are_differences_from_the_reference_with_intervals(found: Campaign) -> None:
    whole = found.reference.metrics["pr_auc"].value or 0

    for cell in found.cells:
        if cell.gain is None:
            continue
        assert cell.gain.value == pytest.approx((cell.metrics["pr_auc"].value or 0) - whole)
        assert cell.gain.value is not None
        assert cell.gain.low is not None
        assert cell.gain.high is not None
        assert cell.gain.low <= cell.gain.value <= cell.gain.high


def test_what_was_taken_away_is_missed(part: ShotTable) -> None:
    labels = np.asarray(part.data["Factory_Humidity"].to_numpy() > 60)
    place = part.names.index("defect")
    given = ShotTable(part.data.set_column(place, "defect", pa.array(labels)), part.source)

    axes = Axes(features=("all", "process"), n_latent=(0,), learners=("gradient_boosting",))
    cells = {cell.features: cell for cell in campaign(given, TINY, axes, seed=1).cells}

    assert (cells["all"].metrics["pr_auc"].value or 0) > 0.95
    assert cells["process"].gain is not None
    assert cells["process"].stands_out
    assert (cells["process"].gain.value or 0) < 0


def test_a_cell_equals_what_a_single_one_finds(part: ShotTable, found: Campaign) -> None:
    alone = campaign(
        part,
        replace(TINY, learner="extra_trees"),
        Axes(features=("all",), n_latent=(0,), learners=("extra_trees",)),
        seed=1,
    ).reference

    same = next(
        cell
        for cell in found.cells
        if (cell.features, cell.n_latent, cell.learner) == ("all", 0, "extra_trees")
    )
    assert alone.metrics == same.metrics


def test_the_table_is_ready_for_json(found: Campaign) -> None:
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))

    assert content["protocol"]["name"] == "grouped"
    assert {item["name"] for item in content["baselines"]} == {"constant", "lookup", "recent"}
    assert all(isinstance(cell["stands_out"], bool) for cell in content["cells"])


def test_progress_rises_to_one_and_can_end_it(part: ShotTable) -> None:
    told: list[float] = []
    axes = Axes(features=("all",), n_latent=(0,), learners=("logistic_regression", "extra_trees"))

    campaign(part, TINY, axes, seed=1, on_progress=lambda fraction, *_rest: told.append(fraction))

    assert told == sorted(told)
    assert told[-1] == 1.0

    def stop(*_given: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        campaign(part, TINY, axes, seed=1, on_progress=stop)


@pytest.mark.parametrize(
    "axes",
    [
        Axes(features=("colours",)),
        Axes(n_latent=(5,)),
        Axes(learners=("oracle",)),
        Axes(features=()),
    ],
)
def test_an_axis_that_is_not_allowed_is_refused(part: ShotTable, axes: Axes) -> None:
    with pytest.raises(ParameterProblem):
        campaign(part, TINY, axes, seed=1)
