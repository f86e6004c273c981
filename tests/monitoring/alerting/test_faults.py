"""What breaks: receivers that hang, redirect or flood, two senders at once, lost keys."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import translation

from monitoring.models import Channel, Delivery, DeliveryAttempt, Firing
from monitoring.services.alerting import channels, complaints, planning, retention, sealing, sending
from monitoring.services.alerting.courier import Courier
from portal.core.actors import Actor
from portal.core.alerts import raise_alert
from portal.lib import clock
from tests.monitoring.alerting.conftest import Receiver, rule, webhook

pytestmark = pytest.mark.django_db
State = Delivery.State


def test_a_receiver_that_hangs_holds_up_no_other(
    actor: Actor, receivers: Callable[[], Receiver], courier: Courier, settings: Any
) -> None:
    settings.ALERT_TIMEOUT_S = 2
    slow, well = receivers(), receivers()
    slow.hold.clear()
    for receiver, name in ((slow, "slow"), (well, "well")):
        channels.send_test(channel=webhook(actor, receiver, name), actor=actor)
    sending.turn(courier)
    states = dict(Delivery.objects.values_list("channel__name", "state"))
    assert states == {"slow": State.WAITING, "well": State.DELIVERED}
    attempt = DeliveryAttempt.objects.get(delivery__channel__name="slow")
    assert attempt.error == "The receiver does not answer in time."


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((302, {"Location": "http://169.254.169.254/latest/meta-data/"}, b""), "redirects"),
        ((200, {}, b"x" * 100_000), "longer than"),
    ],
)
def test_a_receiver_that_redirects_or_floods_is_not_followed(
    channel: Channel, receiver: Receiver, courier: Courier, actor: Actor, answer: Any, said: str
) -> None:
    receiver.answers = [answer]
    channels.send_test(channel=channel, actor=actor)
    sending.turn(courier)
    assert said in DeliveryAttempt.objects.get().error
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("webhook", "http://127.0.0.1:9/very-secret?token=very-secret"),
        ("slack", "http://nowhere.invalid/services/T0/B0/very-secret"),
        ("mail", "mailto://me:very-secret@127.0.0.1:9?to=somebody@example.org&from=me@example.org"),
    ],
)
def test_no_secret_is_in_what_is_said_of_a_failure(
    actor: Actor,
    receiver: Receiver,
    courier: Courier,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    address: str,
) -> None:
    channel = webhook(actor, receiver, kind=kind, address=address)
    channels.send_test(channel=channel, actor=actor)
    sending.turn(courier)
    attempt = DeliveryAttempt.objects.get()
    channel.refresh_from_db()
    assert attempt.error
    assert attempt.outcome == DeliveryAttempt.Outcome.FAILED
    seen = capfd.readouterr()
    for text in (attempt.error, channel.last_error, channel.shown, caplog.text, *seen):
        assert "very-secret" not in text


@pytest.mark.parametrize(
    "said",
    [
        "The receiver does not answer in time.",
        "The receiver answers 429.",
        "mail.plant leads to a private or reserved address; an administrator can allow it",
    ],
)
def test_what_is_said_of_a_failure_is_read_in_korean_as_well(said: str) -> None:
    with translation.override("ko"):
        assert complaints.shown(said) != said
    assert complaints.shown("Something else.") == "Something else."


def test_what_cannot_be_delivered_for_a_day_is_given_up(
    channel: Channel, receiver: Receiver, courier: Courier, actor: Actor
) -> None:
    receiver.answers = [(503, {}, b"")]
    delivery = channels.send_test(channel=channel, actor=actor)
    Delivery.objects.update(created_at=clock.now() - timedelta(hours=25))
    sending.turn(courier)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == (State.FAILED, "The receiver answers 503.")


def test_a_channel_blocked_by_a_clock_that_was_ahead_is_tried(
    channel: Channel, courier: Courier, actor: Actor
) -> None:
    channels.send_test(channel=channel, actor=actor)
    far = clock.now() + timedelta(days=300)
    Channel.objects.update(blocked_until=far, claimed_until=far)
    assert sending.turn(courier) == 1


def test_a_channel_sealed_under_another_key_says_so(
    channel: Channel, courier: Courier, actor: Actor, settings: Any
) -> None:
    before = settings.SECRET_KEY
    channels.send_test(channel=channel, actor=actor)
    settings.SECRET_KEY = "x" * 60
    sending.turn(courier)
    assert "MILLWRIGHT_OLD_SECRET_KEYS" in DeliveryAttempt.objects.get().error
    settings.SECRET_KEY_FALLBACKS = [before]
    assert sealing.unseal(channel.address).endswith("/hook")


@pytest.mark.django_db(transaction=True)
def test_two_at_once_write_and_send_each_message_once(
    actor: Actor, receiver: Receiver, courier: Courier
) -> None:
    rule(webhook(actor, receiver), group_by="none")
    for number in range(4):
        raise_alert(f"x.{number}", "warning", str(number))
    barrier = threading.Barrier(2)

    def work(one: Courier) -> None:
        try:
            barrier.wait(60)
            planning.turn()
            sending.turn(one)
        finally:
            connection.close()

    other = Courier()
    threads = [threading.Thread(target=work, args=[one]) for one in (courier, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    other.kill()
    sending.turn(courier)  # what the first to claim left
    ids = [one.json["id"] for one in receiver.got]
    assert len(ids) == len(set(ids)) == 4
    assert set(Delivery.objects.values_list("state", flat=True)) == {State.DELIVERED}


def test_what_was_settled_long_ago_is_removed(channel: Channel, actor: Actor) -> None:
    rule(channel)
    alert = raise_alert("x.y", "warning", "slow")
    planning.turn()
    Firing.objects.update(state=Firing.State.OVER)
    Delivery.objects.update(state=State.DELIVERED)
    later = clock.now() + timedelta(days=91)
    assert retention.remove_old() == {"deliveries": 0, "firings": 0}
    assert retention.remove_old(later) == {"deliveries": 1, "firings": 1}
    assert type(alert).objects.filter(pk=alert.pk).exists()
