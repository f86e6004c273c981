"""Indexes that wait for their campaign, and builds timed in sequence and in parallel."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import pytest

from portal.core.actors import Actor
from portal.runs import provenance
from portal.runs import services as runs
from portal.runs.models import RunEvent
from portal.runs.tasks.execution import perform
from search.lab import dispatch, tasks
from search.lab.engine import sealed, truth
from search.lab.engine.analysis import builds
from search.lab.engine.corpora import Corpus
from search.lab.engine.matrix import Cell, Matrix
from search.lab.models import Campaign
from search.lab.services import (
    build_times,
    building,
    campaigns,
    machine,
    processes,
    room,
    shelf,
    tables,
)
from search.lab.services.passes import Passes, differences
from search.lab.services.processes import OutOfMemory, Watch
from search.lab.services.shelf import Shelf
from search.lab.services.worker import Job

ACTOR = Actor.system("test")
PLAN = Matrix(
    scales=(1_000,),
    dimensions=(16,),
    search_types=("vector",),
    filters=(None,),
    engines=("faiss-flat", "hnswlib"),
)


def phase(kind: str, wall_s: float, n_workers: int, longest_s: float = 60.0) -> dict[str, object]:
    return {
        "phase": kind,
        "scale": 10_000,
        "dimension": 128,
        "n_workers": n_workers,
        "wall_s": wall_s,
        "sum_s": wall_s,
        "longest_s": longest_s,
    }


def test_what_parallel_builds_save_is_held_against_what_is_possible() -> None:
    phases = [
        phase("build", 70.0, 2),
        phase("sequence", 100.0, 1, longest_s=60.0),
        phase("parallel", 75.0, 2),
        phase("parallel", 65.0, 2),
        phase("sequence", 110.0, 1, longest_s=60.0),
    ]
    (found,) = builds.savings(phases, n_cores=2)
    assert (found.n_rounds, found.n_workers) == (2, 2)
    assert found.ratio == pytest.approx(105 / 70)
    assert found.bound == pytest.approx(105 / 60)
    assert found.limited_by == "longest build"
    many = [one | {"longest_s": 10.0} for one in phases]
    (found,) = builds.savings(many, n_cores=2)
    assert (found.bound, found.limited_by) == (2.0, "cores")
    assert builds.savings(phases[:1]) == []


def test_an_index_is_found_again_unless_corpus_or_versions_differ(
    tmp_path: Path, corpus: Corpus
) -> None:
    own = Shelf(tmp_path / "indexes", {"faiss-cpu": "1"})
    built = tmp_path / "built"
    (built / "vectors").mkdir(parents=True)
    own.put("key", built, corpus, {"build_s": 2.0})
    assert own.found("key", corpus) == {"build_s": 2.0}
    assert Shelf(tmp_path / "indexes", {"faiss-cpu": "2"}).found("key", corpus) is None
    assert own.found("other", corpus) is None
    mark = own.place("key") / "built.json"
    mark.write_text(json.dumps(json.loads(mark.read_text()) | {"corpus": "another"}))
    assert own.found("key", corpus) is None
    mark.write_text(json.dumps(json.loads(mark.read_text()) | {"corpus": corpus.digest}))
    assert own.found("key", corpus) is not None
    own.drop(["key"])
    assert not own.place("key").exists()


def test_an_index_whose_files_changed_is_damaged(tmp_path: Path, corpus: Corpus) -> None:
    own = Shelf(tmp_path / "indexes", {})
    file = tmp_path / "built/vectors/graph.bin"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"abc")
    own.put("key", tmp_path / "built", corpus, {"build_s": 2.0})
    (own.place("key") / "measure.log").write_text("what a job leaves is not part of an index")
    assert not own.is_damaged("key")
    kept = own.place("key") / "vectors/graph.bin"
    kept.write_bytes(b"abd")
    assert own.found("key", corpus) == {"build_s": 2.0}
    assert own.is_damaged("key")
    kept.write_bytes(b"ab")
    assert own.found("key", corpus) is None


def test_figures_rest_on_the_build_of_their_index(tmp_path: Path, corpus: Corpus) -> None:
    own = Shelf(tmp_path / "indexes", {"faiss-cpu": "1"})

    def put(content: bytes) -> dict[str, object] | None:
        file = tmp_path / "built/vectors/graph.bin"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        own.put("key", tmp_path / "built", corpus, {"build_s": 2.0})
        return own.rests_on("key", corpus)

    assert own.rests_on("key", corpus) is None
    first, again, other = put(b"abc"), put(b"abc"), put(b"abd")
    assert first == again
    assert first is not None
    assert other is not None
    assert {"corpus": first["corpus"], "versions": first["versions"]} == own.made_with(corpus)
    kept = Passes(tmp_path / "cell", first)
    kept.keep_calibration({"ef_search": 24})
    assert Passes(tmp_path / "cell", again or {}).calibration() == {"ef_search": 24}
    assert Passes(tmp_path / "cell", other).calibration() is None
    assert differences(first, other) == ["another build of the index"]
    assert differences(first, first | {"questions": "proving"}) == ["other questions"]


@pytest.mark.django_db
def test_what_no_campaign_needs_is_swept_with_its_tables(tmp_path: Path) -> None:
    rests = campaigns.create(plan=PLAN, name="rests", actor=ACTOR)
    forgotten = campaigns.create(plan=PLAN, name="forgotten", actor=ACTOR)
    dropped: list[Path] = []

    def drop(places: Iterable[Path]) -> None:
        dropped.extend(places)

    for name in (str(rests.pk), str(forgotten.pk), ".work-left-over"):
        (tmp_path / "indexes" / name / "key/vectors").mkdir(parents=True)
    table = tmp_path / "indexes" / ".work-left-over" / "key/vectors/table.json"
    table.write_text("{}")
    os.utime(tmp_path / "indexes" / str(forgotten.pk), (0, 0))
    assert shelf.sweep(tmp_path, drop) == 2
    assert [one.name for one in (tmp_path / "indexes").iterdir()] == [str(rests.pk)]
    assert dropped == [table.parent]


def test_builds_that_are_thrown_away_leave_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[Path] = []
    monkeypatch.setattr(tables, "drop", dropped.extend)
    job = Job("build", PLAN.cells()[0], tmp_path, tmp_path, tmp_path / "key", tmp_path)

    def build(jobs: Mapping[str, Job], *_words: object) -> building.Built:
        for one in jobs.values():
            (one.folder / "vectors").mkdir(parents=True)
            (one.folder / "vectors/table.json").write_text("{}")
        return building.Built({"key": {"build_s": 1.0}}, {}, 1, 1.0)

    monkeypatch.setattr(building, "build", build)
    watch = cast("Watch", None)
    timed = build_times.both_ways({"key": job}, 2, watch, tables.remove, n_rounds=1)
    assert len(list(timed)) == 2
    assert dropped == [tmp_path / "key-timed/vectors"] * 2
    assert not (tmp_path / "key-timed").exists()


@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_campaign_builds_both_ways_rests_and_measures_what_it_built() -> None:
    campaign = dispatch.start(
        plan=PLAN,
        name="later",
        actor=ACTOR,
        wishes=campaigns.Wishes(n_workers=2, clients=(1,), n_passes=2, max_tries=1),
        only_builds=True,
        timed_builds=1,
    )
    perform(str(campaign.run_id), worker="test")
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert campaign.state == "paused"
    assert campaign.cells.filter(state="waiting").count() == 2
    assert [one["phase"] for one in campaign.phases] == ["corpus", "sequence", "parallel", "build"]
    (saving,) = builds.savings(campaign.phases)
    assert saving.ratio > 0
    folder = room.folder() / "indexes" / str(campaign.pk)
    assert len(list(folder.iterdir())) == 2

    dispatch.resume(campaign=campaign, actor=ACTOR)
    perform(str(Campaign.objects.get(pk=campaign.pk).run_id), worker="test")
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert campaign.state == "complete", campaign.cells.values_list("state", "error")
    assert [one["phase"] for one in campaign.phases].count("build") == 1
    assert not list(folder.iterdir())
    for row in campaign.cells.all():
        assert len(row.facts["passes"]) == 2
        assert row.facts["build_s"] > 0
    assert not list((room.folder() / "passes" / str(campaign.pk)).glob("*/*"))


@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_what_is_damaged_while_a_campaign_rests_is_said_and_made_again() -> None:
    """A corpus, an index, exact answers and a pass, each changed by a byte or cut off."""
    campaign = dispatch.start(
        plan=PLAN,
        name="damaged",
        actor=ACTOR,
        wishes=campaigns.Wishes(clients=(1,), n_passes=1, max_tries=1, seed=77),
        only_builds=True,
    )
    perform(str(campaign.run_id), worker="test")
    home = room.folder()
    (vectors,) = home.glob("corpora/vectors-*-16-77-*/vectors.npy")
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)
    (key,) = [cell.index_key for cell in PLAN.cells() if cell.engine == "hnswlib"]
    files = (home / "indexes" / str(campaign.pk) / key / "vectors").iterdir()
    graph = max(files, key=lambda one: one.stat().st_size)
    content = bytearray(graph.read_bytes())
    content[-1] ^= 1
    graph.write_bytes(content)

    again = dispatch.resume(campaign=Campaign.objects.get(pk=campaign.pk), actor=ACTOR)
    perform(str(again.pk), worker="test")
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert campaign.state == "complete", campaign.cells.values_list("state", "error")
    events = RunEvent.objects.filter(run=again, level="warning")
    said = " ".join(events.values_list("message", flat=True))
    assert vectors.parent.name in said
    assert "hnswlib" in said, said
    sealed.verify(vectors.parent)


def test_exact_answers_that_are_damaged_are_found_again(tmp_path: Path, corpus: Corpus) -> None:
    found = truth.exact(corpus, tmp_path, None)
    (path,) = tmp_path.glob("truth-*.npy")
    assert np.array_equal(truth.exact(corpus, tmp_path, None), found)
    for content in (b"", path.read_bytes()[:-8] + bytes(8)):
        path.write_bytes(content)
        assert np.array_equal(truth.exact(corpus, tmp_path, None), found)


@pytest.mark.django_db
def test_the_sweep_runs_by_itself() -> None:
    left = room.folder() / "work/left-over"
    left.mkdir(parents=True)
    run = runs.enqueue(kind=tasks.SWEEP, actor=ACTOR, parameters={})
    perform(str(run.pk), worker="test")
    run.refresh_from_db()
    assert run.result["removed"] >= 1
    assert not left.exists()


# --- Memory ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ["faiss-flat", "faiss-hnsw-sq8", "hnswlib", "millwright"])
def test_a_build_over_its_cap_of_memory_ends_as_out_of_memory(
    engine: str, tmp_path: Path, corpus: Corpus
) -> None:
    own = tmp_path / engine
    own.mkdir()
    cell = Cell(engine, corpus.texts.n_passages, corpus.dimension)
    job = Job("build", cell, corpus.texts.path, corpus.path, own, tmp_path, memory_mb=1)
    with pytest.raises(OutOfMemory):
        processes.do(job, lambda: None)
    assert "1 MB" in processes.short_of_memory(job)


@pytest.mark.parametrize(
    ("free_mb", "cap_mb", "wanted", "n_workers"),
    [(8_000, 1_000, 4, 4), (2_500, 1_000, 4, 2), (500, 1_000, 4, 1), (8_000, 1_000, 64, 8)],
)
def test_as_many_builds_run_at_once_as_cores_and_free_memory_allow(
    free_mb: int, cap_mb: int, wanted: int, n_workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = psutil.virtual_memory()._replace(available=free_mb << 20)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert machine.n_workers(wanted, cap_mb) == n_workers


@pytest.mark.django_db
def test_what_code_and_which_database_measured_is_recorded() -> None:
    found = machine.facts()
    assert found["revision"] == provenance.code_revision()
    assert found["postgres"].partition(".")[0].isdigit()
