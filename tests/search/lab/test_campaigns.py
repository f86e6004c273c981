"""Campaigns with a real worker: measured, paused, resumed, killed and repeated."""

import os
import signal
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import psutil
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import translation
from django.utils.translation import gettext

from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput, NotFound
from portal.runs.models import Run, RunEvent, State
from search.lab import dispatch, selectors
from search.lab.engine.matrix import Matrix
from search.lab.models import Campaign, CellResult
from search.lab.services import campaigns, machine, naming, parameters, reports

ACTOR = Actor.system("test")
SMALL = Matrix(
    scales=(1_000,),
    dimensions=(16,),
    search_types=("vector",),
    filters=(None, 0.1),
    engines=("faiss-flat", "duckdb-hnsw"),
)

ONCE = campaigns.Wishes(n_workers=2, clients=(1,), n_passes=2, max_tries=1)

Wait = Callable[..., Any]


def is_over(campaign: Campaign) -> bool:
    return Run.objects.get(pk=str(Campaign.objects.get(pk=campaign.pk).run_id)).is_terminal


@pytest.mark.integration
@pytest.mark.timeout(400)
@pytest.mark.django_db(transaction=True)
def test_a_campaign_is_measured_and_a_killed_cell_is_not_lost(
    celery_worker: Callable[..., Any], wait_for: Wait
) -> None:
    celery_worker("bench")
    campaign = dispatch.start(plan=SMALL, name="small", actor=ACTOR, wishes=ONCE)
    wait_for(lambda: _measuring() or is_over(campaign), 120)
    for process in _measuring():
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: is_over(campaign), 240, pause=0.5)
    assert Run.objects.get(pk=str(campaign.run_id)).state == State.SUCCEEDED
    errors = campaign.cells.filter(state=CellResult.State.FAILED).values_list("error", flat=True)
    failed = len(errors)
    assert failed <= 1, list(errors)
    if failed:
        dispatch.resume(campaign=campaign, actor=ACTOR)
        wait_for(lambda: is_over(campaign), 120, pause=0.5)
    _check_figures(campaign)
    with pytest.raises(Conflict, match="has measured all of its cells"):
        dispatch.resume(campaign=campaign, actor=ACTOR)
    damaged = _damage(campaign)
    again = dispatch.resume(campaign=campaign, actor=ACTOR)
    wait_for(lambda: is_over(campaign), 120, pause=0.5)
    events = RunEvent.objects.filter(run=again, level="warning")
    said = " ".join(events.values_list("message", flat=True))
    assert any(one in said for one in _in_every_language(damaged)), said
    assert campaign.cells.filter(state=CellResult.State.MEASURED).count() == SMALL.n_cells
    out = StringIO()
    call_command("benchmark_report", "small", stdout=out)
    assert "faiss-flat 1,000 x 16" in out.getvalue()


def _measuring() -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        is_ours = "search.lab.services.worker" in words and str(settings.HOME) in words
        if is_ours and words.endswith("measure.json"):
            found.append(process.pid)
    return found


def _check_figures(campaign: Campaign) -> None:
    lines = selectors.lines(campaign)
    assert len(lines) == SMALL.n_cells
    for line in lines:
        assert line.p50 is not None
        assert line.recall is not None
        assert line.throughput is not None
        assert 0 < line.p50.low <= line.p50.value <= line.p50.high
        assert line.throughput.value > 0
    exact = [line for line in lines if line.cell.engine == "faiss-flat"]
    assert all(line.recall and line.recall.value > 0.99 for line in exact)
    filtered = [
        line
        for line in lines
        if line.cell.engine == "duckdb-hnsw"
        and line.cell.filter_share
        and line.cell.search_type == "vector"
    ]
    assert all("short" in line.flags for line in filtered)
    content = reports.content(campaign)
    considered = [one["n_considered"] for one in content["analysis"]["recommendations"]]
    assert sum(considered) == sum(not line.flags for line in lines)
    assert sum(considered) <= SMALL.n_cells - len(filtered)


def _in_every_language(cell: str) -> Iterator[str]:
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            text = gettext("%(cell)s: what was kept is damaged, so it is measured again.")
            yield text % {"cell": cell}


def _damage(campaign: Campaign) -> str:
    """Make one checkpoint disagree with its digest; returns the label of its cell."""
    row = campaign.cells.all()[0]
    CellResult.objects.filter(pk=row.pk).update(facts=row.facts | {"peak_mb": 1})
    return row.what.label


@pytest.mark.django_db
def test_a_campaign_that_rests_is_not_paused_again() -> None:
    campaign = campaigns.create(plan=SMALL, name="rests", actor=ACTOR)
    with pytest.raises(Conflict, match="nothing to pause"):
        campaigns.pause(campaign=campaign)


@pytest.mark.django_db
def test_bounds_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="workers is 99"):
        campaigns.create(plan=SMALL, name="", actor=ACTOR, wishes=campaigns.Wishes(n_workers=99))
    with pytest.raises(InvalidInput, match="engines is 'sonar'"):
        campaigns.matrix({"engines": ["sonar"]})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--engines", "sonar"], "sonar"),
        (["--filters", "half"], "half"),
        (["--scales", "5"], "scales"),
        (["--resume", "nothing"], "nothing"),
        (["--pause", "nothing"], "nothing"),
        (["--passes", "0"], "passes is 0"),
        (["--resume", "--max-memory", "900"], "--max-memory says how a campaign begins"),
        (["--workers", "3"], "ask for parallel builds too"),
        (["--parameters", "m=8"], "is written as ENGINE.NAME=VALUE"),
        (["--parameters", "millwright.speed=1"], "has no parameter 'speed'"),
        (["--parameters", "millwright.ef_search=50", "--recall", "0.9"], "which chooses it"),
        (["--attach", "latest", "--all"], "--all says how a campaign begins"),
    ],
)
def test_the_command_says_what_is_wrong(
    words: list[str], said: str, django_user_model: Any
) -> None:
    django_user_model.objects.create_superuser("root", password="a long word of passage")
    with pytest.raises(CommandError, match=said):
        call_command("benchmark", *words, "--user", "root", stdout=StringIO())


@pytest.mark.django_db
def test_the_terminal_pauses_and_cancels(django_user_model: Any) -> None:
    root = django_user_model.objects.create_superuser("root", password="a long word of passage")
    actor = Actor.of_user(root, via="command")
    campaign = dispatch.start(plan=SMALL, name="at work", actor=actor, wishes=ONCE)
    out = StringIO()
    call_command("benchmark", "--pause", "at work", "--user", "root", stdout=out)
    assert Campaign.objects.get(pk=campaign.pk).state == "paused", "no worker had it"
    with pytest.raises(CommandError, match="nothing to pause"):
        call_command("benchmark", "--pause", "at work", "--user", "root", stdout=out)
    call_command("benchmark", "--resume", "at work", "--no-wait", "--user", "root", stdout=out)
    with pytest.raises(CommandError, match="is at work: wait for it or cancel it"):
        call_command("benchmark", "--resume", "at work", "--user", "root", stdout=out)
    call_command("benchmark", "--cancel", str(campaign.pk)[:8], "--user", "root", stdout=out)
    assert Campaign.objects.get(pk=campaign.pk).state == "cancelled"
    assert out.getvalue().count("at work") == 2
    with pytest.raises(CommandError, match="nothing to cancel"):
        call_command("benchmark", "--cancel", "at work", "--user", "root", stdout=out)


@pytest.mark.django_db
def test_a_name_or_a_part_of_a_number_that_may_mean_several_is_refused() -> None:
    first, second = (campaigns.create(plan=SMALL, name="twice", actor=ACTOR) for _time in range(2))
    with pytest.raises(Conflict, match="may be any of 2 campaigns") as caught:
        naming.called("twice")
    assert {str(first.pk), str(second.pk)} <= set(str(caught.value).replace(":", " ").split())
    assert naming.called(str(first.pk)) == naming.called(str(first.pk)[:12]) == first
    assert naming.called("latest") == second
    with pytest.raises(NotFound, match="the first 4 signs"):
        naming.called(str(first.pk)[:3])


@pytest.mark.django_db
def test_parameters_reach_the_cells_of_their_engine() -> None:
    given = parameters.read(["hnswlib.m=8", "usearch.dtype=bf16"])
    plan = campaigns.matrix({"engines": ["hnswlib", "usearch"], "parameters": given})
    assert {cell.engine: cell.parameters for cell in plan.cells()} == {
        "hnswlib": {"m": 8},
        "usearch": {"dtype": "bf16"},
    }


def test_as_many_builds_as_fit_is_bounded_by_cores_and_memory() -> None:
    assert machine.n_workers(0, 1) == os.cpu_count()
    assert machine.n_workers(0, 1 << 40) == 1
