"""Alerts and silences over HTTP: who may look and act, and what comes of it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from monitoring.models import Silence
from portal.core import alerts, keys
from portal.core.actors import Actor
from portal.core.models import Alert, User
from portal.lib import clock
from tests.monitoring.drift import world

pytestmark = pytest.mark.django_db
KEY = "data-silence:press-1"
JSON = "application/json"
Headers = dict[str, str]


@pytest.fixture
def open_alert() -> Alert:
    return alerts.raise_alert(KEY, "warning", "Nothing has come for an hour.")


@pytest.fixture
def caller(db: None) -> Callable[..., Headers]:
    """Give ``caller("read", *permissions)``: headers of a key; one for ``admin`` reads too."""

    def make(scope: str, *permissions: str) -> Headers:
        user: User = world.person(f"{scope}-caller", *permissions)
        _key, plain = keys.create_key(
            user=user,
            name="test",
            scopes={"read", scope},
            actor=Actor.system("test", via="command"),
        )
        return {"Authorization": f"Bearer {plain}"}

    return make


def test_an_alert_that_came_and_went_at_once_is_still_listed(
    client: Client, caller: Callable[..., Headers]
) -> None:
    alerts.raise_alert("health.redis", "critical", "Redis does not answer.")
    alerts.resolve_alert("health.redis")

    headers = caller("read", "core.view_alert")
    everything = client.get("/api/v1/alerts/?key=health.redis", headers=headers).json()["results"]
    still_open = client.get("/api/v1/alerts/?is_open=true", headers=headers).json()["results"]

    (row,) = everything
    assert (row["message"], row["resolved_at"] is None) == ("Redis does not answer.", False)
    assert row not in still_open


def test_an_alert_is_acknowledged_once_by_whoever_may(
    client: Client, caller: Callable[..., Headers], open_alert: Alert
) -> None:
    headers = caller("admin", "core.view_alert", "core.change_alert")
    address = f"/api/v1/alerts/{open_alert.pk}/"

    done = client.post(f"{address}acknowledge/", content_type=JSON, headers=headers)
    again = client.post(f"{address}acknowledge/", content_type=JSON, headers=headers)

    assert (done.status_code, done.json()["acknowledged_by"]) == (200, "admin-caller")
    assert (again.status_code, again.json()["code"]) == (409, "alert_settled")
    assert client.get(address, headers=headers).json()["acknowledged_at"] is not None


def test_an_alert_is_silenced_for_some_minutes(
    client: Client, caller: Callable[..., Headers], open_alert: Alert
) -> None:
    headers = caller("admin", "core.view_alert", "monitoring.add_silence")
    address = f"/api/v1/alerts/{open_alert.pk}/silence/"

    refused = client.post(address, {"minutes": 0, "reason": "x"}, JSON, headers=headers)
    made = client.post(
        address, {"minutes": 30, "reason": "The press is being serviced."}, JSON, headers=headers
    )

    assert refused.status_code == 422
    assert (made.status_code, made.json()["keys"]) == (201, KEY)
    silence = Silence.objects.get()
    assert silence.covers(KEY)
    assert silence.ends_at <= clock.now() + timedelta(minutes=30)


def test_silences_are_made_listed_and_ended(client: Client, caller: Callable[..., Headers]) -> None:
    permissions = [f"monitoring.{verb}_silence" for verb in ("view", "add", "change")]
    headers = caller("admin", *permissions)
    reader = caller("read", "monitoring.view_silence")
    body = {
        "keys": "data-silence: health.",
        "ends_at": (clock.now() + timedelta(hours=2)).isoformat(),
        "reason": "The plant rests.",
    }

    made = client.post("/api/v1/silences/", body, JSON, headers=headers)
    address = made.headers["Location"]
    listed = client.get("/api/v1/silences/?is_active=true", headers=reader).json()["results"]
    ended = client.post(f"{address}end/", content_type=JSON, headers=headers)

    assert (made.status_code, ended.status_code) == (201, 204)
    assert [one["made_by"] for one in listed] == ["admin-caller"]
    assert client.get("/api/v1/silences/?is_active=true", headers=reader).json()["results"] == []


def test_to_silence_takes_the_scope_and_the_permission(
    client: Client, caller: Callable[..., Headers], open_alert: Alert
) -> None:
    address = f"/api/v1/alerts/{open_alert.pk}/silence/"
    reader = caller("read", "core.view_alert", "monitoring.add_silence")
    looker = caller("admin", "core.view_alert")

    answers = [
        client.post(address, {"reason": "I try."}, JSON, headers=one) for one in (reader, looker)
    ]

    assert [one.status_code for one in answers] == [403, 403]
    assert not Silence.objects.exists()
