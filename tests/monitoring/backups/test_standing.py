"""What the dashboard says of backups: when, how it ended, and whether that is too long ago."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from monitoring.selectors import backups
from portal.core import audit
from portal.core.actors import Actor
from portal.lib import clock
from portal.runs.models import Run, State
from tests.console.conftest import person, signed_in

__all__ = ["person", "signed_in"]
pytestmark = pytest.mark.django_db
FOUND: dict[str, dict[str, Any]] = {
    backups.MAKE: {"n_rows": 120_000, "dump_bytes": 3 << 20},
    backups.DRILL: {"n_rows": 120_000, "n_tables": 48, "seconds": {"restore": 9.5}},
}


def ended(
    kind: str,
    *,
    hours_ago: float,
    state: str = State.SUCCEEDED,
    message: str = "",
    result: dict[str, Any] | None = None,
) -> Run:
    at = clock.now() - timedelta(hours=hours_ago)
    return Run.objects.create(
        kind=kind,
        queue="maintenance",
        state=state,
        created_at=at,
        started_at=at,
        finished_at=at,
        error_message=message,
        result=(result or FOUND[kind]) if state == State.SUCCEEDED else {},
    )


def card(client: Client) -> str:
    page = client.get(reverse("admin:index")).text
    return page[page.index('id="backups"') :].split("</section>")[0]


def test_before_the_first_backup_the_card_says_when_it_comes(
    signed_in: Callable[..., Client],
) -> None:
    text = card(signed_in("viewer"))
    assert text.count("none yet") == 2
    assert "script/manage backup" in text


def test_the_card_tells_the_last_backup_and_the_last_rehearsal(
    signed_in: Callable[..., Client],
) -> None:
    run = ended(backups.MAKE, hours_ago=5)
    ended(backups.DRILL, hours_ago=24 * 9)
    text = card(signed_in("viewer"))
    assert text.count("succeeded") == 2
    assert reverse("admin:runs_run_change", args=[run.pk]) in text
    assert "120,000 rows in 48 tables restored and equal" in text


def test_a_failure_says_why_and_when_it_last_went_well(signed_in: Callable[..., Client]) -> None:
    ended(backups.MAKE, hours_ago=25)
    ended(backups.MAKE, hours_ago=1, state=State.FAILED, message="The disk is full.")
    standing = backups.standing().backup
    assert (standing.has_failed, standing.is_late) == (True, False)
    text = card(signed_in("viewer"))
    assert "The disk is full." in text
    assert "Last success" in text


def test_a_backup_made_by_hand_after_a_failure_counts() -> None:
    ended(backups.MAKE, hours_ago=5, state=State.ERRORED)
    seen = clock.now() - timedelta(hours=2)
    ended(backups.CHECK, hours_ago=1, result={"latest_at": seen.isoformat()})
    standing = backups.standing().backup
    assert (standing.good_at, standing.has_failed) == (seen, False)


@pytest.mark.parametrize(("kind", "hours"), [(backups.MAKE, 37), (backups.DRILL, 24 * 39)])
def test_what_is_too_old_says_so(kind: str, hours: float, signed_in: Callable[..., Client]) -> None:
    ended(kind, hours_ago=hours)
    assert "too old" in card(signed_in("viewer"))


def test_cancelled_runs_say_nothing() -> None:
    ended(backups.MAKE, hours_ago=5)
    ended(backups.MAKE, hours_ago=1, state=State.CANCELLED)
    assert not backups.standing().backup.has_failed


def test_a_rehearsal_by_hand_counts_like_a_scheduled_one(
    signed_in: Callable[..., Client],
) -> None:
    ended(backups.DRILL, hours_ago=24 * 60)
    assert backups.standing().drill.is_late
    audit.record(
        Actor.system("restore_drill", via=Run.Via.COMMAND),
        backups.DRILLED,
        "backup 20261101",
        detail={"n_rows": 777, "n_tables": 50, "seconds": {"restore": 3.0}},
    )

    drill = backups.standing().drill

    assert (drill.is_late, drill.figures["n_rows"]) == (False, 777)
    assert "777 rows in 50 tables" in card(signed_in("viewer"))
