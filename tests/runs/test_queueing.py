"""Starting runs: the row, the message, and who or what is recorded."""

import math
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import transaction
from django.utils import timezone

from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput, NotFound, Refused
from portal.core.models import AuditEntry, User
from portal.runs import leases, services
from portal.runs.models import Run, State

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("tests")
KIND = "portal.selftest"


def test_the_message_leaves_with_the_commit(
    django_capture_on_commit_callbacks: Any, redis_client: redis.Redis
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        run = services.enqueue(kind=KIND, actor=SYSTEM)
        assert redis_client.llen("interactive") == 0
    (message,) = redis_client.lrange("interactive", 0, -1)
    assert str(run.pk).encode() in message
    run.refresh_from_db()
    assert run.sent_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_transaction_undone_leaves_neither_row_nor_message(redis_client: redis.Redis) -> None:
    with transaction.atomic():
        services.enqueue(kind=KIND, actor=SYSTEM)
        transaction.set_rollback(True)
    assert not Run.objects.exists()
    assert redis_client.llen("interactive") == 0


@pytest.mark.django_db(transaction=True)
def test_a_run_for_later_is_sent_when_its_time_has_come(redis_client: redis.Redis) -> None:
    later = timezone.now() + timedelta(hours=1)
    run = services.enqueue(kind=KIND, actor=SYSTEM, not_before=later)
    services_sweep()
    assert redis_client.llen("interactive") == 0
    past = timezone.now() - timedelta(seconds=5)
    Run.objects.filter(pk=run.pk).update(not_before=past, created_at=past)
    services_sweep()
    assert redis_client.llen("interactive") == 1


def services_sweep() -> None:
    from portal.runs.services import upkeep  # noqa: PLC0415 - beside its only use

    upkeep.sweep()


@pytest.mark.parametrize(
    "parameters",
    [{"rate": math.nan}, {"rate": math.inf}, {"when": timezone.now()}, {"s": {1}}, {"s": "\0"}],
)
def test_parameters_must_be_plain_json(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="JSON"):
        services.enqueue(kind=KIND, actor=SYSTEM, parameters=parameters)


def test_unknown_kinds_and_queues_are_refused() -> None:
    with pytest.raises(NotFound, match=r"portal\.selftest"):
        services.enqueue(kind="portal.gone", actor=SYSTEM)
    with pytest.raises(InvalidInput, match="interactive"):
        services.enqueue(kind=KIND, actor=SYSTEM, queue="express")


@pytest.mark.parametrize(
    ("via", "recorded"),
    [("key", "key"), ("command", "command"), ("schedule", "schedule"), ("browser", "person")],
)
def test_who_started_a_run_is_recorded(via: str, recorded: str) -> None:
    user = User.objects.create_user("kim")
    actor = Actor("kim", via, user.pk, key_prefix="mw_abc", request_id="r-1")
    run = services.enqueue(kind=KIND, actor=actor)
    assert (run.started_by_id, run.started_via) == (user.pk, recorded)
    assert (run.started_via_detail, run.request_id) == ("mw_abc", "r-1")


def test_what_the_portal_starts_itself_has_nobody_behind_it() -> None:
    run = services.enqueue(kind=KIND, actor=Actor.system("drift watch", via="nonsense"))
    assert (run.started_by, run.started_via) == (None, "system")


def test_a_seed_is_drawn_or_kept() -> None:
    drawn = services.enqueue(kind=KIND, actor=SYSTEM)
    assert 0 <= drawn.seed < 2**31
    assert services.enqueue(kind=KIND, actor=SYSTEM, seed=7).seed == 7


def test_cancelling_twice_asks_once(claimed: Any) -> None:
    run = claimed()
    first = services.cancel(run_id=run.pk, actor=SYSTEM)
    second = services.cancel(run_id=run.pk, actor=SYSTEM)
    assert first.cancel_requested_at == second.cancel_requested_at
    assert run.events.filter(type="log").count() == 1


@pytest.mark.parametrize("state", [None, State.SUCCEEDED])
def test_what_did_not_end_badly_is_not_retried(claimed: Any, state: State | None) -> None:
    run = claimed()
    if state:
        leases.settle(run, leases.Outcome(state))
    with pytest.raises(Conflict, match="only failed, errored or cancelled"):
        services.retry(run_id=run.pk, actor=SYSTEM)


def test_a_person_without_the_permission_is_refused_and_audited(enqueue: Any) -> None:
    run, user = enqueue(), User.objects.create_superuser("root")
    with pytest.raises(Refused):
        services.cancel(run_id=run.pk, actor=Actor.of_user(user, via="person"))
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.outcome, entry.target) == ("run.cancel", "refused", f"run {run.pk}")


def test_an_unknown_run_is_not_found() -> None:
    with pytest.raises(NotFound):
        services.cancel(run_id="00000000-0000-0000-0000-000000000000", actor=SYSTEM)
