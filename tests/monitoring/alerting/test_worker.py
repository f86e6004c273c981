"""A real worker follows the rules and sends; killed in the middle, another sends again."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from monitoring.models import Channel, Delivery, DeliveryAttempt
from portal.core.actors import Actor
from portal.core.alerts import raise_alert
from portal.lib import clock
from tests.monitoring.alerting.conftest import Receiver, rule, webhook
from tests.waiting import wait_for
from tests.worker import Worker

Outcome = DeliveryAttempt.Outcome


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_while_it_sends_leaves_the_message_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    actor: Actor,
    receiver: Receiver,
) -> None:
    monkeypatch.setenv("MILLWRIGHT_ALERT_ALLOW_HOSTS", "127.0.0.1")
    monkeypatch.setenv("MILLWRIGHT_ALERT_EVERY_SECONDS", "1")
    worker: Callable[..., Worker] = request.getfixturevalue("celery_worker")
    rule(webhook(actor, receiver))
    receiver.hold.clear()
    raise_alert("backup.failed", "critical", "The disk is full.")
    first = worker("maintenance")
    wait_for(lambda: receiver.got, 60)
    first.kill()
    receiver.hold.set()
    assert Delivery.objects.get().attempts.get().outcome == Outcome.SENDING
    past = clock.now() - timedelta(seconds=1)
    Channel.objects.update(claimed_until=past)  # as if its claim had run out
    worker("maintenance")
    wait_for(lambda: Delivery.objects.filter(state=Delivery.State.DELIVERED).exists(), 60)
    outcomes = list(DeliveryAttempt.objects.values_list("outcome", flat=True))
    assert outcomes == [Outcome.UNKNOWN, Outcome.DELIVERED]
    assert len({one.json["id"] for one in receiver.got}) == 1
