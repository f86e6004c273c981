"""Trials whose Postgres dies: lost, repeated, and said; a session that ends costs nothing."""

from typing import Any

import psycopg
import pytest
from django.db import connection

from portal.core.actors import Actor
from portal.runs import leases
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.services import queueing
from portal.runs.tasks.selftest import KIND
from tests.live import LiveStack, live
from tests.tuning.processes import engines
from tests.waiting import wait_for
from tuning.services import outages


def trials(stack: LiveStack, what: str) -> list[Any]:
    """Return something of each trial, in order; nothing while the database is away."""
    try:
        with psycopg.connect(stack.state()["database_url"], connect_timeout=5) as session:
            found = session.execute(f"SELECT {what} FROM tuning_trial ORDER BY number")  # noqa: S608
            return found.fetchall()
    except psycopg.OperationalError:
        return []


@pytest.mark.integration
@pytest.mark.timeout(900)
def test_a_killed_postgres_costs_a_study_one_trial() -> None:
    with live() as stack:
        stack.manage(
            "tune",
            "--no-wait",
            "--budget",
            "1h",
            "--trial-seconds",
            "12",
            "--workload",
            "put-heavy",
        )
        wait_for(
            lambda: engines(stack.pid("worker-bench")) and trials(stack, "state") == [("running",)],
            250,
        )
        stack.restart("postgres")
        what = "state, reason, role, configuration"
        wait_for(lambda: len(trials(stack, what)) > 1, 250)
        (state, reason, role, options), again, *_more = wait_for(lambda: trials(stack, what), 60)
    assert state == "lost"
    assert reason
    assert (role, options) == ("baseline", again[-1])


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_client")
def test_a_session_that_ends_within_a_trial_is_replaced_and_the_trial_counts() -> None:
    new = queueing.enqueue(kind=KIND, actor=Actor.system("test"))
    run = leases.claim(new.pk, worker="tests:1")
    assert run is not None
    with outages.told(RunContext(run, Keeper(run))):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        own = connection.settings_dict
        with psycopg.connect(
            host=own["HOST"],
            port=own["PORT"] or None,
            user=own["USER"],
            password=own["PASSWORD"],
            dbname=own["NAME"],
        ) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert connection.is_usable()
