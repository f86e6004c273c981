"""Drift over HTTP: the fixed addresses, and what people decide."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.test import Client

from monitoring.models import DriftEvent, DriftPoint, DriftPolicy, DriftWindow, RetrainingProposal
from monitoring.services.drift import proposals
from monitoring.services.drift.following import Follower
from portal.core.models import AuditEntry, User
from portal.lib import clock
from portal.registry.models import ModelVersion
from tests.monitoring.drift import world
from tests.monitoring.drift.conftest import drain
from tests.monitoring.drift.test_events import opened

STATUS, SUMMARY, RESET = "/api/drift/status", "/api/drift/summary", "/api/drift/reset"
EVENTS, PROPOSALS = "/api/v1/drift/events/", "/api/v1/drift/proposals/"
ACTS = (
    "monitoring.view_driftwindow",
    "monitoring.reset_drift",
    "monitoring.acknowledge_drift",
    "monitoring.settle_retraining",
    "monitoring.change_driftpolicy",
)
EXACT = {
    "drift_detected",
    "kl_divergence",
    "threshold",
    "level",
    "buffer_size",
    "buffer_mean",
    "buffer_std",
    "should_retrain",
    "baseline",
}

pytestmark = pytest.mark.django_db

Headers = dict[str, str]


def rng() -> np.random.Generator:
    return np.random.default_rng(9)


@pytest.fixture
def reader(make_key: Callable[..., Headers]) -> Headers:
    return make_key("read", user=world.person("reader", "monitoring.view_driftwindow"))


@pytest.fixture
def operator(make_key: Callable[..., Headers]) -> Headers:
    return make_key("read", "admin", user=world.person("operator", *ACTS))


def get(client: Client, path: str, headers: Headers, code: int = 200) -> Any:
    answer = client.get(path, headers=headers)
    assert answer.status_code == code, answer.text
    return answer.json()


def post(client: Client, path: str, body: Any, headers: Headers, code: int = 200) -> Any:
    answer = client.post(path, json.dumps(body), content_type="application/json", headers=headers)
    assert answer.status_code == code, answer.text
    return answer.json()


def test_a_quiet_model_is_normal_or_slight(
    client: Client, watching: DriftWindow, follower: Follower, reader: Headers
) -> None:
    world.answer(watching.version, world.shots(100, rng()))
    drain(follower)

    body = get(client, STATUS, reader)

    assert body.keys() >= EXACT
    assert body["drift_detected"] is False
    assert (body["state"], body["evidence"]) == ("watching", "none")
    assert body["level"] in {"normal", "slight", "significant"}
    assert 0 < body["kl_divergence"] < body["threshold"]
    assert body["buffer_size"] == body["window"] == 100
    assert 0 < body["buffer_mean"] < 1
    assert body["should_retrain"] is False
    assert body["baseline"]["source"] == "training"
    assert sum(body["baseline"]["counts"]) == body["baseline"]["rows"] == 2_000
    assert set(body["features"]) == set(world.FEATURES)


def test_a_moved_model_is_severe(
    client: Client, watching: DriftWindow, follower: Follower, reader: Headers
) -> None:
    world.answer(watching.version, world.shots(150, rng(), shift=3.0))
    drain(follower)

    body = get(client, f"{STATUS}?model={world.MODEL}", reader)

    assert (body["drift_detected"], body["level"]) == (True, "severe")
    assert body["kl_divergence"] > body["threshold"]
    assert body["should_retrain"] is True
    assert body["open_events"] == DriftEvent.objects.open().count() > 0


def test_what_cannot_be_said_is_said(
    client: Client, live: ModelVersion, follower: Follower, reader: Headers
) -> None:
    assert get(client, STATUS, reader)["level"] == "missing_baseline"
    world.answer(live, world.shots(10, rng()))
    drain(follower)
    body = get(client, STATUS, reader)
    assert (body["level"], body["buffer_size"], body["kl_divergence"]) == ("not_enough", 10, None)
    world.answer(live, world.shots(200, rng()))
    drain(follower)
    body = get(client, STATUS, reader)
    assert (body["level"], body["drift_detected"]) == ("calibrating", False)
    assert body["kl_divergence"] > 0


@pytest.mark.parametrize(
    ("query", "code", "word"),
    [
        ("?model=nobody", 404, "nobody"),
        ("?slice=line:none", 404, "line:none"),
        ("?modle=x", 422, "modle"),
    ],
)
def test_wrong_questions_are_refused_in_words(
    client: Client, live: ModelVersion, reader: Headers, query: str, code: int, word: str
) -> None:
    body = get(client, STATUS + query, reader, code)

    assert word in json.dumps(body)


def test_several_live_models_must_be_told_apart(
    client: Client, live: ModelVersion, reader: Headers
) -> None:
    world.put_live(world.version(name="other"))

    body = get(client, STATUS, reader, 422)

    assert body["code"] == "model_needed"
    assert "other, stand-in" in body["detail"]


def test_a_live_search_index_makes_nobody_say_which_model(
    client: Client, live: ModelVersion, reader: Headers
) -> None:
    world.put_live(world.version(name="search-manuals", family="search-index"))

    assert get(client, STATUS, reader)["buffer_size"] == 0
    assert get(client, SUMMARY, reader)["model"] == live.model.name


def test_without_a_champion_there_is_nothing_to_watch(
    client: Client, db: None, reader: Headers
) -> None:
    world.version()

    assert get(client, STATUS, reader, 404)["code"] == "no_champion"
    assert get(client, f"{STATUS}?model={world.MODEL}", reader, 404)["code"] == "no_champion"


def test_a_stranger_sees_nothing(client: Client, live: ModelVersion) -> None:
    for path in (STATUS, SUMMARY):
        assert client.get(path).status_code == 401
    assert client.post(RESET).status_code == 401


def test_the_summary_tells_of_some_days(
    client: Client, live: ModelVersion, reader: Headers
) -> None:
    row = DriftWindow.objects.create(version=live, window=100)
    now = clock.now()
    opened(row, opened_at=now - timedelta(days=1))
    old = now - timedelta(days=30)
    opened(row, signal="score", opened_at=old, closed_at=old, ending="calm")
    for kl in (0.1, 0.3):
        at = now - timedelta(hours=kl * 10)
        DriftPoint.objects.create(window=row, at=at, kl=kl, psi=0.1, columns=b"")

    body = get(client, f"{SUMMARY}?days=7", reader)

    assert (body["period_days"], body["drift_count"]) == (7, 1)
    assert body["max_kl_divergence"] == pytest.approx(0.3)
    assert body["avg_kl_divergence"] == pytest.approx(0.2)
    assert [one["signal"] for one in body["events"]] == ["columns"]
    assert f"model={world.MODEL}" in body["events"][0]["predictions_url"]
    assert get(client, f"{SUMMARY}?days=60", reader)["drift_count"] == 2


@pytest.mark.parametrize("days", ["0", "-1", "x", "999999999999"])
def test_senseless_days_are_refused(
    client: Client, live: ModelVersion, reader: Headers, days: str
) -> None:
    assert get(client, f"{SUMMARY}?days={days}", reader, 422)["errors"][0]["field"] == "days"


def test_a_reset_asks_a_reason_and_is_audited(
    client: Client, watching: DriftWindow, follower: Follower, operator: Headers
) -> None:
    world.answer(watching.version, world.shots(150, rng(), shift=3.0))
    drain(follower)
    assert post(client, RESET, {}, operator, 422)["errors"][0]["field"] == "reason"

    body = post(client, RESET, {"reason": "New alloy."}, operator)

    assert "begins anew" in body["message"]
    row = DriftWindow.objects.get(pk=watching.pk)
    assert (row.n_kept, row.is_calibrated, row.n_seen) == (0, True, 2_150)
    assert {event.ending for event in DriftEvent.objects.all()} == {"reset"}
    entry = AuditEntry.objects.filter(action="drift.reset", outcome="done").get()
    assert entry.reason == "New alloy."
    world.answer(watching.version, world.shots(40, rng()))
    drain(follower)
    assert get(client, STATUS, operator)["buffer_size"] == 40


def test_a_reset_can_learn_anew(client: Client, watching: DriftWindow, operator: Headers) -> None:
    post(client, RESET, {"reason": "New line.", "slice": "", "learn_anew": True}, operator)

    row = DriftWindow.objects.get(pk=watching.pk)
    assert (row.n_past, row.is_calibrated, row.calibration) == (0, False, None)
    assert row.reference is not None


def test_who_only_reads_cannot_reset(
    client: Client, live: ModelVersion, make_key: Callable[..., Headers]
) -> None:
    user: User = world.person("reader", "monitoring.view_driftwindow")
    body = {"reason": "Because."}

    assert post(client, RESET, body, make_key("read", user=user), 403)
    refused = post(client, RESET, body, make_key("admin", user=user), 403)
    assert refused["code"] == "permission_missing"
    assert AuditEntry.objects.filter(action="drift.reset", outcome="refused").count() == 1


def test_events_are_listed_filtered_and_acknowledged(
    client: Client, live: ModelVersion, operator: Headers
) -> None:
    row = DriftWindow.objects.create(version=live, window=100)
    event = opened(row, columns={"Temp": 2.5})
    opened(row, signal="score", closed_at=clock.now(), ending="calm")

    listed = get(client, f"{EVENTS}?is_open=true", operator)["results"]
    assert [one["id"] for one in listed] == [event.pk]
    assert listed[0]["features"] == {"Temp": 2.5}
    body = post(client, f"{EVENTS}{event.pk}/acknowledge/", {"cause": "Cold hall."}, operator)

    assert (body["cause"], body["acknowledged_by"]) == ("Cold hall.", "operator")
    assert get(client, f"{EVENTS}?is_acknowledged=true", operator)["results"][0]["id"] == event.pk


def test_a_proposal_is_dismissed_with_a_reason(
    client: Client, live: ModelVersion, operator: Headers
) -> None:
    row = DriftWindow.objects.create(version=live, window=100)
    opened(row, scale="severe")
    proposal = proposals.consider(model=live.model, at=clock.now())
    assert proposal is not None
    path = f"{PROPOSALS}{proposal.pk}/dismiss/"

    assert post(client, path, {}, operator, 422)["code"] == "reason_missing"
    body = post(client, path, {"note": "Known cause."}, operator)

    assert (body["state"], body["settled_by"]) == ("dismissed", "operator")
    assert RetrainingProposal.objects.get().note == "Known cause."


def test_a_policy_is_changed_as_a_whole_or_not_at_all(
    client: Client, live: ModelVersion, operator: Headers
) -> None:
    path = f"/api/v1/drift/policies/{world.MODEL}/"
    assert get(client, path, operator)["window"] == 100

    def patch(body: Any) -> Any:
        return client.patch(
            path, json.dumps(body), content_type="application/json", headers=operator
        )

    wrong = patch({"window": 1_010, "cooldown_days": 3})
    assert wrong.status_code == 422
    assert "use 1000" in wrong.json()["errors"][0]["message"]
    assert DriftPolicy.objects.get().cooldown_days == 7
    assert patch({"window": 10}).status_code == 422
    assert patch({"windwo": 1_000}).status_code == 422
    assert patch({"window": 200, "slicings": ["line"]}).status_code == 200
    assert DriftPolicy.objects.get().window == 200
