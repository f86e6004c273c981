"""Channels, what was sent through them, and every attempt at it."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.core.models import Alert
from portal.lib import clock


class ChannelQuerySet(models.QuerySet["Channel"]):
    def enabled(self) -> "ChannelQuerySet":
        """Channels that are sent to."""
        return self.filter(is_enabled=True)


class Channel(models.Model):
    """A way out of the portal: a Slack or Teams channel, mailboxes, or a program."""

    class Kind(models.TextChoices):
        SLACK = "slack", _("Slack")
        TEAMS = "teams", _("Microsoft Teams")
        MAIL = "mail", _("Mail")
        WEBHOOK = "webhook", _("Webhook")

    name = models.CharField(_("name"), max_length=80, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    address = models.TextField(_("sealed address"))
    secret = models.TextField(_("sealed secret"), blank=True)
    shown = models.CharField(_("address"), max_length=200)
    language = models.CharField(_("language"), max_length=5, choices=settings.LANGUAGES)
    is_enabled = models.BooleanField(_("in use"), default=True)
    acts_for = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("acts for"),
    )
    changed_by = models.CharField(_("changed by"), max_length=150, blank=True)
    changed_at = models.DateTimeField(_("changed"), default=clock.now)
    # How sending goes: one sender at a time, and none before a time after a failure.
    claim = models.UUIDField(null=True, editable=False)
    claimed_until = models.DateTimeField(null=True, editable=False)
    blocked_until = models.DateTimeField(_("waits until"), null=True, editable=False)
    n_failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    last_error = models.CharField(_("last error"), max_length=300, blank=True, editable=False)
    last_failed_at = models.DateTimeField(_("last failed"), null=True, editable=False)
    last_delivered_at = models.DateTimeField(_("last delivered"), null=True, editable=False)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering = ("name",)
        default_permissions = ("add", "change", "delete", "view")

    def __str__(self) -> str:
        return self.name


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> "DeliveryQuerySet":
        """Messages that are still to be sent."""
        return self.filter(state=Delivery.State.WAITING)


class Delivery(models.Model):
    """One message for one channel, as it was written, and what became of it."""

    class Event(models.TextChoices):
        FIRING = "firing", _("Something is wrong")
        WORSE = "worse", _("It got worse")
        REMINDER = "reminder", _("Nobody looks after it")
        ESCALATED = "escalated", _("Escalated")
        RESOLVED = "resolved", _("It is over")
        NOTICE = "notice", _("Notice")
        TEST = "test", _("Test")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")
        CANCELLED = "cancelled", _("Not sent any more")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.ForeignKey(
        Channel, models.CASCADE, related_name="deliveries", verbose_name=_("channel")
    )
    rule_name = models.CharField(_("rule"), max_length=80, blank=True)
    event = models.CharField(_("event"), max_length=10, choices=Event.choices)
    severity = models.CharField(_("severity"), max_length=10, choices=Alert.Severity.choices)
    subject = models.CharField(_("subject"), max_length=300)
    content = models.JSONField(_("message"), default=dict)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WAITING
    )
    error = models.CharField(_("error"), max_length=300, blank=True)
    n_attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    created_at = models.DateTimeField(_("written"), default=clock.now, db_index=True)
    settled_at = models.DateTimeField(_("settled"), null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ("-created_at", "-id")
        default_permissions = ("view",)
        indexes = [
            models.Index(
                fields=["channel", "created_at"],
                condition=Q(state="waiting"),
                name="monitoring_delivery_waiting",
            ),
        ]

    def __str__(self) -> str:
        return self.subject


class DeliveredAlert(models.Model):
    """That a channel was told of an alert's event, so that it is told once, by whichever rule."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="items")
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="+")
    alert = models.UUIDField()
    event = models.CharField(max_length=40)

    class Meta:
        verbose_name = _("alert told of")
        verbose_name_plural = _("alerts told of")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "event", "channel"], name="monitoring_told_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alert} {self.event}"


class DeliveryAttempt(models.Model):
    """One attempt to send a message; written before it begins, so that none goes unseen."""

    class Outcome(models.TextChoices):
        SENDING = "sending", _("Being sent")
        DELIVERED = "delivered", _("Delivered")
        REFUSED = "refused", _("Refused")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Unknown: the sender died")

    delivery = models.ForeignKey(
        Delivery, models.CASCADE, related_name="attempts", verbose_name=_("delivery")
    )
    at = models.DateTimeField(_("time"), default=clock.now)
    outcome = models.CharField(
        _("outcome"), max_length=10, choices=Outcome.choices, default=Outcome.SENDING
    )
    status_code = models.PositiveSmallIntegerField(_("answer"), null=True)
    error = models.CharField(_("error"), max_length=300, blank=True)
    duration_s = models.FloatField(_("took"), null=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ("id",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.outcome}"
