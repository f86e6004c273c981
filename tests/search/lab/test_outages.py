"""Campaigns whose worker, builder or database dies, and what is left of those who were ended."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from django.db import OperationalError
from django.utils import timezone

from portal.core.actors import Actor
from portal.core.models import Alert
from portal.lib import timing
from portal.runs import leases
from portal.runs import services as runs
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Run, State
from portal.runs.services import upkeep
from portal.runs.tasks.execution import perform
from search.lab import dispatch, selectors, tasks
from search.lab.engine.corpora import Corpus
from search.lab.engine.matrix import Cell, Matrix
from search.lab.models import Campaign, CellResult
from search.lab.services import building, campaigns, processes, room, tables
from search.lab.services.processes import DatabaseAway, Watch
from search.lab.services.worker import Job

ACTOR = Actor.system("test")
PLAN = Matrix(
    scales=(1_000,),
    dimensions=(16,),
    search_types=("vector",),
    filters=(None,),
    engines=("hnswlib", "faiss-flat"),
)
TWICE = campaigns.Wishes(n_workers=1, clients=(1,), n_passes=2, max_tries=1)

Wait = Callable[..., Any]


def job(folder: Path, corpus: Corpus, engine: str = "faiss-flat", **more: Any) -> Job:
    cell = Cell(engine, corpus.texts.n_passages, corpus.dimension)
    own = folder / engine
    own.mkdir(parents=True, exist_ok=True)
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    return Job("build", cell, corpus.texts.path, corpus.path, own, cache, **more)


def watch() -> Watch:
    """Give the watch of a campaign whose run is claimed."""
    campaign = dispatch.start(plan=PLAN, name="watched", actor=ACTOR, wishes=TWICE)
    run = leases.claim(str(campaign.run_id), worker="tests:1")
    assert run is not None
    return Watch(RunContext(run, Keeper(run)), campaign)


def at_work(where: Path) -> list[psutil.Process]:
    """Return the processes that do jobs in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if "search.lab.services.worker" in words and str(where) in words:
            found.append(process)
    return found


@contextmanager
def killer(where: Path, wanted: str) -> Iterator[list[int]]:
    """Kill each process that does a job in a folder, as the system does when memory runs out."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.02):
            for process in at_work(where / wanted):
                if process.pid not in killed:
                    killed.append(process.pid)
                    with suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


# --- Builds ---------------------------------------------------------------------------------------
@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_build_that_the_system_ends_is_tried_alone_and_then_said(
    tmp_path: Path, corpus: Corpus
) -> None:
    jobs = {name: job(tmp_path, corpus, name) for name in ("hnswlib", "faiss-flat")}
    kept: list[str] = []
    fewer: list[tuple[int, int]] = []
    with killer(tmp_path, "hnswlib") as killed:
        built = building.build(
            jobs,
            2,
            watch(),
            lambda key, _facts: kept.append(key),
            lambda *found: fewer.append(found),
        )
    assert kept == ["faiss-flat"]
    assert list(built.facts) == kept
    assert "fewer parallel builds" in built.problems["hnswlib"]
    assert fewer == [(1, 1)]
    assert len(killed) == 2


def test_a_process_whose_parent_is_gone_does_nothing(tmp_path: Path, corpus: Corpus) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = replace(job(tmp_path, corpus), parent=gone.pid)
    left.write(left.folder / "build.json")
    words = [sys.executable, "-m", "search.lab.services.worker", str(left.folder / "build.json")]
    done = subprocess.run(words, check=False, capture_output=True)  # noqa: S603 - words of ours
    assert done.returncode == 1
    assert not (left.folder / "vectors").exists()


# --- Postgres -------------------------------------------------------------------------------------
@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_table_that_a_crash_emptied_is_built_again_and_not_measured(
    tmp_path: Path, corpus: Corpus
) -> None:
    own = job(tmp_path, corpus, "pgvector", postgres=campaigns.postgres(), clients=())
    built = own.engine()
    (own.folder / "vectors").mkdir()
    try:
        built.build(
            corpus.vectors, corpus.buckets, own.folder / "vectors",
            {"m": 4, "ef_construction": 8}, lambda: None,
        )  # fmt: skip
        table = json.loads((own.folder / "vectors/table.json").read_text())["table"]
        with psycopg.connect(campaigns.postgres()) as session:
            session.execute(f"TRUNCATE {table}")
        with pytest.raises(DatabaseAway, match="emptied the table of pgvector"):
            processes.do(replace(own, action="measure"), lambda: None)
    finally:
        tables.remove(own.folder)
    assert not own.folder.exists()


@pytest.mark.django_db
def test_tables_that_cannot_be_dropped_now_are_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "index/vectors/table.json"
    mark.parent.mkdir(parents=True)
    mark.write_text('{"table": "lab_0"}')
    monkeypatch.setattr(campaigns, "postgres", lambda: f"host={tmp_path} connect_timeout=2")
    with pytest.raises(OperationalError):
        tables.remove(tmp_path / "index")
    assert mark.exists()


@pytest.mark.django_db(transaction=True)
def test_a_campaign_outlives_the_session_of_its_database() -> None:
    own = watch()
    own.look()
    with psycopg.connect(campaigns.postgres()) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    own.look_now()
    assert own.n_outages == 1


# --- Workers --------------------------------------------------------------------------------------
@pytest.mark.integration
@pytest.mark.timeout(500)
@pytest.mark.django_db(transaction=True)
def test_dead_workers_cost_the_build_and_the_pass_in_hand(
    celery_worker: Callable[..., Any], wait_for: Wait
) -> None:
    """The first worker dies when one of two indexes is built, the second in the second pass."""
    campaign = dispatch.start(plan=PLAN, name="mortal", actor=ACTOR, wishes=TWICE)
    home, number = room.folder(), str(campaign.pk)
    worker = celery_worker("bench")
    mark = wait_for(lambda: list(home.glob(f"indexes/{number}/*/built.json")), 120)[0]
    worker.kill()
    build_s = json.loads(mark.read_text())["facts"]["build_s"]
    _died(campaign, wait_for)

    worker = celery_worker("bench")
    kept = wait_for(lambda: list(home.glob(f"passes/{number}/*/0")), 120)[0]
    worker.kill()
    measured_at = json.loads((kept / "facts.json").read_text())["facts"]["measured_at"]
    _died(campaign, wait_for)
    with timing.alone(home.parent, lambda: pytest.fail("the lock outlived its holder")):
        pass

    perform(str(campaign.run_id), worker="tests:1")
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert campaign.state == "complete", campaign.cells.values_list("state", "error")
    rows = {row.what.index_key: row for row in campaign.cells.all()}
    assert rows[mark.parent.name].facts["build_s"] == build_s
    row = campaign.cells.get(key=kept.parent.name)
    assert row.facts["passes"][0]["measured_at"] == measured_at
    assert {len(one.facts["passes"]) for one in rows.values()} == {2}
    assert not list(home.glob(f"work/{number}/*"))


def _died(campaign: Campaign, wait_for: Wait) -> None:
    """Let the lease of a dead worker end; nobody may live on for it."""
    wait_for(lambda: not at_work(room.folder()))
    ended = timezone.now() - timedelta(hours=1)
    Run.objects.filter(pk=str(campaign.run_id)).update(lease_expires_at=ended)
    wait_for(lambda: upkeep.sweep().n_returned == 1)


# --- Rest -----------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_campaign_that_no_worker_has_rests_at_once_and_goes_on() -> None:
    campaign = dispatch.start(plan=PLAN, name="queued", actor=ACTOR, wishes=TWICE)
    campaigns.pause(campaign=campaign)
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert campaign.state == "paused"
    assert campaign.run is not None
    assert campaign.run.state == State.CANCELLED
    dispatch.resume(campaign=campaign, actor=ACTOR)
    assert Campaign.objects.get(pk=campaign.pk).state == "queued"


@pytest.mark.django_db
def test_a_campaign_that_waits_says_what_the_worker_is_at() -> None:
    first = dispatch.start(plan=PLAN, name="first", actor=ACTOR, wishes=TWICE)
    second = dispatch.start(plan=PLAN, name="second", actor=ACTOR, wishes=TWICE)
    assert selectors.ahead(second) is None
    assert leases.claim(str(first.run_id), worker="tests:1") is not None
    ahead = selectors.ahead(Campaign.objects.get(pk=second.pk))
    assert ahead is not None
    assert "first" in ahead.title
    assert selectors.ahead(Campaign.objects.get(pk=first.pk)) is None


@pytest.mark.django_db(transaction=True)
def test_a_scheduled_campaign_that_rests_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    first = campaigns.create(plan=PLAN, name="weekly", actor=ACTOR, wishes=TWICE)
    key = f"lab.regression.{first.pk}"
    Alert.objects.create(key=key, severity=Alert.Severity.WARNING, message="slower")
    run = runs.enqueue(kind=tasks.REPEAT, actor=ACTOR, parameters={"campaign": "weekly"})
    monkeypatch.setattr(room, "LEAST_MB", room.free_mb() + 1_000_000)
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    assert (run.state, run.result["skipped"]) == (State.SUCCEEDED, "rests")
    assert Alert.objects.open().filter(key=key).exists()
    assert CellResult.objects.filter(campaign=run.result["campaign"]).count() == PLAN.n_cells
