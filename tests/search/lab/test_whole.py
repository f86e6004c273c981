"""From a collection to a report, and from a schedule to an alert, with workers as in production."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command

from portal.core.actors import Actor
from portal.core.models import Alert, User
from portal.runs import artifacts
from portal.runs.models import Run, Schedule, State
from portal.runs.services import schedules
from portal.runs.services.schedules import Change
from search.lab import dispatch, selectors
from search.lab.engine.matrix import Matrix
from search.lab.engine.texts import Corpus as Texts
from search.lab.models import Campaign, CellResult
from search.lab.services import campaigns, reports
from search.models import Collection
from search.services import collections, documents
from search.services.documents import Incoming

ACTOR = Actor.system("test")
WISHES = campaigns.Wishes(n_workers=2, clients=(1,), n_passes=1, max_tries=1)
PASSAGES_OF_A_DOCUMENT = 20

Wait = Callable[..., Any]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.django_db(transaction=True),
]


def collection(n_documents: int = 160) -> Collection:
    """Give a collection of about five passages a document."""
    made = collections.create(name="manuals", title="지침", actor=ACTOR)
    passages = [one.text for one in Texts.make(3).passages(n_documents * PASSAGES_OF_A_DOCUMENT)]
    incoming = [
        Incoming(
            external_id=f"d{at}",
            title=f"지침 {at}",
            text="\n\n".join(passages[at::n_documents]),
        )
        for at in range(n_documents)
    ]
    documents.upsert(collection=made, documents=incoming, actor=ACTOR)
    return made


def over(run_id: object) -> Run | None:
    run = Run.objects.get(pk=str(run_id))
    return run if run.is_terminal else None


def test_a_collection_is_measured_on_its_own_passages_and_its_own_questions(
    celery_worker: Callable[..., Any], wait_for: Wait
) -> None:
    own = collection()
    axes = {
        "dimensions": [32],
        "filters": [None],
        "engines": ["faiss-flat", "millwright"],
    }
    celery_worker("bench")
    campaign = dispatch.start(
        plan=campaigns.matrix(axes, collection=own.name),
        name="own",
        actor=ACTOR,
        wishes=WISHES,
        collection=own.name,
    )
    run = wait_for(lambda: over(campaign.run_id), 300, pause=0.5)
    assert run.state == State.SUCCEEDED, run.error_message

    campaign = Campaign.objects.get(pk=campaign.pk)
    states = set(campaign.cells.values_list("state", "error"))
    assert states == {(CellResult.State.MEASURED, "")}
    (scale,) = campaign.matrix["scales"]
    assert scale >= 1_000
    assert campaign.corpus.startswith("manuals-")
    assert {row.what.search_type for row in campaign.cells.all()} == {"vector", "hybrid"}
    assert {row.what.scale for row in campaign.cells.all()} == {scale}
    for row in campaign.cells.all():
        assert row.facts["uses_index"]
        assert row.facts["figures"]["recall"]["value"] > 0.95, row.what.label
    content = json.loads(reports.render(campaign, format="json")[0])
    assert len(content["cells"]) == 4
    page = reports.render(campaign, format="html", language="ko")[0].decode()
    assert f"faiss-flat {scale:,} x 32" in page
    out = StringIO()
    call_command("benchmark_report", "own", "--language", "ko", stdout=out)
    assert "millwright" in out.getvalue()


#: DuckDB filters after its search, so that most of the exact rows are missing whatever the machine.
PLAN = Matrix(
    scales=(1_000,),
    dimensions=(16,),
    search_types=("vector",),
    filters=(0.1,),
    engines=("duckdb-hnsw",),
)


def test_the_schedule_measures_again_raises_an_alarm_and_takes_it_back(
    celery_worker: Callable[..., Any], wait_for: Wait
) -> None:
    celery_worker("bench")
    first = dispatch.start(plan=PLAN, name="watched", actor=ACTOR, wishes=WISHES)
    wait_for(lambda: over(first.run_id), 200, pause=0.5)
    alarms = Alert.objects.open().filter(key=f"lab.regression.{first.pk}")

    _as_if_it_had_been(first, recall=1.0)
    run = _on_schedule(wait_for)
    assert run.state == State.SUCCEEDED, run.error_message
    again = Campaign.objects.get(pk=run.result["campaign"])
    assert again.baseline_id == first.pk
    assert again.state == "complete"
    assert "duckdb-hnsw 1,000 x 16, vector, 10% filter" in alarms.get().translations["en"]

    _as_if_it_had_been(first, recall=0.0)
    _on_schedule(wait_for)
    assert not alarms.exists()


def _on_schedule(wait_for: Wait) -> Run:
    """Do what the clock does when the schedule is due, and wait for the run."""
    schedules.ensure_declared()
    may = Permission.objects.get(codename="change_schedule", content_type__app_label="runs")
    user, _created = User.objects.get_or_create(username="of-schedules")
    user.user_permissions.add(may)
    actor = Actor.of_user(user, via="person")
    schedule = Schedule.objects.get(name="repeat-benchmark")
    parameters = {"campaign": "watched"}
    if schedule.parameters != parameters:
        change = Change(parameters=parameters, is_enabled=True)
        schedules.change(schedule_id=schedule.pk, actor=actor, change=change)
    run = schedules.run_now(schedule_id=schedule.pk, actor=actor)
    found: Run = wait_for(lambda: over(run.pk), 200, pause=0.5)
    return found


def _as_if_it_had_been(campaign: Campaign, *, recall: float) -> None:
    """Write that a campaign was slower than it was, so that nothing is slower now, and as exact."""
    for row in campaign.cells.all():
        own = selectors.samples(row)
        exactness = np.full(len(own), recall)
        changed = replace(own, wall_ms=own.wall_ms * 1_000, recall_at_10=exactness)
        sink = io.BytesIO()
        pq.write_table(changed.to_table(), sink)
        row.samples = artifacts.save(sink.getvalue(), "application/vnd.apache.parquet")
        row.save(update_fields=["samples"])
