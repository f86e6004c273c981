"""Running engines: samples taken once, summed up, read back and shown."""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput
from portal.core.models import AuditEntry
from portal.lib import clock
from tests.tuning.people import caller, person
from tuning.models import Instance, InstanceHour, InstanceMinute, InstanceSample, OptionReading
from tuning.services import courses, instances
from tuning.services.instances import About

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/tuning-instances/"
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
ABOUT = About(host="db1", folder="/data/db", version="9.8.4", pid=7)


class Time:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now = NOON


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    moved = Time()
    monkeypatch.setattr(clock, "now", lambda: moved.now)
    return moved


def seconds(start: datetime, n: int, **figures: Any) -> list[dict[str, Any]]:
    """Return one sample a second; figures given as functions take the number of the second."""
    return [
        {"at": start + timedelta(seconds=place)}
        | {name: one(place) if callable(one) else one for name, one in figures.items()}
        for place in range(n)
    ]


def take(samples: Sequence[dict[str, Any]], about: About = ABOUT) -> instances.Taken:
    return instances.take(name="db1", about=about, samples=samples)


def test_a_second_is_taken_once_and_the_first_of_it_stands(time: Time) -> None:
    sent = seconds(NOON, 3, rate=5.0, rate_source="wal")
    assert (take(sent).n_new, take(sent).n_new) == (3, 0)
    again = take([sent[0] | {"rate": 9.0}, {"at": NOON + timedelta(seconds=3.7), "rate": 6.0}])
    assert (again.n_new, again.n_known) == (1, 1)
    assert list(InstanceSample.objects.order_by("at").values_list("rate", flat=True)) == [
        5.0,
        5.0,
        5.0,
        6.0,
    ]
    assert again.instance.last_at == NOON + timedelta(seconds=3)


def test_minutes_and_hours_are_those_of_every_second_also_of_late_ones(time: Time) -> None:
    time.now = NOON + timedelta(minutes=5)
    take(seconds(NOON, 150, rate=lambda n: float(n % 60), n_stalls=1.0, cpu_cores=0.5))
    minutes = InstanceMinute.objects.order_by("at")
    assert [(one.n, one.rate, one.rate_low, one.rate_high) for one in minutes] == [
        (60, 29.5, 0.0, 59.0),
        (60, 29.5, 0.0, 59.0),
    ]
    take(seconds(NOON - timedelta(minutes=1), 30, rate=None))
    take(seconds(NOON + timedelta(minutes=3), 1))
    hours = InstanceHour.objects.order_by("at")
    assert [(one.n, one.rate, one.n_stalls) for one in hours] == [
        (30, None, None),
        (150, pytest.approx((2 * 60 * 29.5 + 30 * 14.5) / 150), 150.0),
    ]


def test_the_last_minute_of_a_silent_instance_is_summed_up_and_old_rows_go(time: Time) -> None:
    take(seconds(NOON, 10, rate=4.0))
    assert not InstanceMinute.objects.exists()
    time.now = NOON + timedelta(minutes=1)
    instances.settle()
    assert InstanceMinute.objects.get().n == 10
    time.now = NOON + timedelta(days=3)
    assert instances.settle()["n_seconds"] == 10
    time.now = NOON + timedelta(days=31)
    assert instances.settle()["n_minutes"] == 1
    assert InstanceHour.objects.get().rate == 4.0
    time.now = NOON + timedelta(days=731)
    assert instances.settle()["n_hours"] == 1


def test_the_resolution_suits_the_range_and_too_many_points_are_refused(time: Time) -> None:
    time.now = NOON + timedelta(minutes=3)
    take(seconds(NOON, 130, rate=4.0))
    found = courses.find("db1")
    assert courses.course(found).resolution == "second"
    assert len(courses.course(found).rows) == 130
    day = courses.course(found, since=time.now - timedelta(hours=20))
    assert (day.resolution, len(day.rows), day.rows[0]["n"]) == ("minute", 2, 60)
    assert courses.course(found, since=time.now - timedelta(days=60)).resolution == "hour"
    with pytest.raises(InvalidInput, match="coarser"):
        courses.course(found, since=time.now - timedelta(days=2), resolution="second")
    with pytest.raises(InvalidInput, match="turn it round"):
        courses.course(found, since=time.now, until=NOON)


@pytest.mark.parametrize(
    ("name", "about", "sample", "said"),
    [
        ("a b", ABOUT, {"at": NOON}, "is no name"),
        ("a", About(workload="sonar"), {"at": NOON}, "sonar"),
        ("a", About(sends_readings=True), {"at": NOON}, "name the one"),
        ("a", ABOUT, {"at": NOON + timedelta(minutes=6)}, "outside what is taken"),
        ("a", ABOUT, {"at": NOON - timedelta(hours=25)}, "outside what is taken"),
        ("a", ABOUT, {"at": NOON, "rate": -1}, "is no figure"),
        ("a", ABOUT, {"at": NOON, "rate": float("nan")}, "is no figure"),
        ("a", ABOUT, {"at": NOON, "rate": 1e19}, "is no figure"),
        ("a", ABOUT, {"at": NOON, "rate": True}, "is no figure"),
    ],
)
def test_what_is_wrong_with_samples_is_named(
    time: Time, name: str, about: About, sample: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        instances.take(name=name, about=about, samples=[sample])
    assert not InstanceSample.objects.exists()


def test_two_folders_cannot_be_one_instance_at_a_time(time: Time) -> None:
    take(seconds(NOON, 1))
    other = About(host="db1", folder="/data/other")
    with pytest.raises(Conflict, match="give this instance another name"):
        take(seconds(NOON, 1), other)
    time.now = NOON + timedelta(minutes=1)
    assert take(seconds(time.now, 1), other).instance.folder == "/data/other"


@pytest.mark.django_db(transaction=True)
def test_the_same_samples_sent_twice_at_once_are_taken_once() -> None:
    sent = seconds(clock.now() - timedelta(minutes=3), 130, rate=2.0)
    failed: list[BaseException] = []

    def send() -> None:
        try:
            take(sent)
        except BaseException as exc:  # noqa: BLE001 - shown by the assertion below
            failed.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _place in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    assert InstanceSample.objects.count() == 130
    assert sum(InstanceMinute.objects.values_list("n", flat=True)) <= 130
    assert set(InstanceMinute.objects.values_list("rate", flat=True)) == {2.0}


@pytest.mark.django_db(transaction=True)
def test_an_instance_is_forgotten_while_its_samples_come_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = clock.now()
    instance = take(seconds(now - timedelta(minutes=2), 1)).instance
    sent: list[int] = []

    def send() -> None:
        sent.append(take(seconds(now - timedelta(minutes=1), 1)).n_new)
        connection.close()

    sending = threading.Thread(target=send)
    delete = Instance.delete

    def slowly(self: Instance) -> None:
        InstanceSample.objects.filter(instance=self).delete()
        sending.start()
        sending.join(1)
        delete(self)

    monkeypatch.setattr(Instance, "delete", slowly)
    instances.forget(instance=instance, actor=Actor.system("test"))
    sending.join(30)
    assert sent == [1]
    assert InstanceSample.objects.get().instance_id != instance.pk


@pytest.mark.parametrize("size", [10**400, "nan", "inf", [1], None, {"a": 1}])
def test_an_option_that_is_none_is_said_and_breaks_nothing(time: Time, size: object) -> None:
    about = About(workload="put-heavy", options={"write_buffer_size": size})
    assert take(seconds(NOON, 1), about).instance.prediction["why"]


def test_minutes_are_readings_where_the_sidecar_says_so(time: Time) -> None:
    about = About(host="db1", workload="put-heavy", sends_readings=True)
    time.now = NOON + timedelta(minutes=3)
    take(seconds(NOON, 70, rate=100.0), about)
    assert OptionReading.objects.count() == 1
    take(seconds(NOON + timedelta(seconds=70), 60, rate=200.0), about)
    found = OptionReading.objects.order_by("at").values_list("at", "rate")
    assert list(found) == [
        (NOON, 100.0),
        (NOON + timedelta(minutes=1), pytest.approx((10 * 100 + 50 * 200) / 60)),
    ]


def test_without_a_model_the_page_says_why_nothing_is_predicted(time: Time) -> None:
    about = About(workload="put-heavy", options={"write_buffer_size": 8})
    found = take(seconds(NOON, 1, rate=1.0), about).instance
    assert "No form of the put-rate model" in found.prediction["why"]
    assert found.predicted_rate is None


# --- Over HTTP ---


def body(**figures: Any) -> dict[str, Any]:
    at = clock.now().isoformat()
    return {"about": {"host": "far", "folder": "/db"}, "samples": [{"at": at, **figures}]}


def post(client: Client, sent: Any, name: str = "far-db") -> Any:
    return client.post(f"{ROOT}{name}/samples/", json.dumps(sent), content_type="application/json")


def test_samples_come_in_and_go_out_over_http() -> None:
    client, sent = caller("operator", "tune", "read"), body(rate=12.5, rate_source="statistics")
    assert post(client, sent).json() == {"n_new": 1, "n_known": 0}
    assert post(client, sent).json() == {"n_new": 0, "n_known": 1}
    found = client.get(f"{ROOT}far-db/samples/").json()
    assert (found["resolution"], len(found["points"])) == ("second", 1)
    assert found["points"][0]["rate"] == 12.5
    assert found["points"][0]["cpu_cores"] is None
    one = client.get(f"{ROOT}far-db/").json()
    assert (one["host"], one["is_silent"]) == ("far", False)
    assert [row["name"] for row in client.get(ROOT).json()["results"]] == ["far-db"]
    assert client.delete(f"{ROOT}far-db/").status_code == 204
    assert AuditEntry.objects.filter(action="instance.forget", target="instance:far-db").exists()
    assert client.get(f"{ROOT}far-db/").status_code == 404


def test_samples_ask_for_scope_and_role() -> None:
    assert post(caller("operator", "read"), body()).status_code == 403
    assert post(caller("viewer", "tune"), body()).status_code == 403
    assert post(Client(), body()).status_code == 401
    assert caller("viewer", "tune").get(ROOT).status_code == 403
    assert caller("operator", "read").delete(f"{ROOT}x/").status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"samples": []},
        {"samples": 3},
        {"samples": [3]},
        {"samples": [{"rate": 1}]},
        {"samples": [{"at": "noon"}]},
        {"samples": [{"at": "2001-01-01T00:00:00Z"}]},
        {"samples": [{"at": "2026-01-31T12:00:00Z", "colour": 1}]},
        {"about": {"pid": "x"}, "samples": [{"at": "2026-01-31T12:00:00Z"}]},
        {"about": 3, "samples": [{"at": "2026-01-31T12:00:00Z"}]},
        {"samples": [{"at": "2026-01-31T12:00:00Z", "rate": 10**400}]},
    ],
)
def test_a_wrong_body_is_refused_by_name(wrong: dict[str, Any]) -> None:
    answer = post(caller("operator", "tune"), wrong)
    assert answer.status_code == 422, answer.content
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "query", ["resolution=day", "since=noon", "colour=red", "until=0001-01-01T00:00:00Z"]
)
def test_a_wrong_range_is_refused(query: str) -> None:
    client = caller("operator", "tune", "read")
    post(client, body())
    assert client.get(f"{ROOT}far-db/samples/?{query}").status_code == 422


# --- Pages ---


def signed_in(role: str) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(person(role))
    return client


def test_the_list_says_who_is_live_and_who_is_silent(time: Time) -> None:
    take(seconds(NOON, 2, rate=4_321.0))
    address = reverse("admin:tuning_instance_changelist")
    text = signed_in("viewer").get(address).text
    assert "4,321" in text
    assert "live" in text
    time.now = NOON + timedelta(minutes=2)
    text = signed_in("viewer").get(address).text
    assert "silent since" in text
    assert "4,321" not in text


def test_an_empty_list_says_what_to_do() -> None:
    text = signed_in("viewer").get(reverse("admin:tuning_instance_changelist")).text
    assert "watch_rocksdb" in text


def test_the_page_draws_what_is_known_and_says_what_is_not(time: Time) -> None:
    take(seconds(NOON, 30, rate=float, rate_source="wal", cpu_cores=0.5))
    found = Instance.objects.get()
    time.now = NOON + timedelta(seconds=31)
    viewer = signed_in("viewer")
    text = viewer.get(reverse("admin:tuning_instance_change", args=[found.pk])).text
    assert text.count("<svg") == 2
    assert "estimated from the write-ahead log" in text
    assert "Nothing that is read tells this" in text
    assert "Forget" not in text
    live = viewer.get(reverse("admin:tuning_instance_live", args=[found.pk]) + "?span=1h")
    assert "<html" not in live.text
    time.now = NOON + timedelta(hours=3)
    text = viewer.get(reverse("admin:tuning_instance_live", args=[found.pk])).text
    assert "Nothing was heard since" in text
    assert "Nothing was seen in this range" in text


def test_an_instance_is_forgotten_with_a_reason_by_those_who_may(time: Time) -> None:
    take(seconds(NOON, 3))
    address = reverse("admin:tuning_instance_forget", args=[Instance.objects.get().pk])
    assert signed_in("viewer").post(address, {"reason": "gone"}).status_code == 403
    signed_in("operator").post(address, {"reason": "gone"})
    assert not Instance.objects.exists()
    assert not InstanceSample.objects.exists()
