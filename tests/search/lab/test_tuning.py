"""Graphs chosen for a recall: the study, the proof, the run, and what is built with it."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from rich.console import Console

from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput
from portal.runs.models import Run, RunEvent, State
from search.lab import dispatch
from search.lab.engine import breadths, graph_tuning
from search.lab.engine.breadths import least_breadth
from search.lab.engine.corpora import Corpus
from search.lab.engine.graph_tuning import Search, Tried
from search.lab.engine.matrix import Cell
from search.lab.engine.measuring import Samples, questions
from search.lab.engine.problems import MatrixProblem
from search.lab.engine.statistics import Figure
from search.lab.management.commands import benchmark_tune
from search.lab.services import tuning_worker, worker
from search.lab.services.tuning import Wish
from search.lab.services.worker import Job
from search.models import Collection
from search.services import configuration
from tests.search.conftest import done

ACTOR = Actor.system("test")
SMALL = Wish(engine="hnswlib", recall=0.9, n_trials=2, scale=1_000, dimension=16)


def sure(value: float) -> Figure:
    return Figure(value, value, value, 100)


def latency_of(parameters: dict[str, int]) -> float:
    """Be least at m 16 and ef_construction 120."""
    breadth = float(np.log(parameters["ef_construction"] / 120))
    return 1 + abs(parameters["m"] - 16) / 16 + abs(breadth)


def test_the_least_breadth_that_surely_reaches_the_target_is_found() -> None:
    asked: list[int] = []

    def recall(breadth: int) -> Figure:
        asked.append(breadth)
        return Figure(min(1.0, breadth / 100), min(1.0, breadth / 100) - 0.02, 1.0, 100)

    found = least_breadth(recall, 0.94)

    assert found is not None
    assert found[0] == 96  # the least breadth whose lower end is at least 0.94
    assert len(asked) <= 7
    assert least_breadth(lambda _breadth: sure(0.9), 0.94) is None
    assert least_breadth(lambda _breadth: sure(0.95), 0.94) == (10, sure(0.95))


def test_a_study_finds_a_known_best_and_begins_with_the_defaults() -> None:
    search = Search("hnswlib", seed=1)
    for _trial in range(40):
        parameters = search.ask()
        search.tell(Tried(parameters, latency_of(parameters)))

    assert search.tried[0].parameters == graph_tuning.DEFAULTS["hnswlib"]
    assert search.best is not None
    assert search.best.p50_ms is not None
    assert search.best.p50_ms < 1.35


def test_a_study_goes_on_from_trials_and_bears_those_that_missed() -> None:
    tried = [
        Tried({"m": 8, "ef_construction": 50}, None, {"error": "no memory"}),
        Tried({"m": 16, "ef_construction": 100}, 0.5),
        Tried({"m": 32, "ef_construction": 100}, 0.7),
    ]
    search = Search("hnswlib", seed=1, tried=tried)

    parameters = search.ask()

    assert set(parameters) == {"m", "ef_construction"}
    assert search.best == tried[1]
    assert search.knows({"m": 8, "ef_construction": 50})
    with pytest.raises(MatrixProblem, match="duckdb-exact"):
        Search("duckdb-exact", seed=1)


def test_choosing_and_proving_share_no_question() -> None:
    choosing, proving = questions(11, proving=False), questions(11, proving=True)

    assert not set(choosing.tolist()) & set(proving.tolist())
    assert sorted([*choosing.tolist(), *proving.tolist()]) == list(range(11))


def test_a_duel_tells_a_faster_graph_from_the_same() -> None:
    generator = np.random.default_rng(0)
    wall = np.exp(generator.normal(0, 0.2, 300))
    one = np.ones(300)
    samples = Samples(wall, wall, one.astype(np.int64), one, one, one * 0.97, one)

    faster = graph_tuning.duel(replace(samples, wall_ms=wall * 0.7), samples)

    assert faster.verdict == "faster"
    assert faster.ratio.value == pytest.approx(0.7)
    assert graph_tuning.duel(samples, samples).verdict == "same"
    assert json.dumps(faster.to_dict())


def test_what_is_found_can_be_built() -> None:
    parameters = {"exact_below": 0, "m": 12, "ef_construction": 90, "code_bits": 8, "ef_search": 48}

    made = configuration.parse(graph_tuning.options("millwright", parameters))

    assert (made.build.hnsw_m, made.build.ef_search, made.build.exact_below) == (12, 48, 0)
    assert graph_tuning.options("hnswlib", {"m": 8}) == {"parameters": {"hnswlib": {"m": 8}}}


@pytest.mark.parametrize("engine", sorted(graph_tuning.SPACES))
def test_a_graph_of_every_engine_is_chosen_and_proved(
    engine: str, corpus: Corpus, tmp_path: Path
) -> None:
    parameters = {**graph_tuning.FIXED.get(engine, {}), **graph_tuning.DEFAULTS[engine]}
    cell = Cell(engine, 2_000, 32, parameters=parameters)
    job = Job("build", cell, corpus.texts.path, corpus.path, tmp_path / "ours", tmp_path / "cache")
    default = replace(job, cell=replace(cell, parameters={}), folder=tmp_path / "default")
    worker.build(job)
    worker.build(default)
    request = {"recall": 0.8, "default": str(default.folder)}
    (job.folder / tuning_worker.REQUEST).write_text(json.dumps(request))

    found = tuning_worker.choose(job)
    chosen = replace(cell, parameters={**parameters, "ef_search": found["ef_search"]})
    proof = tuning_worker.duel(replace(job, cell=chosen))

    assert found["ef_search"] in breadths.BREADTHS
    assert found["recall"]["low"] >= 0.8
    assert found["p50_ms"] > 0
    assert proof["recall"]["n"] == len(corpus.queries) // 2
    assert proof["recall"]["value"] > 0.75
    assert proof["ratio"]["low"] <= proof["ratio"]["value"] <= proof["ratio"]["high"]


def test_a_target_out_of_reach_is_said(corpus: Corpus, tmp_path: Path) -> None:
    cell = Cell("hnswlib", 2_000, 32, parameters={"m": 4, "ef_construction": 8})
    job = Job("build", cell, corpus.texts.path, corpus.path, tmp_path / "ours", tmp_path / "cache")
    worker.build(job)
    (job.folder / tuning_worker.REQUEST).write_text(json.dumps({"recall": 1.01}))

    assert tuning_worker.choose(job)["p50_ms"] is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"engine": "sonar"}, "engine is 'sonar'"),
        ({"recall": 1.5}, "recall is 1.5"),
        ({"n_trials": 0}, "trials is 0"),
        ({"scale": 7}, "scales is 7"),
        ({"dimension": 1}, "dimensions is 1"),
    ],
)
def test_a_wish_out_of_bounds_is_refused_by_name(changed: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        dispatch.tune(wish=replace(SMALL, **changed), actor=ACTOR)  # type: ignore[arg-type]


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(400)
def test_a_run_tunes_goes_on_after_a_death_and_leaves_nothing() -> None:
    run = dispatch.tune(wish=SMALL, actor=ACTOR)
    folder = Path(settings.HOME) / "lab" / "tuning" / str(run.pk)
    folder.mkdir(parents=True)
    known = Tried({"m": 4, "ef_construction": 40}, None, {"error": "killed"})
    (folder / "trials.jsonl").write_text(json.dumps(known.to_dict()) + '\n{"param')
    stray = folder.with_name("stray")
    stray.mkdir()

    run = done(run)

    assert run.state == State.SUCCEEDED, run.error_message
    result = run.result
    assert [one["facts"].get("error") for one in result["trials"]] == ["killed", None]
    assert result["parameters"]["ef_search"] in breadths.BREADTHS
    assert result["duel"]["verdict"] in {"faster", "slower", "same", "inconclusive"}
    assert result["options"]["parameters"]["hnswlib"] == result["parameters"]
    assert RunEvent.objects.filter(run=run, name="p50_ms").count() == 1
    assert not folder.exists()
    assert not stray.exists()


@pytest.mark.django_db
def test_the_command_says_what_cannot_be_applied() -> None:
    with pytest.raises(CommandError, match="hnswlib cannot be applied"):
        call_command("benchmark_tune", "--engine", "hnswlib", "--apply", "x", stdout=StringIO())
    with pytest.raises(CommandError, match="leave out --no-wait"):
        call_command("benchmark_tune", "--apply", "x", "--no-wait", stdout=StringIO())
    with pytest.raises(CommandError, match="x"):
        call_command("benchmark_tune", "--apply", "x", stdout=StringIO())


def test_what_was_found_is_given_to_the_next_index_of_a_collection(collection: Collection) -> None:
    parameters = {"exact_below": 0, "m": 12, "ef_construction": 90, "ef_search": 48}
    result = {"reached": True, "options": graph_tuning.options("millwright", parameters)}
    screen = Console(file=StringIO())

    with pytest.raises(Conflict, match="Nothing was applied"):
        benchmark_tune.apply(result | {"reached": False}, "defects", ACTOR, screen)
    benchmark_tune.apply(result, "defects", ACTOR, screen)

    collection.refresh_from_db()
    assert configuration.parse(collection.options).build.hnsw_m == 12
    assert Run.objects.filter(parameters__collection="defects").count() == 1
