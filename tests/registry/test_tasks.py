"""Every kind of upkeep, done by a real worker."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.db.backends.utils import CursorWrapper

from portal.registry import tasks
from portal.registry.models import ModelVersion
from portal.runs import services as runs
from portal.runs.models import Run, State
from tests.registry.conftest import SYSTEM
from tests.worker import Worker


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_a_worker_does_the_upkeep(
    version: Callable[..., ModelVersion],
    celery_worker: Callable[..., Worker],
    wait_for: Callable[..., object],
    without_guards: Callable[[], AbstractContextManager[CursorWrapper]],
) -> None:
    version()
    with without_guards() as cursor:
        cursor.execute("UPDATE registry_modelversion SET created_at = now() - interval '200 days'")
    celery_worker("maintenance")
    started = [
        runs.enqueue(kind=kind, actor=SYSTEM).pk
        for kind in (tasks.EXPIRE, tasks.RETAIN, tasks.CHECK)
    ]
    wait_for(lambda: Run.objects.filter(pk__in=started, state=State.SUCCEEDED).count() == 3, 20)

    results = [Run.objects.get(pk=pk).result for pk in started]
    assert results == [
        {"n_closed": 0},
        {"n_versions": 1, "n_artifacts": 1, "freed_bytes": 16},
        {"n_settled": 0},
    ]
