"""What is done by itself: rebuilds when much changed, removal of what nothing needs, checks."""

import os
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.core.findings import Status
from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs import services as runs
from portal.runs.models import Artifact, Run, State
from search import dispatch, selectors, tasks
from search.models import Click, Collection, Document, SearchRecord
from search.services import (
    collections,
    counts,
    documents,
    folders,
    following,
    judgements,
    querylog,
    requesting,
    searching,
    uploads,
)
from search.services.documents import Incoming
from search.services.requesting import BUILD_INDEX
from tests.search.conftest import ACTOR, DEFECTS, Build, done
from tests.waiting import wait_for

PATIENCE_S = 60


def tend() -> Run:
    run = done(runs.enqueue(kind=tasks.TEND, actor=ACTOR))
    assert run.state == State.SUCCEEDED, run.error_message
    return run


def write(collection: Collection, count: int) -> None:
    documents.upsert(
        collection=collection,
        documents=[Incoming(f"note-{n}", f"Note {n} of shift {n % 7}.") for n in range(count)],
        actor=ACTOR,
    )


@pytest.mark.django_db(transaction=True)
def test_a_collection_without_an_index_gets_one(collection: Collection) -> None:
    tend()
    tend()

    assert Run.objects.filter(kind=BUILD_INDEX).count() == 1


def test_few_changes_stay_in_memory_and_many_are_built_in(
    build: Build, collection: Collection
) -> None:
    build()
    write(collection, 20)
    assert requesting.if_needed(collection=collection, actor=ACTOR) is None

    write(collection, 120)
    run = requesting.if_needed(collection=collection, actor=ACTOR)

    assert run is not None
    assert "120 of 126 documents changed" in run.parameters["reason"]
    assert requesting.if_needed(collection=collection, actor=ACTOR) is None


def test_what_nothing_needs_is_removed_and_what_a_rollback_needs_is_kept(
    build: Build, collection: Collection
) -> None:
    build()
    documents.delete(collection=collection, external_ids=["flash"], actor=ACTOR)
    stray = folders.root() / "indexes" / "search-defects-v9-0000"
    stray.mkdir(parents=True)
    old = (clock.now() - timedelta(days=3)).timestamp()
    os.utime(stray, (old, old))
    SearchRecord.objects.create(
        id=querylog.new_id(),
        collection=collection,
        at=clock.now() - timedelta(days=400),
        query="기포",
        mode="hybrid",
        top_k=10,
        version=1,
        n_hits=0,
        took_ms=1,
    )

    orphan = querylog.click(
        search_id=querylog.new_id(), collection=collection, external_id="flash", rank=1
    )
    Click.objects.filter(pk=orphan.pk).update(at=clock.now() - timedelta(days=400))

    result = tend().result

    assert (result["n_folders_removed"], result["n_records_removed"]) == (1, 2)
    assert result["n_versions_removed"] == result["n_tombstones_removed"] == 0
    assert Document.objects.filter(is_deleted=True).count() == 1  # version 1 still holds it
    live = ModelVersion.objects.select_related("model").get(model__name="search-defects")
    assert folders.of(live).is_dir()


def test_a_relevance_check_asks_the_live_index_and_is_kept(
    build: Build, collection: Collection
) -> None:
    build()
    judgements.save(collection=collection, query="기포", gains={"blow-hole": 3}, actor=ACTOR)
    judgements.save(collection=collection, query="금형 온도", gains={"flash": 1}, actor=ACTOR)

    run = done(dispatch.evaluate(collection=collection, actor=ACTOR))
    done(dispatch.evaluate(collection=collection, actor=ACTOR))

    assert run.state == State.SUCCEEDED, run.error_message
    kept = selectors.quality_over_time(collection).get()
    assert (kept.n_judged, kept.version.number) == (2, 1)
    assert 0.5 <= kept.ndcg_at_10 < 1.0


def test_tuning_says_what_the_best_way_is_worth(build: Build, collection: Collection) -> None:
    build()
    few = done(dispatch.tune(collection=collection, actor=ACTOR))
    for name, text in DEFECTS.items():
        judgements.save(collection=collection, query=text[:20], gains={name: 3}, actor=ACTOR)

    run = done(dispatch.tune(collection=collection, actor=ACTOR, adopt=True))

    assert (few.state, few.error_code) == (State.FAILED, "too_few_judged")
    assert run.state == State.SUCCEEDED, run.error_message
    assert run.result["n"] == len(DEFECTS)
    assert run.result["is_adopted"] == run.result["is_better"]


def test_own_options_of_a_collection_are_followed(build: Build, collection: Collection) -> None:
    build()
    collections.configure(
        collection=collection, search_defaults={"per_document": 1, "fusion": "rrf"}, actor=ACTOR
    )

    wait_for(lambda: searching.defaults("defects").fusion == "rrf", PATIENCE_S)


def test_the_overview_takes_the_same_queries_however_many_collections(
    build: Build, collection: Collection
) -> None:
    build()
    with CaptureQueriesContext(
        connection,
    ) as few:
        (state,) = selectors.overview()
    for number in range(5):
        collections.create(name=f"other-{number}", actor=ACTOR)
    with CaptureQueriesContext(connection) as many:
        selectors.overview()

    assert len(few) == len(many)
    assert (state.n_documents, state.n_changed, state.n_passages) == (6, 0, 6)
    assert state.version is not None
    assert ("결함/flash", 1) in selectors.taxonomy(collection)


def test_health_names_an_index_that_is_not_open_here(build: Build) -> None:
    build()
    assert counts.look_at_indexes().status == Status.HEALTHY
    following.follower.stop()

    assert counts.look_at_indexes().status == Status.DEGRADED
    wait_for(lambda: counts.look_at_indexes().status == Status.HEALTHY, PATIENCE_S)


def rebuilt() -> list[str]:
    run = done(runs.enqueue(kind=tasks.REBUILD, actor=ACTOR))
    assert run.state == State.SUCCEEDED, run.error_message
    return list(run.result["built"])


def test_the_schedule_rebuilds_what_changed_at_all(build: Build, collection: Collection) -> None:
    build()
    collections.create(name="empty", actor=ACTOR)
    assert rebuilt() == []
    write(collection, 1)
    assert requesting.if_needed(collection=collection, actor=ACTOR) is None

    assert rebuilt() == ["defects"]
    assert rebuilt() == []  # one waits already


@pytest.mark.django_db(transaction=True)
def test_a_file_that_no_document_came_from_is_removed_when_its_import_is_old(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(
        dispatch.import_file(
            collection=collection, content=b"# Vent\n\nClean it.", name="vent.md", actor=ACTOR
        )
    )
    done(dispatch.import_file(collection=collection, content=b"no pdf", name="a.pdf", actor=ACTOR))
    assert tend().result["n_uploads_removed"] == 0  # it may be repeated

    later = clock.now() + uploads.KEPT + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: later)

    assert tend().result["n_uploads_removed"] == 1
    assert Document.objects.get(external_id="vent.md").source is not None
    documents.delete(collection=collection, external_ids=["vent.md"], actor=ACTOR)
    assert tend().result["n_uploads_removed"] == 1
    assert not Artifact.objects.filter(media_type=uploads.FILE).exists()
