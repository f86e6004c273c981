"""Sending what was written: one sender a channel at a time, in order, each attempt on record.

The attempt is written before it begins. A sender that dies between the delivery and its record
leaves an attempt of unknown outcome, and the message is sent again with the same id: a receiver may
see a message twice, never not at all, and can tell by the id.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import translation
from django.utils.translation import gettext as _

from monitoring.courier.orders import Order, Report
from monitoring.models import Channel, ChatReply, Delivery, DeliveryAttempt
from monitoring.services.alerting import sealing
from monitoring.services.alerting.courier import Courier
from portal.core.errors import PortalError
from portal.lib import clock

log = structlog.get_logger(__name__)

#: Messages of one channel that one turn sends, so that no channel waits for another's backlog.
MOST_OF_CHANNEL = 5
MOST_CHANNELS = 8
CLAIM_S = 90.0
#: Waits after failures: 10 s, 20 s, 40 s … at most 15 minutes. Ours.
FIRST_WAIT_S, LONGEST_WAIT_S = 10.0, 900.0
#: A receiver may ask for a longer pause, yet not for more than a day.
LONGEST_ASKED_S = 86_400.0
#: A message that could not be delivered for so long is given up.
GIVEN_UP_AFTER = timedelta(hours=24)
REPLY_LASTS = timedelta(minutes=25)
State = Delivery.State
Outcome = DeliveryAttempt.Outcome


@dataclass
class _Claimed:
    """A channel that this sender has for a while, and what is to be sent through it."""

    channel: Channel
    claim: uuid.UUID
    deliveries: list[Delivery]


def turn(courier: Courier, now: datetime | None = None) -> int:
    """Send what waits; return the number of attempts."""
    moment = now or clock.now()
    claimed = [one for one in _claims(moment) if one.deliveries]
    n_attempts = 0
    while claimed:
        heads = {str(one.deliveries[0].pk): one for one in claimed}
        n_attempts += len(heads)
        again = _send(courier, heads)
        claimed = [one for one in again if one.deliveries]
    return n_attempts


def _claims(now: datetime) -> list[_Claimed]:
    """Take channels that have something to send and that nobody else has."""
    latest = now + timedelta(seconds=LONGEST_ASKED_S)
    is_free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)
    is_free |= Q(claimed_until__gt=now + timedelta(seconds=CLAIM_S))  # a clock was set back
    is_due = Q(blocked_until__isnull=True) | Q(blocked_until__lte=now) | Q(blocked_until__gt=latest)
    with_work = Delivery.objects.waiting().values("channel")
    with transaction.atomic():
        channels = list(
            Channel.objects.enabled()
            .filter(is_free, is_due, pk__in=with_work)
            .order_by("blocked_until", "pk")
            .select_for_update(skip_locked=True)[:MOST_CHANNELS]
        )
        claim = uuid.uuid4()
        Channel.objects.filter(pk__in=[one.pk for one in channels]).update(
            claim=claim, claimed_until=now + timedelta(seconds=CLAIM_S)
        )
        return [_Claimed(one, claim, _waiting(one)) for one in channels]


def _waiting(channel: Channel) -> list[Delivery]:
    rows = channel.deliveries.filter(state=State.WAITING).order_by("created_at", "id")
    return list(rows[:MOST_OF_CHANNEL])


def _send(courier: Courier, heads: dict[str, _Claimed]) -> list[_Claimed]:
    """Send the first message of each channel; return the channels that go on."""
    attempts = {key: _begun(one) for key, one in heads.items()}
    orders = []
    again = []
    for key, one in heads.items():
        attempt = attempts[key]
        if attempt is None:
            continue  # another sender has the channel
        try:
            orders.append(order_of(one.deliveries[0]))
        except PortalError as exc:
            _settle(one, attempt, Report(key, is_delivered=False, error=str(exc)))
    reported = set()
    for report in courier.carry(orders, _patience_s()):
        one, attempt = heads[report.id], attempts[report.id]
        reported.add(report.id)
        if attempt is not None and _settle(one, attempt, report):
            one.deliveries.pop(0)
            again.append(one)
    for order in orders:
        attempt = attempts[order.id]
        if order.id not in reported and attempt is not None:
            with translation.override(settings.LANGUAGE_CODE):
                said = _("The receiver held the connection for too long.")
            _settle(heads[order.id], attempt, Report(order.id, is_delivered=False, error=said))
    for one in again:
        if not one.deliveries:
            _release(one)
    return again


def _patience_s() -> float:
    return 3 * float(settings.ALERT_TIMEOUT_S) + 5


def order_of(delivery: Delivery) -> Order:
    """Return what the courier is to do for a message.

    Raises
    ------
    Unavailable
        When the channel's address cannot be unsealed.
    """
    channel = delivery.channel
    content = {"id": str(delivery.pk), **delivery.content, **_labels(channel)}
    return Order(
        id=str(delivery.pk),
        kind=channel.kind,
        address=sealing.unseal(channel.address),
        secret=sealing.unseal(channel.secret) if channel.secret else "",
        content=content,
        timeout_s=float(settings.ALERT_TIMEOUT_S),
    )


def _labels(channel: Channel) -> dict[str, Any]:
    """Return what the buttons of a chat say; Slack's need an app that answers them."""
    with translation.override(channel.language):
        if channel.kind == Channel.Kind.TEAMS:
            return {"open_label": _("Open at the portal")}
        if channel.kind == Channel.Kind.SLACK and settings.SLACK_SIGNING_SECRET:
            labels = {"acknowledge": _("I look after it"), "silence": _("Silent for an hour")}
            return {"buttons": labels}
    return {}


def _begun(one: _Claimed) -> DeliveryAttempt | None:
    """Write down that an attempt begins; None when the claim is somebody else's by now."""
    now = clock.now()
    delivery = one.deliveries[0]
    with transaction.atomic():
        mine = Channel.objects.filter(pk=one.channel.pk, claim=one.claim, is_enabled=True)
        if not mine.update(claimed_until=now + timedelta(seconds=CLAIM_S)):
            return None
        still = Delivery.objects.waiting().filter(pk=delivery.pk)
        if not still.update(n_attempts=F("n_attempts") + 1):
            return None
        DeliveryAttempt.objects.filter(delivery=delivery, outcome=Outcome.SENDING).update(
            outcome=Outcome.UNKNOWN
        )
        return DeliveryAttempt.objects.create(delivery=delivery, at=now)


def _settle(one: _Claimed, attempt: DeliveryAttempt, report: Report) -> bool:
    """Write down what became of an attempt; return whether the channel goes on at once."""
    now = clock.now()
    delivery, channel = one.deliveries[0], one.channel
    attempt.outcome = _outcome(report)
    attempt.status_code, attempt.error = report.status_code, report.error[:300]
    attempt.duration_s = report.duration_s
    is_too_old = now - delivery.created_at > GIVEN_UP_AFTER
    with transaction.atomic():
        attempt.save(update_fields=["outcome", "status_code", "error", "duration_s"])
        if report.is_delivered:
            _conclude(delivery, State.DELIVERED, now)
            _well(channel, now)
            return True
        if report.is_final or is_too_old:
            _conclude(delivery, State.FAILED, now, report.error)
        _ill(one, report, now)
    log.warning(
        "alert_not_delivered",
        channel=channel.name,
        delivery=str(delivery.pk),
        status_code=report.status_code,
        error=report.error,
        is_final=report.is_final,
    )
    return report.is_final


def _outcome(report: Report) -> Outcome:
    if report.is_delivered:
        return Outcome.DELIVERED
    return Outcome.REFUSED if report.is_final else Outcome.FAILED


def _conclude(delivery: Delivery, state: State, now: datetime, error: str = "") -> None:
    Delivery.objects.waiting().filter(pk=delivery.pk).update(
        state=state, error=error[:300], settled_at=now
    )


def _well(channel: Channel, now: datetime) -> None:
    Channel.objects.filter(pk=channel.pk).update(
        last_delivered_at=now, n_failures=0, last_error="", blocked_until=None
    )


def _ill(one: _Claimed, report: Report, now: datetime) -> None:
    """Count a failure, and let the channel rest unless the message alone was at fault."""
    channel = one.channel
    channel.n_failures += 1
    wait_s = min(FIRST_WAIT_S * 2.0 ** min(channel.n_failures - 1, 16), LONGEST_WAIT_S)
    if report.retry_after_s is not None:
        wait_s = min(max(wait_s, report.retry_after_s), LONGEST_ASKED_S)
    blocked = None if report.is_final else now + timedelta(seconds=wait_s)
    Channel.objects.filter(pk=channel.pk).update(
        n_failures=F("n_failures") + 1,
        last_error=report.error[:300],
        last_failed_at=now,
        blocked_until=blocked,
    )
    if not report.is_final:
        _release(one)


def _release(one: _Claimed) -> None:
    Channel.objects.filter(pk=one.channel.pk, claim=one.claim).update(
        claim=None, claimed_until=None
    )


def turn_replies(courier: Courier, now: datetime | None = None) -> None:
    """Send what is said to people who pressed a button; Slack takes it for half an hour."""
    moment = now or clock.now()
    ChatReply.objects.filter(Q(created_at__lt=moment - REPLY_LASTS) | Q(n_attempts__gte=3)).delete()
    with transaction.atomic():
        rows = list(ChatReply.objects.select_for_update(skip_locked=True).order_by("pk")[:10])
        # Counted first: a sender that dies says it again, three times at most.
        mine = ChatReply.objects.filter(pk__in=[row.pk for row in rows])
        mine.update(n_attempts=F("n_attempts") + 1)
    orders = [
        Order(
            id=str(row.pk),
            kind="reply",
            address=sealing.unseal(row.address),
            content={"response_type": "ephemeral", "replace_original": False, "text": row.text},
            timeout_s=float(settings.ALERT_TIMEOUT_S),
        )
        for row in rows
    ]
    for report in courier.carry(orders, _patience_s()):
        if report.is_delivered or report.is_final:
            ChatReply.objects.filter(pk=int(report.id)).delete()


def waiting_for_long(now: datetime, after: timedelta) -> Sequence[Channel]:
    """Return the channels in use whose oldest message has waited for longer than a time."""
    late = Delivery.objects.waiting().filter(created_at__lt=now - after)
    return list(Channel.objects.enabled().filter(pk__in=late.values("channel")))
