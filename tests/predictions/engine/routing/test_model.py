"""Proposals of a trained model."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pytest

from predictions.engine.routing.decision import Familiarity, level
from predictions.engine.routing.generator import Generated
from predictions.engine.routing.model import RoutingModel
from predictions.engine.routing.parameters import TrainingParams
from predictions.engine.routing.problems import ItemProblem, NotTrainable, ParameterProblem
from predictions.engine.routing.tables import ItemTable, RoutingTable
from predictions.engine.routing.training import train
from tests.predictions.engine.routing.conftest import SMALL, as_item


def test_a_proposal_has_the_shape_of_the_contract(
    model: RoutingModel, item: Mapping[str, Any]
) -> None:
    answer = model.propose(item, top_k=3).to_dict()

    json.dumps(answer, allow_nan=False)
    assert 1 <= len(answer["candidates"]) <= 3
    step_keys = {"sequence", "operation", "work_center", "setup_minutes", "run_minutes"}
    assert step_keys <= set(answer["routing"][0])
    for candidate in answer["candidates"]:
        assert 0 <= candidate["similarity"] <= 1
        assert step_keys == set(candidate["routing"][0])
    assert answer["explanation"]["matched_features"]
    assert answer["confidence"] in {"high", "medium", "low"}
    assert answer["refusal"] is None


def test_sequences_ascend_and_times_lie_in_their_intervals(
    model: RoutingModel, item: Mapping[str, Any]
) -> None:
    proposal = model.propose(item)

    assert [step.sequence for step in proposal.routing] == [
        10 * place for place in range(1, len(proposal.routing) + 1)
    ]
    for step in proposal.routing:
        for span in (step.setup, step.run):
            assert 0 < span.low <= span.value <= span.high
    assert proposal.total is not None
    assert proposal.total.low <= proposal.total.value <= proposal.total.high
    assert proposal.operations == proposal.alternatives[0].operations


def test_the_explanation_accounts_for_the_whole_similarity(
    model: RoutingModel, item: Mapping[str, Any]
) -> None:
    why = model.propose(item).explanation

    shown = sum(one.contribution for one in why.matched_features)
    assert 0 < shown <= why.similarity + 1e-6
    gains = [one.contribution for one in why.matched_features]
    assert gains == sorted(gains, reverse=True)
    assert all(0 <= one.contribution <= one.possible + 1e-6 for one in why.matched_features)
    assert sum(one.vote for one in why.items) <= 1 + 1e-6


def test_disagreements_name_the_step_and_who_disagrees(
    model: RoutingModel, split: tuple[ItemTable, ItemTable]
) -> None:
    proposals = [model.propose(as_item(split[1], row)) for row in range(12)]
    found = [(p, one) for p in proposals for one in p.explanation.disagreements]

    assert found
    for proposal, one in found:
        proposed = proposal.alternatives[0].operations
        assert (one.operation in proposed) or not one.is_proposed
        assert 0 <= one.agreement <= 1


def test_an_item_of_an_unknown_kind_is_refused_with_a_reason(
    model: RoutingModel, cold: ItemTable
) -> None:
    proposals = [model.propose(as_item(cold, row)) for row in range(cold.n_rows)]
    refused = [proposal for proposal in proposals if proposal.is_refused]

    assert len(refused) > 0.8 * len(proposals)
    answer = refused[0].to_dict()
    assert answer["routing"] == []
    assert answer["confidence"] == "none"
    assert answer["total_minutes"] is None
    assert "plan this item by hand" in answer["refusal"]["message"]
    assert answer["candidates"]


def test_known_kinds_are_rarely_refused(
    model: RoutingModel, split: tuple[ItemTable, ItemTable]
) -> None:
    refused = [model.propose(as_item(split[1], row)).is_refused for row in range(30)]

    assert np.mean(refused) < 0.2


def test_identifiers_change_nothing(model: RoutingModel, item: Mapping[str, Any]) -> None:
    other = {**item, "item_code": "NEW", "drawing_number": "X-1", "revision": "Z"}

    assert model.propose(other) == model.propose(item)


def test_the_day_of_planning_decides_which_machines_exist(
    model: RoutingModel, split: tuple[ItemTable, ItemTable]
) -> None:
    def places(day: date) -> set[str]:
        return {
            step.work_center
            for row in range(25)
            for step in model.propose(as_item(split[1], row), as_of=day).routing
        }

    assert places(date(2019, 6, 1)) != places(date(2025, 12, 1))


def test_wrong_items_are_refused_by_name(model: RoutingModel) -> None:
    with pytest.raises(ItemProblem) as caught:
        model.propose({"length_mm": "long", "colour": "red"})

    assert {problem.field for problem in caught.value.problems} == {"length_mm", "colour"}


@pytest.mark.parametrize("top_k", [-5, 0, 10**6])
def test_any_number_of_candidates_may_be_asked_for(
    model: RoutingModel, item: Mapping[str, Any], top_k: int
) -> None:
    assert 1 <= len(model.propose(item, top_k).candidates) <= 50


def test_too_few_items_are_refused(known: ItemTable, generated: Generated) -> None:
    with pytest.raises(NotTrainable) as caught:
        train(known.take(np.arange(20)), generated.routings, SMALL, seed=1)

    assert caught.value.problems[0].code == "too_few_items"


def _plain(drawing: str | None) -> tuple[ItemTable, RoutingTable]:
    """Return 130 items of which nothing but the name is known."""
    records = [
        {"item_code": f"A{row}", "item_name": f"PIN {row % 7}", "drawing_number": drawing}
        for row in range(130)
    ]
    rows = [
        (f"A{row}", 1, 10, "SAW" if row % 7 < 3 else "CUT", "S1", 0.0, 5.0, date(2024, 1, 1))
        for row in range(130)
    ]
    return ItemTable.from_records(records, origin="t"), RoutingTable.from_rows(rows, origin="t")


def test_variants_of_one_design_are_refused() -> None:
    with pytest.raises(NotTrainable) as caught:
        train(*_plain("D-1"), SMALL, seed=1)

    assert caught.value.problems[0].code == "too_few_groups"


def test_names_alone_are_enough_to_learn_from() -> None:
    model = train(*_plain(None), SMALL, seed=1)

    assert model.propose({"item_name": "PIN 1"}).operations == ("SAW",)
    assert model.propose({"item_name": "PIN 6"}).operations == ("CUT",)


def test_training_reports_progress_and_can_be_cancelled(
    known: ItemTable, generated: Generated
) -> None:
    class CancelledError(Exception):
        pass

    seen: list[tuple[float, str]] = []

    def watch(fraction: float, phase: str, message: str, metrics: dict[str, float]) -> None:
        seen.append((fraction, phase))
        if phase == "fit":
            raise CancelledError

    with pytest.raises(CancelledError):
        train(known, generated.routings, SMALL, seed=1, on_progress=watch)

    assert seen[0][1] == "encode"
    assert [fraction for fraction, _ in seen] == sorted(fraction for fraction, _ in seen)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"n_tree": 5}, "parameter_unknown"),
        ({"n_trees": 0}, "parameter_out_of_range"),
        ({"n_trees": 1.5}, "parameter_not_a_number"),
        ({"learning_rate": True}, "parameter_not_a_number"),
    ],
)
def test_wrong_parameters_are_named(content: dict[str, Any], code: str) -> None:
    with pytest.raises(ParameterProblem) as caught:
        TrainingParams.from_dict(content)

    assert [problem.code for problem in caught.value.problems] == [code]


def test_parameters_survive_a_dictionary() -> None:
    assert TrainingParams.from_dict(SMALL.to_dict()) == SMALL


def test_the_threshold_refuses_no_more_known_items_than_asked_for() -> None:
    levels = np.sort(np.random.default_rng(0).random(499))
    familiarity = Familiarity(levels, refused_share=0.02)

    assert (levels < familiarity.threshold).sum() == 9
    assert familiarity.share_below(familiarity.threshold) == pytest.approx(11 / 500)
    assert Familiarity(levels[:20], 0.02).threshold == -1


def test_levels_of_confidence_follow_the_probability() -> None:
    assert [level(p) for p in (0.95, 0.9, 0.8, 0.3, 0.0)] == [
        "high",
        "high",
        "medium",
        "low",
        "low",
    ]
