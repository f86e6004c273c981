"""A rule, an alert, and a message that arrives, with every attempt on record."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils.translation import get_language

from monitoring.courier.signing import sign
from monitoring.models import Channel, Delivery, DeliveryAttempt
from monitoring.services.alerting import channels, planning, sealing, sending
from monitoring.services.alerting.courier import Courier
from portal.core.actors import Actor
from portal.core.alerts import raise_alert
from portal.lib import clock
from tests.monitoring.alerting.conftest import Receiver, rule, webhook

pytestmark = pytest.mark.django_db
State = Delivery.State
Outcome = DeliveryAttempt.Outcome


def test_an_open_alert_reaches_the_channel_of_its_rule(
    channel: Channel, receiver: Receiver, courier: Courier
) -> None:
    rule(channel)
    alert = raise_alert("backup.failed", "critical", "The disk is full.", "/admin/runs/run/")
    assert planning.turn() == 1
    assert sending.turn(courier) == 1
    sent = receiver.got[0].json
    assert (sent["event"], sent["severity"], sent["n_alerts"]) == ("firing", "critical", 1)
    told = sent["alerts"][0]
    assert told["message"] == "The disk is full."
    assert told["url"].endswith(f"/admin/core/alert/{alert.pk}/change/")
    assert told["since"] == alert.first_at.isoformat()
    for part in ("The disk is full.", "Since: ", "How bad: Critical", "What to do: ", "Open: "):
        assert part in sent["text"]
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.n_attempts) == (State.DELIVERED, 1)
    attempt = delivery.attempts.get()
    assert (attempt.outcome, attempt.status_code) == (Outcome.DELIVERED, 200)
    assert planning.turn() == 0


def test_what_is_sent_is_signed_and_carries_its_id(
    actor: Actor, receiver: Receiver, courier: Courier
) -> None:
    channel = webhook(actor, receiver)
    channels.send_test(channel=channel, actor=actor)
    sending.turn(courier)
    got = receiver.got[0]
    secret = sealing.unseal(channel.secret)
    expected = sign(
        secret,
        got.headers["X-Millwright-Timestamp"],
        got.headers["X-Millwright-Nonce"],
        got.body,
    )
    assert got.headers["X-Millwright-Signature"] == expected
    assert got.headers["X-Millwright-Delivery"] == got.json["id"] == str(Delivery.objects.get().pk)


def test_a_message_is_written_in_the_language_of_its_channel(
    actor: Actor, receiver: Receiver
) -> None:
    rule(webhook(actor, receiver, language="ko"), webhook(actor, receiver, "b", language="en"))
    raise_alert("x.y", "warning", lambda: "느림" if get_language() == "ko" else "slow")
    planning.turn()
    texts = {one.channel.language: one.content["text"] for one in Delivery.objects.all()}
    assert "느림" in texts["ko"]
    assert "slow" in texts["en"]


@pytest.mark.parametrize(("code", "outcome"), [(500, Outcome.FAILED), (404, Outcome.REFUSED)])
def test_what_fails_is_tried_again_and_what_is_refused_is_not(
    channel: Channel, receiver: Receiver, courier: Courier, actor: Actor, code: int, outcome: str
) -> None:
    receiver.answers = [(code, {}, b"no"), (200, {}, b"ok")]
    channels.send_test(channel=channel, actor=actor)
    sending.turn(courier)
    channel.refresh_from_db()
    assert DeliveryAttempt.objects.get().outcome == outcome
    assert (channel.n_failures, channel.last_error) == (1, f"The receiver answers {code}.")
    assert sending.turn(courier) == 0
    n_more = sending.turn(courier, clock.now() + timedelta(minutes=1))
    delivery = Delivery.objects.get()
    assert (n_more, delivery.state) == ((1, State.DELIVERED) if code == 500 else (0, State.FAILED))


def test_a_receiver_that_asks_for_a_pause_is_given_it(
    channel: Channel, receiver: Receiver, courier: Courier, actor: Actor
) -> None:
    receiver.answers = [(429, {"Retry-After": "120"}, b""), (200, {}, b"ok")]
    for _number in range(3):
        channels.send_test(channel=channel, actor=actor)
    now = clock.now()
    assert sending.turn(courier) == 1
    assert sending.turn(courier, now + timedelta(seconds=100)) == 0
    assert sending.turn(courier, now + timedelta(seconds=125)) == 3
    assert Delivery.objects.filter(state=State.DELIVERED).count() == 3


def test_a_sender_that_died_leaves_an_attempt_and_the_message_is_sent_again(
    channel: Channel, receiver: Receiver, courier: Courier, actor: Actor
) -> None:
    delivery = channels.send_test(channel=channel, actor=actor)
    (claimed,) = sending._claims(clock.now())
    assert sending._begun(claimed) is not None  # and here it dies
    assert sending.turn(courier) == 0
    assert sending.turn(courier, clock.now() + timedelta(seconds=100)) == 1
    outcomes = list(delivery.attempts.values_list("outcome", flat=True))
    assert outcomes == [Outcome.UNKNOWN, Outcome.DELIVERED]
    assert receiver.got[0].json["id"] == str(delivery.pk)


def test_an_address_is_sealed_and_shown_to_nobody(actor: Actor, receiver: Receiver) -> None:
    address = f"{receiver.url}/T0/very-secret?token=also-secret"
    channel = webhook(actor, receiver, address=address)
    assert "secret" not in channel.address + channel.shown
    assert sealing.unseal(channel.address) == address
    assert channel.shown == f"{receiver.url}/…"


def test_a_private_address_is_refused_unless_it_is_allowed(
    channel: Channel, receiver: Receiver, courier: Courier, actor: Actor, settings: Any
) -> None:
    settings.ALERT_ALLOW_HOSTS = []
    channels.send_test(channel=channel, actor=actor)
    sending.turn(courier)
    attempt = DeliveryAttempt.objects.get()
    assert "MILLWRIGHT_ALERT_ALLOW_HOSTS" in attempt.error
    assert receiver.got == []
