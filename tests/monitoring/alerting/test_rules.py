"""Rules: when somebody is told, when not, and how often."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monitoring.models import AlertRule, Channel, Delivery, Firing, RuleStep
from monitoring.services.alerting import planning, silences
from portal.core import alerts, notices
from portal.core.actors import Actor
from portal.core.alerts import raise_alert, resolve_alert
from portal.core.models import Alert, Notice
from portal.lib import clock
from tests.monitoring.alerting.conftest import Receiver, rule, webhook

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def now() -> datetime:
    return clock.now()


def told() -> list[str]:
    """Return the events told so far, in order."""
    return list(Delivery.objects.order_by("created_at").values_list("event", flat=True))


def test_an_alert_that_is_over_before_the_rule_tells_is_not_told(
    channel: Channel, now: datetime
) -> None:
    rule(channel, opens_after_s=120)
    raise_alert("x.y", "warning", "slow")
    planning.turn(now + MINUTE)
    resolve_alert("x.y")
    planning.turn(now + 3 * MINUTE)
    raise_alert("x.y", "warning", "slow")
    planning.turn(clock.now() + MINUTE)
    assert told() == []
    planning.turn(clock.now() + 3 * MINUTE)
    assert told() == ["firing"]


def test_one_that_flutters_is_told_once_and_over_once(channel: Channel, now: datetime) -> None:
    rule(channel, closes_after_s=300)
    for number in range(5):
        raise_alert("x.y", "warning", "slow")
        planning.turn(now + number * MINUTE)
        resolve_alert("x.y")
        planning.turn(now + number * MINUTE + timedelta(seconds=30))
    assert told() == ["firing"]
    assert Firing.objects.get().n_flaps == 4
    planning.turn(now + 10 * MINUTE)
    assert told() == ["firing", "resolved"]
    assert "[Over]" in Delivery.objects.order_by("created_at").last().subject  # type: ignore[union-attr]  # there are two


def test_the_same_alert_waits_for_the_cooldown(channel: Channel, now: datetime) -> None:
    rule(channel, cooldown_s=900, tells_resolved=False)
    raise_alert("x.y", "warning", "slow")
    planning.turn(now)
    resolve_alert("x.y")
    planning.turn(now + MINUTE)
    raise_alert("x.y", "warning", "slow")
    planning.turn(now + 2 * MINUTE)
    assert told() == ["firing"]
    planning.turn(now + 16 * MINUTE)
    assert told() == ["firing", "firing"]


def test_alerts_of_one_kind_come_in_one_message(channel: Channel, now: datetime) -> None:
    rule(channel, group_wait_s=30)
    raise_alert("backup.failed", "critical", "a")
    planning.turn(now)
    raise_alert("backup.overdue", "critical", "b")
    raise_alert("monitoring.drift.3.score", "warning", "c")
    planning.turn(now + timedelta(seconds=20))
    assert told() == []
    planning.turn(now + timedelta(seconds=35))
    planning.turn(now + timedelta(seconds=55))
    sizes = Delivery.objects.order_by("created_at").values_list("content__n_alerts", flat=True)
    assert list(sizes) == [2, 1]


def test_many_groups_at_once_become_one_message(channel: Channel) -> None:
    rule(channel, group_by=AlertRule.GroupBy.NONE)
    for number in range(20):
        raise_alert(f"x.{number}", "warning", str(number))
    assert planning.turn() == 1
    content = Delivery.objects.get().content
    assert (content["n_alerts"], len(content["alerts"])) == (20, 10)
    assert "10 more" in content["text"]


def test_two_rules_tell_a_channel_once(actor: Actor, receiver: Receiver) -> None:
    shared, other = webhook(actor, receiver), webhook(actor, receiver, "other")
    rule(shared)
    rule(shared, other, name="second")
    raise_alert("x.y", "warning", "slow")
    planning.turn()
    names = sorted(Delivery.objects.values_list("channel__name", flat=True))
    assert names == ["line 3", "other"]


def test_a_rule_tells_only_of_what_it_is_about(channel: Channel) -> None:
    rule(channel, keys="backup.\nrun-", least_severity="critical")
    for key, severity in (
        ("backup.failed", "critical"),
        ("backup.overdue", "warning"),
        ("registry.x", "critical"),
    ):
        raise_alert(key, severity, key)
    planning.turn()
    (told_of,) = Delivery.objects.get().content["alerts"]
    assert told_of["key"] == "backup.failed"


def test_a_rule_that_is_narrowed_does_not_say_that_something_is_over(
    channel: Channel, now: datetime
) -> None:
    one = rule(channel)
    raise_alert("x.y", "warning", "slow")
    planning.turn(now)
    AlertRule.objects.filter(pk=one.pk).update(keys="backup.")
    planning.turn(now + MINUTE)
    planning.turn(now + 2 * MINUTE)
    assert told() == ["firing"]


def test_what_gets_worse_is_told_at_once(channel: Channel, now: datetime) -> None:
    rule(channel)
    raise_alert("x.y", "warning", "slow")
    planning.turn(now)
    raise_alert("x.y", "critical", "dead")
    planning.turn(now + timedelta(seconds=5))
    planning.turn(now + timedelta(seconds=10))
    assert told() == ["firing", "worse"]


def test_quiet_hours_hold_back_all_but_the_critical(channel: Channel, settings: Any) -> None:
    rule(channel, quiet_from=time(22), quiet_until=time(6), repeats_after_s=0)
    midnight = datetime(2026, 11, 20, 0, 30, tzinfo=ZoneInfo(settings.TIME_ZONE))
    raise_alert("a.b", "warning", "slow")
    raise_alert("c.d", "critical", "dead")
    Alert.objects.update(first_at=midnight)
    planning.turn(midnight)
    assert [one.severity for one in Delivery.objects.all()] == ["critical"]
    planning.turn(midnight + timedelta(hours=5))
    assert len(told()) == 1
    planning.turn(midnight + timedelta(hours=6))
    assert told() == ["firing", "firing"]


def test_nobody_looking_after_it_reminds_and_escalates_until_acknowledged(
    actor: Actor, receiver: Receiver, now: datetime
) -> None:
    first, boss = webhook(actor, receiver), webhook(actor, receiver, "boss")
    one = rule(first, repeats_after_s=3_600)
    RuleStep.objects.create(rule=one, after_s=1_800).channels.set([boss])
    alert = raise_alert("x.y", "warning", "slow")
    planning.turn(now)
    planning.turn(now + 20 * MINUTE)
    assert told() == ["firing"]
    planning.turn(now + 31 * MINUTE)
    last = Delivery.objects.order_by("created_at").last()
    assert last is not None
    assert (last.event, last.channel) == ("escalated", boss)
    planning.turn(now + 95 * MINUTE)
    assert sorted(told()[2:]) == ["reminder", "reminder"]
    alerts.acknowledge(alert, actor)
    planning.turn(now + 300 * MINUTE)
    assert len(told()) == 4
    resolve_alert("x.y")
    planning.turn(now + 301 * MINUTE)
    assert told()[4:] == ["resolved", "resolved"]


def test_what_somebody_looks_after_already_is_not_told(channel: Channel, actor: Actor) -> None:
    rule(channel)
    alerts.acknowledge(raise_alert("x.y", "warning", "slow"), actor)
    assert planning.turn() == 0


def test_what_is_silenced_is_told_when_the_silence_ends(
    channel: Channel, actor: Actor, now: datetime
) -> None:
    rule(channel)
    silences.create(keys="x.", ends_at=now + 30 * MINUTE, reason="Work.", actor=actor)
    raise_alert("x.y", "critical", "dead")
    planning.turn(clock.now() + MINUTE)
    assert told() == []
    planning.turn(now + 31 * MINUTE)
    assert told() == ["firing"]


def test_a_channel_out_of_use_and_a_rule_switched_off_tell_nobody(
    channel: Channel, actor: Actor, receiver: Receiver
) -> None:
    rule(channel)
    rule(webhook(actor, receiver, "b"), name="off", is_enabled=False)
    Channel.objects.filter(pk=channel.pk).update(is_enabled=False)
    raise_alert("x.y", "critical", "dead")
    assert planning.turn() == 0


def test_a_clock_set_back_does_not_keep_anybody_from_being_told(
    channel: Channel, now: datetime
) -> None:
    rule(channel, opens_after_s=60, group_wait_s=10)
    raise_alert("x.y", "critical", "dead")
    past = now - timedelta(hours=5)
    for seconds in (0, 70, 90):
        planning.turn(past + timedelta(seconds=seconds))
    assert told() == ["firing"]


def test_a_clock_set_forward_tells_once(channel: Channel, now: datetime) -> None:
    rule(channel, repeats_after_s=0)
    raise_alert("x.y", "critical", "dead")
    planning.turn(now + timedelta(days=400))
    planning.turn(now)
    assert told() == ["firing"]


def test_notices_are_told_once_to_those_who_asked(channel: Channel, actor: Actor) -> None:
    one = rule(channel, tells_notices=True, least_severity="info")
    AlertRule.objects.filter(pk=one.pk).update(changed_at=clock.now() - MINUTE)
    notices.send(kind="model.promoted", subject="v3 is live.", body="It passed.")
    Notice.objects.create(
        kind="x", subject="Long ago.", severity="info", at=clock.now() - timedelta(hours=2)
    )
    planning.turn()
    planning.turn()
    delivery = Delivery.objects.get()
    assert (delivery.event, delivery.subject) == ("notice", "v3 is live.")


def test_thousands_of_alerts_at_once_are_one_message(channel: Channel) -> None:
    rule(channel)
    moment = clock.now()
    Alert.objects.bulk_create(
        Alert(key=f"x.{n}", severity="warning", message="m", first_at=moment, last_at=moment)
        for n in range(2_000)
    )
    assert planning.turn() == 1
    assert planning.turn() == 0
    assert Delivery.objects.get().content["n_alerts"] == 2_000
    Alert.objects.open().update(resolved_at=clock.now())
    assert planning.turn() == 1
    assert not Firing.objects.unfinished().exists()
