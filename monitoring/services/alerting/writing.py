"""Writing a message down, to be sent."""

from monitoring.models import Channel, Delivery
from monitoring.services.alerting import wording
from portal.lib import clock


def deliver(channel: Channel, written: wording.Written, rule_name: str = "") -> Delivery:
    """Write a message for a channel, in the caller's transaction; a sender finds it."""
    return Delivery.objects.create(
        channel=channel,
        rule_name=rule_name,
        event=written.content["event"],
        severity=written.severity,
        subject=written.subject,
        content=written.content,
        created_at=clock.now(),
    )
