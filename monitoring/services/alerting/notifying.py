"""Notices for those whose rule asks for them, each once a channel."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from monitoring.models import AlertRule, DeliveredAlert, Delivery
from monitoring.models.alert_rules import gravity
from monitoring.services.alerting import wording
from monitoring.services.alerting.writing import deliver
from portal.core.models import Notice

#: Notices are looked at for so long: their numbers need not come in order, and a rule is new.
LOOK_BACK = timedelta(hours=1)
MOST_A_TURN = 20


def pass_on(rules: Sequence[AlertRule], now: datetime) -> int:
    """Write the messages of fresh notices, in the caller's transaction; return how many."""
    if not rules:
        return 0
    fresh = list(Notice.objects.filter(at__gt=now - LOOK_BACK).order_by("id"))
    return sum(_by_rule(rule, fresh, now) for rule in rules)


def _by_rule(rule: AlertRule, fresh: Sequence[Notice], now: datetime) -> int:
    wanted = [
        one
        for one in fresh
        if gravity(one.severity) >= gravity(rule.least_severity)
        and one.at >= rule.changed_at
        and not rule.is_quiet(one.severity, now)
    ]
    step = rule.steps.first()
    channels = [one for one in step.channels.all() if one.is_enabled] if step else []
    n_messages = 0
    for channel in channels:
        known = DeliveredAlert.objects.filter(
            channel=channel, event=Delivery.Event.NOTICE, alert__in=[_id(one) for one in wanted]
        )
        told = set(known.values_list("alert", flat=True))
        for notice in [one for one in wanted if _id(one) not in told][:MOST_A_TURN]:
            delivery = deliver(channel, wording.of_notice(notice, channel.language), rule.name)
            DeliveredAlert.objects.create(
                delivery=delivery, channel=channel, alert=_id(notice), event=Delivery.Event.NOTICE
            )
            n_messages += 1
    return n_messages


def _id(notice: Notice) -> UUID:
    """Return a notice's number in the form of an alert's id; no alert bears it."""
    return UUID(int=notice.pk)
