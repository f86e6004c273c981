"""What is refused is kept with its reason, and counted without exception."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.test import Client

from monitoring.models import QuarantinedRow, Refusal
from monitoring.models.quality import ROWS
from monitoring.services.quality import quarantine
from portal.core import refused
from portal.core.actors import Actor
from portal.core.errors import InvalidInput
from portal.core.refused import Batch, Fault
from portal.lib import clock
from portal.registry.models import ModelVersion
from predictions.services import datasets
from predictions.services.answering import answer
from predictions.services.routing.datasets import Upload, import_routings
from predictions.services.serving import quality
from tests.predictions.conftest import champion, make_key, make_version, shots, small_model

__all__ = ["champion", "make_key", "make_version", "shots", "small_model"]
SCOPE = "live:diecasting-quality"
SYSTEM = Actor.system("tests")
URL = "/api/v1/predictions/quality/"
pytestmark = pytest.mark.django_db


def batch(n: int = 1, *, rule: str = "null", source: str = "key:1") -> Batch:
    faults = [Fault(i, "Temp", rule, "Temp is null.") for i in range(min(n, 50))]
    return Batch(SCOPE, source, faults, n, n, n, {0: '{"Temp":null}'}, "r-1")


def counted() -> dict[tuple[str, str], int]:
    return {(row.rule, row.column): row.n for row in Refusal.objects.all()}


# --- From the parts that refuse -------------------------------------------------------------------


def test_a_refused_shot_is_kept_with_the_reason_and_what_came(
    champion: ModelVersion,
    shots: list[dict[str, Any]],
    client: Client,
    make_key: Callable[..., dict[str, str]],
) -> None:
    features = {**shots[0], "Velocity_1": "fast"}
    answered = client.post(
        URL, {"features": features}, content_type="application/json", headers=make_key("predict")
    )
    assert answered.status_code == 422
    assert quarantine.collect() == 1
    row = QuarantinedRow.objects.get()
    assert (row.scope, row.column, row.rule) == (SCOPE, "Velocity_1", "not_a_number")
    assert row.message == answered.json()["errors"][0]["message"]
    assert '"fast"' in row.row
    assert row.source.startswith("key:")
    assert row.request_id == answered["X-Request-ID"]


def test_of_many_refused_rows_every_one_is_counted(
    champion: ModelVersion, shots: list[dict[str, Any]]
) -> None:
    rows = [{**shots[i % len(shots)], "Velocity_1": 1e9} for i in range(300)]
    with pytest.raises(InvalidInput):
        answer(quality, [*rows, *shots[:20]], principal="key:4", request_id="r")
    quarantine.collect()
    found = counted()
    assert found[ROWS, ""] == 300
    assert found["out_of_range", "Velocity_1"] + found[quarantine.UNLISTED, ""] == 300
    assert QuarantinedRow.objects.count() == quarantine.MOST_ROWS


def test_names_that_callers_invent_are_no_columns(
    champion: ModelVersion, shots: list[dict[str, Any]]
) -> None:
    for n in range(3):
        with pytest.raises(InvalidInput):
            answer(quality, [{**shots[0], f"made_up_{n}": 1}], principal="key:4", request_id="r")
    quarantine.collect()
    assert counted() == {("unknown", ""): 3, (ROWS, ""): 3}
    assert {row.column for row in QuarantinedRow.objects.all()} == {""}


def test_what_cannot_be_written_down_is_refused_all_the_same(
    champion: ModelVersion, shots: list[dict[str, Any]]
) -> None:
    for odd in ("\x00\ud800", 10**400, float("nan"), object()):
        with pytest.raises(InvalidInput):
            answer(quality, [{**shots[0], "Velocity_1": odd}], principal="k", request_id="r")
    quarantine.collect()
    assert counted()[ROWS, ""] == 4


def test_a_file_that_is_refused_leaves_its_faults(db: None) -> None:
    with pytest.raises(InvalidInput):
        datasets.import_dataset(
            source=io.BytesIO(b"Velocity_1,defect\nfast,0\n"),
            name="Shift 3",
            source_name="shift-3.csv",
            actor=SYSTEM,
        )
    rows = QuarantinedRow.objects.all()
    assert {(row.scope, row.source) for row in rows} == {
        ("import:diecasting-quality", "shift-3.csv")
    }
    assert all(row.message for row in rows)
    assert sum(n for (rule, _column), n in counted().items() if rule != ROWS) >= len(rows)


def test_routing_tables_that_are_refused_leave_their_faults(db: None) -> None:
    broken = Upload(io.BytesIO(b"a,b\n1,2\n"), "items.csv")
    with pytest.raises(InvalidInput):
        import_routings(items=broken, routings=broken, name="Items", actor=SYSTEM)
    assert {row.scope for row in QuarantinedRow.objects.all()} == {"import:routing"}


def test_a_keeper_that_fails_does_not_hold_up_the_refusal(
    champion: ModelVersion, shots: list[dict[str, Any]], settings: Any
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(InvalidInput, match="1 value breaks"):
        answer(quality, [{**shots[0], "Velocity_1": None}], principal="key:4", request_id="r")


# --- From Redis to the table ----------------------------------------------------------------------


def test_moving_twice_changes_nothing(redis_client: redis.Redis) -> None:
    refused.note(batch(3))
    waiting = redis_client.dump(quarantine.STREAM) or b""
    quarantine.collect()
    # As if the worker had died before it removed the entries.
    redis_client.restore(quarantine.STREAM, 0, waiting, replace=True)
    quarantine.collect()
    assert QuarantinedRow.objects.count() == 3
    assert counted() == {("null", "Temp"): 3, (ROWS, ""): 3}


def test_of_rows_alike_only_the_first_of_an_hour_are_kept(redis_client: redis.Redis) -> None:
    for _ in range(5):
        refused.note(batch(20))
    refused.note(batch(1, rule="out_of_range"))
    quarantine.collect()
    refused.note(batch(20))
    quarantine.collect()
    kept = QuarantinedRow.objects.filter(rule="null").count()
    hours = {row.at.hour for row in QuarantinedRow.objects.all()}
    assert kept <= quarantine.MOST_ALIKE * len(hours)
    assert QuarantinedRow.objects.filter(rule="out_of_range").count() == 1
    assert sum(row.n for row in Refusal.objects.filter(rule="null")) == 120


def test_counts_wait_in_redis_for_as_long_as_no_worker_lives(redis_client: redis.Redis) -> None:
    refused.note(batch(2))
    later = clock.now() + timedelta(days=9)
    quarantine.collect(later)
    assert counted() == {("null", "Temp"): 2, (ROWS, ""): 2}
    assert redis_client.keys("millwright:refused:*") == []


def test_what_nobody_can_read_is_left_out(redis_client: redis.Redis) -> None:
    redis_client.xadd(quarantine.STREAM, {"r": "{torn"})
    refused.note(batch())
    assert quarantine.collect() == 1
    assert redis_client.xlen(quarantine.STREAM) == 0


def test_old_rows_go_before_their_counts(redis_client: redis.Redis) -> None:
    refused.note(batch())
    quarantine.collect()
    now = clock.now()
    assert quarantine.remove_old(now + timedelta(days=29)) == {"n_rows": 0, "n_counts": 0}
    assert quarantine.remove_old(now + timedelta(days=31)) == {"n_rows": 1, "n_counts": 0}
    assert quarantine.remove_old(now + timedelta(days=366)) == {"n_rows": 0, "n_counts": 2}
