"""Commands an operator runs by hand."""

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from portal.core.actors import Actor
from portal.runs import leases, services
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Run
from portal.runs.services import heartbeats
from tests.waiting import wait_for
from tests.worker import Worker

pytestmark = pytest.mark.django_db


def test_one_picture_shows_queues_runs_and_events(claimed: Any, capsys: Any) -> None:
    run = claimed()
    keeper = Keeper(run)
    ctx = RunContext(run, keeper)
    ctx.progress(0.5, phase="fit", message="tree 3 [/red] of 6")
    ctx.metric("loss", 0.25)
    ctx.log("careful [bold]now", level="warning")
    keeper.outbox.flush()
    heartbeats.beat("celery@test", role="worker", queues=["interactive"])
    call_command("runs", "--once")
    picture = capsys.readouterr().out
    for part in (str(run.pk)[:8], "Running", "fit · tree 3 [/red] of 6", "loss = 0.25"):
        assert part in picture
    assert "careful [bold]now" in picture


def test_a_picture_of_nothing_is_drawn_too(capsys: Any) -> None:
    call_command("runs", "--once")
    assert "Interactive" in capsys.readouterr().out


def test_without_a_terminal_one_picture_is_printed(capsys: Any) -> None:
    call_command("runs")
    assert capsys.readouterr().out.count("Queues") == 1


def test_a_sweep_by_hand_says_what_it_did(claimed: Any, capsys: Any) -> None:
    run = claimed()
    Run.objects.filter(pk=run.pk).update(lease_expires_at=timezone.now())
    call_command("sweep_runs")
    assert "runs queued again: 1" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--runs", "--events"])
def test_a_picture_of_fewer_than_no_runs_is_refused(option: str) -> None:
    with pytest.raises(CommandError, match=f"{option} is -3; give 0 to 1000"):
        call_command("runs", "--once", option, "-3")


def test_a_selftest_nobody_works_on_says_so() -> None:
    with pytest.raises(CommandError, match="Does a worker serve the queue bench"):
        call_command("selftest", "--queue", "bench", "--timeout", "0.3")


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_a_selftest_proves_a_queue(celery_worker: Any, capsys: Any) -> None:
    worker: Worker = celery_worker("bench")
    call_command("selftest", "--queue", "bench", "--seconds", "0.2", "--timeout", "20")
    assert "Succeeded on celery@" in capsys.readouterr().out, worker.output()
    with pytest.raises(CommandError, match="The run ended as “Failed”: selftest_refusal"):
        call_command("selftest", "--queue", "bench", "--fail-with", "refusal")
    wait_for(lambda: heartbeats.age_s("sweeper") is not None)


def test_a_title_of_ones_own_is_shown(capsys: Any) -> None:
    run = services.enqueue(
        kind="portal.selftest", actor=Actor.system("tests"), title="Morning check"
    )
    leases.claim(run.pk, worker="tests:1")
    call_command("runs", "--once")
    assert "Morning check" in capsys.readouterr().out
