"""People, keys, the audit chain, idempotency records and alerts."""

import uuid

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from portal.lib import clock


class User(AbstractUser):
    """A person, or the account a program acts for."""

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"


class Scope(models.TextChoices):
    """What an API key may do."""

    READ = "read", _("Read")
    PREDICT = "predict", _("Predict")
    TRAIN = "train", _("Train")
    SEARCH = "search", _("Search")
    BENCHMARK = "benchmark", _("Benchmark")
    TUNE = "tune", _("Tune")
    PROMOTE = "promote", _("Promote")
    ADMIN = "admin", _("Administer")


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> "ApiKeyQuerySet":
        """Keys that are neither revoked nor expired and whose owner is active."""
        moment = clock.now()
        alive = models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=moment)
        return self.filter(alive, revoked_at__isnull=True, user__is_active=True)


class ApiKey(models.Model):
    """A program's credential; only its hash is kept, the prefix tells keys apart."""

    name = models.CharField(_("name"), max_length=120)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="api_keys",
        verbose_name=_("acts for"),
    )
    prefix = models.CharField(_("prefix"), max_length=16, unique=True)
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_usable(self) -> bool:
        """Whether the key opens anything now."""
        expired = self.expires_at is not None and self.expires_at <= clock.now()
        return self.revoked_at is None and not expired and self.user.is_active


class AuditEntry(models.Model):
    """One thing somebody did or was refused; each entry carries the digest of the one before."""

    class Outcome(models.TextChoices):
        DONE = "done", _("Done")
        REFUSED = "refused", _("Refused")

    number = models.BigIntegerField(_("number"), primary_key=True)
    at = models.DateTimeField(_("time"), db_index=True)
    actor = models.CharField(_("actor"), max_length=150, db_index=True)
    actor_id = models.BigIntegerField(null=True, editable=False)
    via = models.CharField(_("via"), max_length=20)
    action = models.CharField(_("action"), max_length=80, db_index=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices)
    target = models.CharField(_("target"), max_length=200, db_index=True)
    reason = models.TextField(_("reason"), blank=True)
    detail = models.JSONField(_("detail"), default=dict)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    previous_digest = models.CharField(_("previous digest"), max_length=64)
    digest = models.CharField(_("digest"), max_length=64, unique=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        ordering = ("-number",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"#{self.number} {self.action} {self.target}"


class AuditHead(models.Model):
    """The end of the audit chain under its seal; without it a tail cut off would not show."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    number = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)
    seal = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = _("end of the audit log")
        verbose_name_plural = _("end of the audit log")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="core_audit_one_head"),
        ]

    def __str__(self) -> str:
        return f"#{self.number}"


class IdempotencyRecord(models.Model):
    """The first answer to a POST that carried an Idempotency-Key."""

    principal = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)
    claim = models.UUIDField(default=uuid.uuid4)
    claimed_at = models.DateTimeField(default=clock.now)
    created_at = models.DateTimeField(default=clock.now, db_index=True)

    class Meta:
        verbose_name = _("idempotency record")
        verbose_name_plural = _("idempotency records")
        constraints = [
            models.UniqueConstraint(fields=["principal", "key"], name="core_idempotency_once"),
        ]

    def __str__(self) -> str:
        return self.key


class AlertQuerySet(models.QuerySet["Alert"]):
    def open(self) -> "AlertQuerySet":
        """Alerts nobody has resolved."""
        return self.filter(resolved_at__isnull=True)


class Alert(models.Model):
    """Something an operator must know; one open row per key, counted when it happens again."""

    class Severity(models.TextChoices):
        INFO = "info", _("Information")
        WARNING = "warning", _("Warning")
        CRITICAL = "critical", _("Critical")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(_("key"), max_length=200)
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    message = models.TextField(_("message"))
    translations = models.JSONField(_("message by language"), default=dict, blank=True)
    url = models.CharField(_("link"), max_length=300, blank=True)
    n_times = models.PositiveIntegerField(_("times"), default=1)
    first_at = models.DateTimeField(_("first seen"), default=clock.now)
    last_at = models.DateTimeField(_("last seen"), default=clock.now, db_index=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("acknowledged by"),
    )
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ("-last_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["key"],
                condition=models.Q(resolved_at__isnull=True),
                name="core_alert_one_open",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def said(self) -> str:
        """The message in the language that is spoken now, where it was raised in it."""
        return self.said_in(get_language() or "")

    def said_in(self, language: str) -> str:
        """Return the message in a language, as it was written where it was raised in one alone."""
        return str(self.translations.get(language) or self.message)


class Notice(models.Model):
    """Something that happened and that somebody wants to know; nothing has to be done."""

    kind = models.CharField(_("kind"), max_length=60, db_index=True)
    severity = models.CharField(_("severity"), max_length=10, choices=Alert.Severity.choices)
    subject = models.CharField(_("subject"), max_length=300)
    body = models.TextField(_("text"), blank=True)
    url = models.CharField(_("link"), max_length=300, blank=True)
    key = models.CharField(_("key"), max_length=200, blank=True)
    at = models.DateTimeField(_("time"), default=clock.now, db_index=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ("-id",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=~models.Q(key=""), name="core_notice_once"
            ),
        ]

    def __str__(self) -> str:
        return self.subject
