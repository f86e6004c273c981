"""What follows once an option set is live: watched, kept, taken back, refused, not known."""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput, Refused
from portal.core.models import Alert, AuditEntry
from portal.lib import clock
from portal.lib.hashing import canonical_json
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from tests.registry.conftest import finished_run
from tests.tuning.people import caller, person
from tuning.models import OptionReading, OptionWatch, ReadingHour, Study
from tuning.services import promoting, readings, watching
from tuning.templatetags import option_watches

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("millwright")
NAME = "tuned-toy-plain"
RATIOS = [0.40, 0.41, 0.39, 0.42, 0.40, 0.41, 0.39, 0.42]


class Time:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(tz=UTC)

    def forward(self, **words: float) -> None:
        self.now += timedelta(**words)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    moved = Time()
    monkeypatch.setattr(clock, "now", lambda: moved.now)
    return moved


def version(buffer: int, current: int, **evaluation: Any) -> ModelVersion:
    """Register a set that was measured beside another: 100 before, 1.3 times that proven."""
    model = registry.ensure_model(
        name=NAME,
        family=promoting.FAMILY,
        title="Options",
        gate_policy={**promoting.GATE_POLICY, "auto_apply": True},
    )
    content = {
        "candidate": {"buffer": buffer},
        "current": {"buffer": current},
        "log_ratios": RATIOS,
    }
    kept = artifacts.save(canonical_json(content), "application/json")
    told = {
        "proof": {"low": 1.3, "ratio": 1.5, "high": 1.7},
        "metrics": {"rate": {"current": 100.0, "candidate": 150.0}},
    }
    return registry.register_version(
        model=model,
        run=finished_run(),
        artifacts={promoting.PROOF: kept},
        evaluation_set=registry.freeze_evaluation_set(
            model=model, artifact=kept, n_rows=len(RATIOS), dataset_fingerprint="f" * 64
        ),
        dataset_fingerprint="f" * 64,
        lineage={},
        signature={},
        evaluation=told | evaluation,
        settings={
            "configuration": content["candidate"],
            "target": "toy",
            "workload": "plain",
            "metric": "rate",
        },
        card="",
        is_synthetic=True,
    )


def applied(made: ModelVersion) -> OptionWatch:
    gate = registry.weigh(made)
    with transaction.atomic():
        request = registry.propose(gate=gate, reason="better", actor=SYSTEM)
    registry.apply_automatically(request_id=request.pk, actor=SYSTEM)
    return OptionWatch.objects.get(version=made)


@pytest.fixture
def second(time: Time) -> OptionWatch:
    """Give the watch over the second set that went live, a day and more after the first."""
    applied(version(20, 16))
    time.forward(hours=30)
    return applied(version(30, 20))


def send(time: Time, rates: Sequence[float]) -> readings.Taken:
    """Send one rate a minute, up to now."""
    sent = []
    for rate in rates:
        time.forward(minutes=1)
        sent.append({"at": time.now.isoformat(), "rate": rate})
    return readings.take(target="toy", workload="plain", readings=sent)


def live() -> int:
    champion = selectors.champion(NAME)
    assert champion is not None
    return champion.number


def test_the_bound_is_the_proven_gain_less_the_margin(second: OptionWatch) -> None:
    assert second.bound == pytest.approx(100 * 1.3 * 0.9)
    assert (second.base_from, second.state) == ("proof", "watching")
    assert second.previous is not None
    assert second.previous.number == 1
    first = OptionWatch.objects.get(version__number=1)
    assert (first.state, first.previous) == ("replaced", None)


def test_readings_before_the_change_set_the_bound(time: Time) -> None:
    applied(version(20, 16))
    time.forward(hours=25)
    send(time, [40.0] * 12)
    watch = applied(version(30, 20))
    assert watch.base_from == "readings"
    assert watch.bound == pytest.approx(40 * 1.3 * 0.9)


def test_three_breaches_in_a_row_take_the_set_back(time: Time, second: OptionWatch) -> None:
    taken = send(time, [150, 90, 90, 150, 90, 90])
    assert taken.watch is not None
    assert (taken.watch.state, taken.watch.n_breaches, live()) == ("watching", 2, 2)
    send(time, [90, 150])
    second.refresh_from_db()
    assert (second.state, live()) == ("returned", 1)
    assert "3 readings in a row of rate beyond the bound 117" in second.reason
    assert Alert.objects.open().get(key__startswith=f"registry.rollback.{NAME}").severity
    entry = AuditEntry.objects.get(action="alias.rollback")
    assert (entry.outcome, entry.actor_id, entry.reason) == ("done", None, second.reason)
    second.version.refresh_from_db()
    assert second.version.state == ModelVersion.State.QUARANTINED
    assert not OptionWatch.objects.filter(state="watching").exists()


def test_after_a_return_the_target_rests(time: Time, second: OptionWatch) -> None:
    send(time, [1, 1, 1])
    third = version(40, 20)
    time.forward(hours=20)
    with pytest.raises(Conflict, match="nothing is applied to it") as refused:
        applied(third)
    assert refused.value.specific_code == "cooldown"
    assert live() == 1
    assert AuditEntry.objects.filter(outcome="refused", detail__code="cooldown").exists()
    time.forward(hours=5)
    registry.apply_automatically(request_id=third.promotions.get(state="open").pk, actor=SYSTEM)
    assert live() == 3


def test_a_third_apply_within_a_day_is_refused(time: Time) -> None:
    applied(version(20, 16))
    applied(version(30, 20))
    third = version(40, 30)
    with pytest.raises(Conflict, match="2 are allowed") as refused:
        applied(third)
    assert refused.value.specific_code == "applies_spent"
    time.forward(hours=25)
    registry.apply_automatically(request_id=third.promotions.get(state="open").pk, actor=SYSTEM)
    assert live() == 3


def test_without_readings_it_says_so_and_is_never_kept(time: Time, second: OptionWatch) -> None:
    page = Client(headers={"accept-language": "en"})
    page.force_login(person("viewer"))
    address = reverse("admin:registry_modelversion_change", args=[second.version_id])
    text = page.get(address).text
    assert "No readings of the running instance so far" in text
    assert watching.settle() == {"n_ended": 0, "n_returned": 0}
    time.forward(hours=25)
    assert watching.settle()["n_ended"] == 1
    second.refresh_from_db()
    assert (second.state, live()) == ("unreadable", 2)
    assert Alert.objects.open().get(key="tuning.watch.toy.plain").severity == "warning"
    page.force_login(person("viewer"))
    assert "No readings came while it was watched" in page.get(address).text
    study = Study.objects.create(
        name="one", target="toy", workload="plain", proof={"version": {"id": second.version_id}}
    )
    text = page.get(reverse("admin:tuning_study_change", args=[study.pk])).text
    assert "Watch after it went live" in text
    assert "No readings came while it was watched" in text


@pytest.mark.parametrize(("hours", "state"), [(1, "unreadable"), (13, "kept")])
def test_it_is_kept_when_readings_reached_its_second_half(
    time: Time, second: OptionWatch, hours: int, state: str
) -> None:
    time.forward(hours=hours)
    send(time, [150, 150, 90, 150])
    time.forward(hours=24)
    watching.settle()
    second.refresh_from_db()
    assert second.state == state


def test_the_first_set_ever_has_nothing_to_go_back_to(time: Time) -> None:
    watch = applied(version(20, 16))
    send(time, [1, 1, 1])
    watch.refresh_from_db()
    assert (watch.state, live()) == ("stuck", 1)
    assert Alert.objects.open().get(key="tuning.watch.toy.plain").severity == "critical"


def test_an_interrupted_return_is_finished(time: Time, second: OptionWatch) -> None:
    OptionWatch.objects.filter(pk=second.pk).update(n_breaches=3, last_rate=1.0)
    assert watching.settle()["n_returned"] == 1
    assert live() == 1


def test_a_set_whose_proof_names_no_figure_cannot_be_watched(time: Time) -> None:
    watch = applied(version(20, 16, metrics={}))
    assert (watch.state, watch.bound) == ("unreadable", None)


def test_no_person_goes_back_in_the_name_of_the_portal(time: Time, second: OptionWatch) -> None:
    actor = Actor.of_user(person("operator"), via="person")
    with pytest.raises(Refused, match="by itself"):
        registry.rollback_automatically(bad=second.version, reason="slow", actor=actor)
    assert live() == 2


def test_a_time_is_taken_once_and_rolled_up_by_the_hour(time: Time) -> None:
    at = time.now.replace(minute=30)
    time.now = at + timedelta(minutes=40)
    sent = [{"at": (at + timedelta(minutes=n)).isoformat(), "rate": n} for n in (0, 10, 31)]
    first = readings.take(target="toy", workload="plain", readings=sent)
    again = readings.take(target="toy", workload="plain", readings=[*sent, sent[0] | {"rate": 9}])
    assert (first.n_new, first.n_known) == (3, 0)
    assert (again.n_new, again.n_known) == (0, 4)
    hours = ReadingHour.objects.order_by("hour")
    assert [(row.n_readings, row.mean, row.low, row.high) for row in hours] == [
        (2, 5.0, 0.0, 10.0),
        (1, 31.0, 31.0, 31.0),
    ]
    time.forward(days=9)
    assert readings.remove_old() == 3
    assert ReadingHour.objects.count() == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"target": "sonar"}, "no target “sonar”"),
        ({"workload": "storm"}, "no workload 'storm'"),
        ({"readings": [{"at": "noon", "rate": 1}]}, "“noon” is no time"),
        ({"readings": [{"at": "2026-01-31T08:00:00", "rate": 1}]}, "with an offset"),
        ({"readings": [{"at": "2026-02-31T08:00:00Z", "rate": 1}]}, "is no time"),
        ({"readings": [{"at": "9999-12-31T23:59:59-23:00", "rate": 1}]}, "lies outside"),
        ({"readings": [{"at": "2001-01-31T08:00:00Z", "rate": 1}]}, "7 days before"),
    ],
)
def test_what_is_wrong_with_readings_is_named(asked: dict[str, Any], said: str) -> None:
    whole: dict[str, Any] = {"target": "toy", "workload": "plain", "readings": []} | asked
    with pytest.raises(InvalidInput, match=said):
        readings.take(**whole)


@pytest.mark.parametrize("rate", [-1, "fast", True, None, [1], float("nan"), 1e16, 10**400])
def test_what_is_no_rate_is_named(rate: Any) -> None:
    sent = [{"at": clock.now().isoformat(), "rate": rate}]
    with pytest.raises(InvalidInput, match="is no rate"):
        readings.take(target="toy", workload="plain", readings=sent)
    assert not OptionReading.objects.exists()


def test_readings_are_read_back_one_by_one_and_by_the_hour(time: Time) -> None:
    send(time, [10, 20, 30])
    client, address = caller("viewer", "read"), "/api/v1/tuning-targets/toy/readings/"
    found = client.get(address).json()
    assert (found["resolution"], found["is_cut"]) == ("reading", False)
    assert [point["rate"] for point in found["points"]] == [10, 20, 30]
    hours = client.get(f"{address}?resolution=hour&since=2020-01-01T00:00:00Z").json()
    assert sum(point["n"] for point in hours["points"]) == 3
    time.forward(days=20)
    later = client.get(f"{address}?since={(time.now - timedelta(days=21)):%Y-%m-%dT%H:%M:%SZ}")
    assert later.json()["resolution"] == "hour"
    assert client.get(f"{address}?workload=storm").status_code == 422
    assert client.get(f"{address}?since=noon").status_code == 422
    turned = f"{address}?until=2020-01-01T00:00:00Z&since=2021-01-01T00:00:00Z"
    assert client.get(turned).status_code == 422
    assert caller("viewer", "tune").get(address).status_code == 403


def test_a_watch_draws_its_readings_beside_the_bound(time: Time, second: OptionWatch) -> None:
    assert option_watches.watch_picture(second) == ""
    send(time, [150, 140])
    drawn = option_watches.watch_picture(second)
    assert drawn.count("<polyline") == 2
    viewer = Client(headers={"accept-language": "en"})
    viewer.force_login(person("viewer"))
    address = reverse("admin:registry_modelversion_change", args=[second.version_id])
    assert "hours since it went live" in viewer.get(address).text


@pytest.mark.django_db(transaction=True)
def test_a_reading_posted_twice_at_once_is_taken_once_and_weighed_once() -> None:
    at = clock.now().isoformat()
    barrier, answers = threading.Barrier(4), []

    def post() -> None:
        barrier.wait(30)
        try:
            sent = [{"at": at, "rate": 7.0}]
            answers.append(readings.take(target="toy", workload="plain", readings=sent).n_new)
        finally:
            connection.close()

    threads = [threading.Thread(target=post) for _place in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(answers) == [0, 0, 0, 1]
    assert OptionReading.objects.get().rate == 7.0
    hour = ReadingHour.objects.get()
    assert (hour.n_readings, hour.total) == (1, 7.0)


def test_readings_come_in_over_http_with_scope_and_role() -> None:
    address = "/api/v1/tuning-targets/toy/readings/"
    body = {"workload": "plain", "readings": [{"at": clock.now().isoformat(), "rate": 12.5}]}

    def post(client: Client, sent: Any) -> Any:
        return client.post(address, json.dumps(sent), content_type="application/json")

    client = caller("operator", "tune")
    answer = post(client, body)
    assert (answer.status_code, answer.json()) == (200, {"n_new": 1, "n_known": 0, "watch": None})
    assert post(client, body).json()["n_known"] == 1
    assert post(caller("operator", "read"), body).status_code == 403
    assert post(caller("viewer", "tune"), body).status_code == 403
    wrongs: list[Any] = [{}, {"readings": []}, {"readings": 3}, {"readings": [3]}]
    for wrong in [*wrongs, body | {"color": 1}]:
        assert post(client, wrong).status_code == 422, wrong
