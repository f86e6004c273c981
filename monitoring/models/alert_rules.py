"""Rules that say who is told of which alerts and when, where each stands, and silences."""

from datetime import datetime, time

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.models.alert_channels import Channel
from portal.core.models import Alert
from portal.lib import clock

SEVERITIES = (Alert.Severity.INFO, Alert.Severity.WARNING, Alert.Severity.CRITICAL)


def gravity(severity: str) -> int:
    """Return how bad a severity is, from 0."""
    return SEVERITIES.index(Alert.Severity(severity))


def matches(keys: str, key: str) -> bool:
    """Whether a list of beginnings of keys, one a line, names a key; an empty list names all."""
    beginnings = keys.split()
    return not beginnings or any(key.startswith(one.rstrip("*")) for one in beginnings)


class AlertRuleQuerySet(models.QuerySet["AlertRule"]):
    def enabled(self) -> "AlertRuleQuerySet":
        """Rules that are followed."""
        return self.filter(is_enabled=True)


class AlertRule(models.Model):
    """Which alerts are told to whom, after how long, how often, and when not."""

    class GroupBy(models.TextChoices):
        KIND = "kind", _("what they are about")
        ALL = "all", _("all in one message")
        NONE = "none", _("each alone")

    name = models.CharField(_("name"), max_length=80, unique=True)
    is_enabled = models.BooleanField(_("in use"), default=True)
    keys = models.TextField(_("keys begin with"), blank=True)
    least_severity = models.CharField(
        _("from"), max_length=10, choices=Alert.Severity.choices, default=Alert.Severity.WARNING
    )
    opens_after_s = models.PositiveIntegerField(_("tells after"), default=0)
    closes_after_s = models.PositiveIntegerField(_("over after"), default=60)
    cooldown_s = models.PositiveIntegerField(_("cooldown"), default=900)
    repeats_after_s = models.PositiveIntegerField(_("reminds every"), default=14_400)
    group_by = models.CharField(
        _("groups by"), max_length=5, choices=GroupBy.choices, default=GroupBy.KIND
    )
    group_wait_s = models.PositiveIntegerField(_("collects for"), default=10)
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    quiet_passes = models.CharField(
        _("passes in quiet hours"),
        max_length=10,
        choices=Alert.Severity.choices,
        default=Alert.Severity.CRITICAL,
    )
    tells_resolved = models.BooleanField(_("tells when it is over"), default=True)
    tells_notices = models.BooleanField(_("tells notices"), default=False)
    changed_by = models.CharField(_("changed by"), max_length=150, blank=True)
    changed_at = models.DateTimeField(_("changed"), default=clock.now)

    objects = AlertRuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")
        ordering = ("name",)
        default_permissions = ("add", "change", "delete", "view")
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="monitoring_rule_quiet_hours",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def covers(self, key: str, severity: str) -> bool:
        """Whether the rule is about an alert."""
        return gravity(severity) >= gravity(self.least_severity) and matches(self.keys, key)

    def is_quiet(self, severity: str, now: datetime) -> bool:
        """Whether an alert of a severity has to wait for the end of the quiet hours."""
        if self.quiet_from is None or self.quiet_until is None:
            return False
        if gravity(severity) >= gravity(self.quiet_passes):
            return False
        return _is_within(timezone.localtime(now).time(), self.quiet_from, self.quiet_until)


def _is_within(moment: time, start: time, end: time) -> bool:
    """Whether a time of day lies in a span that may go over midnight."""
    return start <= moment < end if start <= end else moment >= start or moment < end


class RuleStep(models.Model):
    """Whom a rule tells so long after the first message, as long as nobody looks after it."""

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="steps")
    after_s = models.PositiveIntegerField(_("after"), default=0)
    channels = models.ManyToManyField(Channel, related_name="steps", verbose_name=_("channels"))

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ("after_s",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["rule", "after_s"], name="monitoring_rule_step_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.after_s}"


class FiringQuerySet(models.QuerySet["Firing"]):
    def unfinished(self) -> "FiringQuerySet":
        """Those a rule still has to do with."""
        return self.exclude(state=Firing.State.OVER)


class Firing(models.Model):
    """Where a rule stands with an alert: what it has told of it, and what it waits for."""

    class State(models.TextChoices):
        PENDING = "pending", _("not told yet")
        TOLD = "told", _("told")
        CLEARING = "clearing", _("over for now")
        OVER = "over", _("over")

    rule = models.ForeignKey(
        AlertRule, models.CASCADE, related_name="firings", verbose_name=_("rule")
    )
    key = models.CharField(_("key"), max_length=200)
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="+", verbose_name=_("alert"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    since = models.DateTimeField(_("since"))
    ready_at = models.DateTimeField(_("ready"), null=True)
    told_at = models.DateTimeField(_("told first"), null=True)
    last_told_at = models.DateTimeField(_("told last"), null=True)
    told_severity = models.CharField(max_length=10, blank=True)
    n_told = models.PositiveIntegerField(default=0)
    n_steps = models.PositiveSmallIntegerField(default=0)
    n_flaps = models.PositiveIntegerField(default=0)
    cleared_at = models.DateTimeField(null=True)

    objects = FiringQuerySet.as_manager()

    class Meta:
        verbose_name = _("firing")
        verbose_name_plural = _("firings")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["rule", "key", "-last_told_at"], name="monitoring_firing_last")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "key"], condition=~Q(state="over"), name="monitoring_firing_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.state}"


class SilenceQuerySet(models.QuerySet["Silence"]):
    def active(self, now: datetime) -> "SilenceQuerySet":
        """Silences that hold now."""
        return self.filter(starts_at__lte=now, ends_at__gt=now)


class Silence(models.Model):
    """That nobody is told of some alerts for a while; the alerts themselves stay to be seen."""

    keys = models.TextField(_("keys begin with"))
    starts_at = models.DateTimeField(_("from"), default=clock.now)
    ends_at = models.DateTimeField(_("until"), db_index=True)
    reason = models.CharField(_("reason"), max_length=300)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("made by"),
    )
    made_via = models.CharField(_("via"), max_length=20, default="person")
    created_at = models.DateTimeField(_("made"), default=clock.now)

    objects = SilenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("silence")
        verbose_name_plural = _("silences")
        ordering = ("-ends_at", "-id")
        default_permissions = ("add", "change", "view")
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="monitoring_silence_span"
            ),
        ]

    def __str__(self) -> str:
        return self.keys

    def covers(self, key: str) -> bool:
        """Whether an alert is silenced."""
        return bool(self.keys.split()) and matches(self.keys, key)
