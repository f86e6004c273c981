"""The dead-man switch is asked while all is well, and not when it is not."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from monitoring import probes
from monitoring.models import Channel, Pulse
from monitoring.selectors import dead_man
from monitoring.services.alerting import channels, pulse
from monitoring.services.alerting.courier import Courier
from portal.core import findings
from portal.core.actors import Actor
from portal.core.findings import Finding, Status
from portal.lib import clock
from portal.runs.models import Queue
from portal.runs.services import heartbeats
from tests.monitoring.alerting.conftest import Receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def well(settings: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give signs of life of all processes that count, good for a slow machine."""
    monkeypatch.setattr(probes, "SILENT_AFTER_S", 3_600.0)
    settings.HEARTBEAT_URL = f"{receiver.url}/ping/secret"
    heartbeats.beat("w", role="worker", queues=[queue.value for queue in Queue])
    for role in ("beat", "recorder", "sampler"):
        heartbeats.beat(role, role=role)


@pytest.fixture
def ill() -> Iterator[None]:
    """Have one part be ill."""
    findings.register("test", lambda: Finding(Status.UNHEALTHY, "It is broken."))
    yield
    findings._probes.pop("test")


def test_the_address_is_asked_once_a_time_while_all_is_well(
    well: None, receiver: Receiver, courier: Courier
) -> None:
    now = clock.now()
    assert pulse.turn(courier, now)
    assert not pulse.turn(courier, now + timedelta(seconds=30))
    assert pulse.turn(courier, now + timedelta(seconds=60))
    assert [one.path for one in receiver.got] == ["/ping/secret"] * 2
    row = Pulse.objects.get()
    assert (row.trouble, row.error) == ("", "")
    assert row.pinged_at is not None


def test_it_is_not_asked_when_a_part_is_ill(
    well: None, ill: None, receiver: Receiver, courier: Courier
) -> None:
    assert not pulse.turn(courier)
    assert receiver.got == []
    assert Pulse.objects.get().trouble == "test: It is broken."


def test_it_is_not_asked_when_schedules_stand_still(settings: Any, courier: Courier) -> None:
    settings.HEARTBEAT_URL = "http://127.0.0.1:9/"
    assert not pulse.turn(courier)
    assert "beat:" in Pulse.objects.get().trouble


def test_it_is_not_asked_when_nobody_can_be_told(
    well: None, receiver: Receiver, courier: Courier, channel: Channel, actor: Actor
) -> None:
    now = clock.now()
    channels.send_test(channel=channel, actor=actor)
    assert pulse.turn(courier, now)
    assert not pulse.turn(courier, now + timedelta(minutes=20))
    assert "line 3" in Pulse.objects.get().trouble


def test_a_look_that_raises_counts_as_ill(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Mapping[str, Finding]:
        raise OSError("gone")

    monkeypatch.setitem(findings._probes, "test", broken)
    assert pulse.looked()["test"].status == Status.UNHEALTHY


def test_a_ping_that_fails_is_noted_without_the_address(
    well: None, receiver: Receiver, courier: Courier
) -> None:
    receiver.answers = [(500, {}, b"")]
    assert pulse.turn(courier)
    row = Pulse.objects.get()
    assert (row.error, row.pinged_at) == ("The receiver answers 500.", None)


def test_a_clock_set_back_does_not_stop_it(
    well: None, receiver: Receiver, courier: Courier
) -> None:
    now = clock.now()
    assert pulse.turn(courier, now + timedelta(hours=5))
    assert pulse.turn(courier, now)


def test_the_alerts_page_and_health_tell_that_nobody_outside_answers(
    well: None, receiver: Receiver, courier: Courier, admin_client: Client
) -> None:
    receiver.answers = [(500, {}, b"")]
    assert pulse.turn(courier)

    shown = admin_client.get("/admin/core/alert/", headers={"accept-language": "en"}).text

    card = shown[shown.index('id="dead-man"') :].split("</section>")[0]
    assert "does not answer" in card
    assert probes.work()["dead_man"].status == Status.DEGRADED
    assert dead_man.standing(clock.now() + timedelta(hours=1)).state == dead_man.State.STILL


def test_without_an_address_nothing_is_said_of_the_switch(
    settings: Any, admin_client: Client
) -> None:
    settings.HEARTBEAT_URL = ""

    assert dead_man.standing().state == dead_man.State.OFF
    assert 'id="dead-man"' not in admin_client.get("/admin/core/alert/").text
