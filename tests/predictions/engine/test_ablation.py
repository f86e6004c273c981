"""Ablation campaigns."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from predictions.engine import ablation
from predictions.engine.ablation import (
    Campaign,
    Cell,
    Checkpoint,
    UnreadableCheckpoint,
    campaign,
)
from predictions.engine.axes import Axes
from predictions.engine.bootstrap import Interval
from predictions.engine.parameters import ParameterProblem, TrainingParams
from predictions.engine.report import BaselineResult
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
    assert content["n_planned"] == len(content["cells"]) == 8
    assert [cell["is_best"] for cell in content["cells"]] == [True] + [False] * 7
    assert sum(cell["is_reference"] for cell in content["cells"]) == 1
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


def test_the_reference_is_run_though_the_axes_lack_it(part: ShotTable) -> None:
    axes = Axes(features=("process",), n_latent=(0,), learners=("logistic_regression",))

    cells = axes.cells(TINY)

    assert cells[0] == TINY
    assert len(cells) == 2
    assert Axes.from_dict(json.loads(json.dumps(axes.to_dict()))).cells(TINY) == cells


def test_a_campaign_goes_on_behind_the_last_cell(
    part: ShotTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = Axes(features=("all", "sensor"), n_latent=(0,), learners=("logistic_regression",))
    kept: list[bytes] = []
    partial: list[Campaign] = []

    def keep(done: Checkpoint, so_far: Campaign) -> None:
        kept.append(done.to_bytes())
        partial.append(so_far)

    whole = campaign(part, TINY, axes, seed=1, on_cell=keep)
    ran: list[str] = []
    run = ablation._run

    def watched(basis: object, trial: object, cell: TrainingParams, *rest: object) -> object:
        ran.append(cell.features)
        return run(basis, trial, cell, *rest)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(ablation, "_run", watched)
    again = campaign(part, TINY, axes, seed=1, done=Checkpoint.from_bytes(kept[1]))

    assert [len(one.cells) for one in partial] == [1, 2, 3]
    assert partial[0].n_planned == 3
    assert ran == ["sensor"]
    assert [one.metrics for one in again.cells] == [one.metrics for one in whole.cells]
    assert [one.gain for one in again.cells] == [one.gain for one in whole.cells]
    assert again.baselines == whole.baselines
    assert (
        campaign(part, TINY, axes, seed=1, done=Checkpoint.from_bytes(kept[2])).n_tested
        == whole.n_tested
    )


@pytest.mark.parametrize("data", [b"", b"nothing", b"PK\x03\x04"])
def test_a_damaged_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableCheckpoint, match="not a checkpoint"):
        Checkpoint.from_bytes(data)


def _cell(learner: str, value: float | None, gain: Interval | None = None) -> Cell:
    metrics = {} if value is None else {"pr_auc": Interval(value, value - 0.1, value + 0.1)}
    return Cell("all", 0, learner, metrics, gain, 1.0)


REFERENCE = _cell("gradient_boosting", 0.5)
SURE, CHANCE = Interval(0.1, 0.02, 0.2), Interval(0.01, -0.1, 0.1)


@pytest.mark.parametrize(
    ("cells", "baseline", "verdict"),
    [
        ([REFERENCE, _cell("extra_trees", 0.4, CHANCE)], 0.2, "present"),
        ([_cell("extra_trees", 0.6, SURE), REFERENCE], 0.2, "better"),
        ([_cell("extra_trees", 0.51, CHANCE), REFERENCE], 0.2, "undecided"),
        ([_cell("extra_trees", 0.6, SURE), REFERENCE], 0.6, "baseline"),
        ([_cell("gradient_boosting", None)], 0.2, "none"),
    ],
)
def test_the_verdict_trusts_no_bare_difference(
    cells: list[Cell], baseline: float, verdict: str
) -> None:
    humble = BaselineResult("recent", "", "", {"pr_auc": Interval(baseline, None, None)})
    reference = REFERENCE if REFERENCE in cells else cells[0]

    found = Campaign({}, {}, 1, 9, 9, 2, tuple(cells), reference, (humble,), ())

    assert found.verdict == verdict
