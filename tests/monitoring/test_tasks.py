"""What the portal does about itself every night."""

import pytest
from django.db import connection

from monitoring.tasks import upkeep as tasks
from portal.core import audit, idempotency
from portal.core.actors import Actor
from portal.core.models import Alert, IdempotencyRecord
from portal.lib import clock
from portal.runs import services
from portal.runs.models import Run, Schedule, State
from portal.runs.services import schedules
from portal.runs.tasks import perform

SYSTEM = Actor.system("tests")


def done(kind: str) -> Run:
    run = services.enqueue(kind=kind, actor=SYSTEM)
    perform(str(run.pk), worker="tests:1")
    run.refresh_from_db()
    return run


@pytest.mark.django_db(transaction=True)
def test_a_broken_audit_log_alerts_in_the_night() -> None:
    audit.record(SYSTEM, "test.do", "x")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE core_auditentry SET reason = 'never'")
        cursor.execute("SET session_replication_role = origin")
    run = done(tasks.VERIFY)
    assert (run.state, run.result["is_intact"]) == (State.SUCCEEDED, False)
    assert "Entry 1 was changed" in Alert.objects.open().get(key="audit.broken").message


@pytest.mark.django_db(transaction=True)
def test_expired_idempotency_records_go() -> None:
    old = clock.now() - idempotency.KEPT
    IdempotencyRecord.objects.create(principal="p", key="old", fingerprint="f", created_at=old)
    IdempotencyRecord.objects.create(principal="p", key="new", fingerprint="f")
    assert done(tasks.FORGET).result == {"n_removed": 1}


@pytest.mark.django_db
def test_both_are_scheduled() -> None:
    schedules.ensure_declared()
    kinds = set(Schedule.objects.values_list("kind", flat=True))
    assert {tasks.VERIFY, tasks.FORGET} <= kinds
