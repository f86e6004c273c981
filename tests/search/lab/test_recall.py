"""Engines at one recall: every graph searched as broadly as it needs, and no broader."""

import json
from pathlib import Path

import numpy as np
import pytest

from portal.core.actors import Actor
from portal.core.errors import InvalidInput
from portal.runs.models import RunEvent
from portal.runs.tasks.execution import perform
from search.lab import dispatch, selectors
from search.lab.engine import breadths, measuring
from search.lab.engine.analysis import comparing
from search.lab.engine.corpora import Corpus
from search.lab.engine.engines.registry import engines
from search.lab.engine.matrix import GRAPHS, Cell, Matrix
from search.lab.models import Campaign
from search.lab.services import campaigns, reports, worker
from search.lab.services.passes import Passes
from tests.search.lab import measured

ACTOR = Actor.system("test")
PLAN = Matrix(
    scales=(1_000,),
    dimensions=(16,),
    search_types=("vector",),
    filters=(None,),
    engines=("faiss-flat", "hnswlib"),
    recall=0.9,
)
CALIBRATION = {
    "target": 0.95,
    "ef_search": 48,
    "recall": {"value": 0.961, "low": 0.955, "high": 0.967, "n": 500},
    "is_reached": True,
    "n_questions": 500,
}


def test_every_engine_with_a_search_breadth_can_be_calibrated() -> None:
    known = engines()
    has = {name for name, one in known.items() if "ef_search" in {p.name for p in one.parameters}}
    assert has == set(GRAPHS)


def test_a_target_belongs_to_the_cells_of_graphs_and_changes_their_key_alone() -> None:
    flat, graph = PLAN.cells()
    assert (flat.recall, graph.recall) == (None, 0.9)
    assert graph.label.endswith("at recall 0.9")
    without = Cell("hnswlib", 1_000, 16)
    assert graph.key != without.key
    assert graph.index_key == without.index_key
    old = {name: value for name, value in without.to_dict().items() if name != "recall"}
    assert Cell.from_dict(old).key == without.key == "286bb9c836f35c4e"


def test_choosing_and_measuring_use_different_questions() -> None:
    chosen = set(measuring.questions(101, proving=False).tolist())
    proved = set(measuring.questions(101, proving=True).tolist())
    assert not chosen & proved
    assert chosen | proved == set(range(101))


def test_clients_are_counted_on_the_questions_that_are_measured(corpus: Corpus) -> None:
    count = len(corpus.queries)
    for number in range(3):
        every = worker.client_questions(corpus, number, proving=False)
        half = worker.client_questions(corpus, number, proving=True)
        assert sorted(every) == list(range(count))
        assert sorted(half) == list(range(1, count, 2))
        assert half != sorted(half)


def test_campaigns_are_compared_on_the_questions_that_both_asked() -> None:
    every = measured.samples(Cell("hnswlib", 10_000, 128))
    odd = np.arange(1, 100, 2)
    half = every.of(odd)
    n_passes = len(np.unique(every.pass_number))
    assert half.question.tolist() == np.tile(odd, n_passes).tolist()
    cell = Cell("hnswlib", 10_000, 128)
    (found,) = comparing.compare({"a": (cell, half)}, {"a": (cell, every)})
    assert (found.ratio.value, found.ratio.n) == (1.0, 50 * n_passes)
    assert found.recall_change == 0.0
    even = every.of(np.arange(0, 100, 2))
    assert comparing.compare({"a": (cell, half)}, {"a": (cell, even)}) == []


@pytest.mark.parametrize("recall", [0.2, 1.0, True, float("nan"), "0.9"])
def test_a_target_that_nothing_can_be_held_to_is_refused(recall: object) -> None:
    with pytest.raises(InvalidInput, match=r"recall is .* must lie between 0.5 and 0.999"):
        campaigns.matrix({"recall": recall})


def test_a_calibration_is_kept_with_what_it_rests_on(tmp_path: Path) -> None:
    kept = Passes(tmp_path / "cell", {"corpus": "a", "versions": {}})
    assert kept.calibration() is None
    kept.keep_calibration(CALIBRATION)
    assert kept.calibration() == CALIBRATION
    assert Passes(tmp_path / "cell", {"corpus": "b", "versions": {}}).calibration() is None
    path = tmp_path / "cell/calibration.json"
    content = json.loads(path.read_text())
    content["found"]["ef_search"] = 10
    path.write_text(json.dumps(content))
    assert kept.calibration() is None


@pytest.mark.django_db
def test_a_report_says_at_which_recall_latencies_stand() -> None:
    small = {"scales": [10_000], "dimensions": [128], "filters": [None]}
    few = Matrix.from_dict(measured.PLAN.to_dict() | small)
    made = measured.campaign(plan=few)
    by_themselves = reports.render(made, format="md", language="en")[0].decode()
    assert "engines differ in recall" in by_themselves
    plan = Matrix.from_dict(few.to_dict() | {"recall": 0.95})
    campaign = measured.campaign(plan=plan)
    for row in campaign.cells.all():
        missed = {"is_reached": False} if row.position == 0 else {}
        measured.change(row, calibration=CALIBRATION | missed)
    page = reports.render(campaign, format="md", language="en")[0].decode()
    assert "engines differ in recall" not in page
    assert "Search breadth for the recall asked for" in page
    assert "does not surely reach the recall asked for at any breadth" in page
    first = selectors.lines(campaign)[0]
    assert first.flags == ("missed",)


@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_campaign_measures_graphs_at_one_recall() -> None:
    wishes = campaigns.Wishes(clients=(1,), n_passes=2, max_tries=1)
    campaign = dispatch.start(plan=PLAN, name="one recall", actor=ACTOR, wishes=wishes)
    perform(str(campaign.run_id), worker="test")
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert campaign.state == "complete", campaign.cells.values_list("state", "error")
    flat, graph = campaign.cells.all()
    assert "calibration" not in flat.facts
    found = graph.facts["calibration"]
    assert found["is_reached"]
    assert found["ef_search"] in breadths.BREADTHS
    assert found["recall"]["low"] >= 0.9
    assert found["ef_search"] < 1024
    for row in (flat, graph):
        assert set(selectors.samples(row).question) == set(range(1, 1_000, 2))
    own = selectors.samples(graph)
    assert len(own) == 2 * found["n_questions"]
    assert float(np.mean(own.recall_at_10)) > 0.8
    events = RunEvent.objects.filter(run=campaign.run, message__contains="ef_search")
    assert events.count() == 1
