"""Following the rules: what is told of which alert now, written down as messages to be sent.

A turn reads the open alerts and where each rule stands with them, and writes messages in the same
transaction as the new standing: a process that dies in the middle has told nothing, and the next
turn begins from the same. One process does it at a time.

A time that lies in the future, because a clock was set back, counts as now.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max

from monitoring.models import AlertRule, Channel, DeliveredAlert, Delivery, Firing, Silence
from monitoring.models.alert_rules import gravity
from monitoring.services.alerting import notifying, wording
from monitoring.services.alerting.writing import deliver
from portal.core import alert_kinds
from portal.core.models import Alert
from portal.lib import clock

LOCK = 0x616C7274
#: More groups than this at once become one message: nobody reads fifty in a minute. Ours.
MOST_MESSAGES = 5
BATCH = 2_000
Event = Delivery.Event
State = Firing.State


def turn(now: datetime | None = None) -> int:
    """Write what is to be sent.

    Returns
    -------
    int
        The number of messages; 0 as well when another process is at it.
    """
    moment = now or clock.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
        rules = list(AlertRule.objects.enabled().prefetch_related("steps__channels"))
        if not rules:
            return 0
        alerts = {alert.key: alert for alert in Alert.objects.open()}
        silences = list(Silence.objects.active(moment))
        n_messages = sum(_Follower(rule, alerts, silences, moment).follow() for rule in rules)
        return n_messages + notifying.pass_on([one for one in rules if one.tells_notices], moment)


@dataclass
class _Told:
    """Firings to be told of together."""

    event: str
    mark: str
    steps: Sequence[int]
    firings: list[Firing] = field(default_factory=list)


class _Follower:
    """One rule at one moment."""

    def __init__(
        self,
        rule: AlertRule,
        alerts: Mapping[str, Alert],
        silences: Sequence[Silence],
        now: datetime,
    ) -> None:
        self.rule = rule
        self.now = now
        self.silences = silences
        self.steps = list(rule.steps.all())
        self.channels = [
            [one for one in step.channels.all() if one.is_enabled] for step in self.steps
        ]
        self.open = {
            key: alert for key, alert in alerts.items() if rule.covers(key, alert.severity)
        }
        self.told: dict[tuple[str, str, tuple[int, ...], str], _Told] = {}

    def follow(self) -> int:
        """Bring the rule's firings up to the moment; return the number of messages written."""
        if not any(self.channels):
            return 0
        firings = {one.key: one for one in self.rule.firings.unfinished().select_related("alert")}
        begun = [self._begun(alert) for key, alert in self.open.items() if key not in firings]
        before = {one.pk: _state(one) for one in firings.values()}
        everything = [*firings.values(), *begun]
        self._pending([one for one in everything if one.state == State.PENDING])
        for firing in firings.values():
            if firing.state == State.TOLD:
                self._standing(firing)
            elif firing.state == State.CLEARING:
                self._clearing(firing)
        n_messages = self._write()
        Firing.objects.bulk_create(begun, BATCH)
        # An upsert by the key: Django's bulk_update takes minutes for ten thousand rows.
        Firing.objects.bulk_create(
            [one for one in firings.values() if _state(one) != before[one.pk]],
            BATCH,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=UPDATED,
        )
        return n_messages

    # --- What each firing waits for ---------------------------------------------------------------

    def _begun(self, alert: Alert) -> Firing:
        return Firing(
            rule=self.rule,
            key=alert.key,
            alert=alert,
            state=State.PENDING,
            since=min(alert.first_at, self.now),
        )

    def _pending(self, firings: Sequence[Firing]) -> None:
        cooling = self._cooling([one.key for one in firings])
        ready: dict[str, list[Firing]] = defaultdict(list)
        for firing in firings:
            alert = self.open.get(firing.key)
            if alert is None:
                firing.state = State.OVER  # too short to be told of
                continue
            firing.alert = alert
            if not self._is_due(firing, alert, cooling):
                firing.ready_at = None
                continue
            firing.ready_at = min(firing.ready_at or self.now, self.now)
            ready[self._group(firing)].append(firing)
        for members in ready.values():
            oldest = min(one.ready_at or self.now for one in members)
            if self.now - oldest >= timedelta(seconds=self.rule.group_wait_s):
                for firing in members:
                    self._tell(firing, Event.FIRING, Event.FIRING, [0])

    def _is_due(self, firing: Firing, alert: Alert, cooling: set[str]) -> bool:
        stands_s = (self.now - min(firing.since, self.now)).total_seconds()
        return (
            stands_s >= self.rule.opens_after_s
            and alert.acknowledged_at is None
            and firing.key not in cooling
            and self._may_tell(firing)
        )

    def _may_tell(self, firing: Firing) -> bool:
        if any(silence.covers(firing.key) for silence in self.silences):
            return False
        return not self.rule.is_quiet(firing.alert.severity, self.now)

    def _cooling(self, keys: Sequence[str]) -> set[str]:
        """Return the keys that were told of a short while ago and have come again since."""
        if not keys or not self.rule.cooldown_s:
            return set()
        since = self.now - timedelta(seconds=self.rule.cooldown_s)
        last = (
            self.rule.firings.filter(state=State.OVER, last_told_at__range=(since, self.now))
            .values_list("key")
            .annotate(last=Max("last_told_at"))
        )
        return {key for key, _last in last} & set(keys)

    def _standing(self, firing: Firing) -> None:
        alert = self.open.get(firing.key)
        if alert is None:
            firing.state, firing.cleared_at = State.CLEARING, self.now
            self._clearing(firing)
            return
        firing.alert = alert
        if not self._may_tell(firing):
            return
        if gravity(alert.severity) > gravity(firing.told_severity):
            self._tell(firing, Event.WORSE, f"worse:{alert.severity}", range(firing.n_steps))
        elif alert.acknowledged_at is None:
            self._escalate_or_remind(firing)

    def _escalate_or_remind(self, firing: Firing) -> None:
        told_s = (self.now - min(firing.told_at or self.now, self.now)).total_seconds()
        step = firing.n_steps
        if step < len(self.steps) and told_s >= self.steps[step].after_s:
            self._tell(firing, Event.ESCALATED, f"escalated:{step}", [step])
            return
        every_s = self.rule.repeats_after_s
        last_s = (self.now - min(firing.last_told_at or self.now, self.now)).total_seconds()
        if every_s and last_s >= every_s:
            mark = f"reminder:{int(self.now.timestamp() // every_s)}"
            self._tell(firing, Event.REMINDER, mark, range(firing.n_steps))

    def _clearing(self, firing: Firing) -> None:
        alert = self.open.get(firing.key)
        if alert is not None:
            firing.state, firing.cleared_at = State.TOLD, None
            firing.alert = alert
            firing.n_flaps += 1
            return
        cleared_s = (self.now - min(firing.cleared_at or self.now, self.now)).total_seconds()
        if cleared_s < self.rule.closes_after_s:
            return
        is_over = firing.alert.resolved_at is not None  # not only of no interest to the rule
        if is_over and self.rule.tells_resolved and firing.n_told and self._may_tell(firing):
            self._tell(firing, Event.RESOLVED, Event.RESOLVED, range(firing.n_steps))
        firing.state = State.OVER

    # --- Messages ---------------------------------------------------------------------------------

    def _group(self, firing: Firing) -> str:
        by = self.rule.group_by
        if by == AlertRule.GroupBy.KIND:
            return alert_kinds.of(firing.key).prefix
        return "" if by == AlertRule.GroupBy.ALL else firing.key

    def _tell(self, firing: Firing, event: str, mark: str, steps: Iterable[int]) -> None:
        """Note that a firing is told of; messages are written when all are known."""
        numbers = tuple(steps)
        place = (event, mark, numbers, self._group(firing))
        told = self.told.setdefault(place, _Told(event, mark, numbers))
        told.firings.append(firing)
        if firing.state == State.PENDING:
            firing.state, firing.told_at = State.TOLD, self.now
        firing.last_told_at = self.now
        firing.told_severity = firing.alert.severity
        firing.n_told += 1
        firing.n_steps = max(firing.n_steps, numbers[-1] + 1 if numbers else 0)

    def _write(self) -> int:
        return sum(self._written(told) for told in _merged(list(self.told.values())))

    def _written(self, told: _Told) -> int:
        channels = {one.pk: one for step in told.steps for one in self.channels[step]}
        return sum(self._for_channel(told, channel) for channel in channels.values())

    def _for_channel(self, told: _Told, channel: Channel) -> int:
        alerts = {one.alert.pk: one.alert for one in told.firings}
        known = DeliveredAlert.objects.filter(channel=channel, event=told.mark, alert__in=alerts)
        new = [alerts[pk] for pk in alerts.keys() - set(known.values_list("alert", flat=True))]
        if not new:
            return 0
        delivery = deliver(
            channel, wording.of_alerts(told.event, new, channel.language, self.now), self.rule.name
        )
        DeliveredAlert.objects.bulk_create(
            [
                DeliveredAlert(delivery=delivery, channel=channel, alert=one.pk, event=told.mark)
                for one in new
            ],
            BATCH,
        )
        return 1


UPDATED = (
    "alert",
    "state",
    "ready_at",
    "told_at",
    "last_told_at",
    "told_severity",
    "n_told",
    "n_steps",
    "n_flaps",
    "cleared_at",
)


def _state(firing: Firing) -> tuple[object, ...]:
    """Return what a turn may change of a firing."""
    return (firing.alert_id, *(getattr(firing, name) for name in UPDATED[1:]))


def _merged(told: list[_Told]) -> list[_Told]:
    """Return the groups, those of one event as a single one when they are too many."""
    by_event: dict[tuple[str, str, Sequence[int]], list[_Told]] = defaultdict(list)
    for one in told:
        by_event[one.event, one.mark, one.steps].append(one)
    merged = []
    for members in by_event.values():
        if len(members) <= MOST_MESSAGES:
            merged += members
            continue
        first = members[0]
        everything = [firing for one in members for firing in one.firings]
        merged.append(_Told(first.event, first.mark, first.steps, everything))
    return merged
