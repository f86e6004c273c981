"""What data are expected to be like, what they were like hour by hour, and what was refused."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock

#: How scopes begin: what a model is sent, and data sets of a kind.
LIVE, DATASET = "live:", "dataset:"
#: The source that stands for all of a scope together.
ALL = ""
#: The rule under which refused rows are counted, each once however many rules it broke.
ROWS = "rows"


class Rule(models.TextChoices):
    """What can be wrong with data."""

    NULLS = "nulls", _("Missing values")
    TYPE = "type", _("Wrong type")
    RANGE = "range", _("Outside the range")
    CATEGORY = "category", _("Unknown category")
    DUPLICATES = "duplicates", _("Repeated rows")
    VOLUME = "volume", _("Number of rows")
    FRESHNESS = "freshness", _("Age of the last row")


class Expectation(models.Model):
    """What one column, or a whole source, is expected to be like.

    What was learned and what a person set are kept apart: learning anew never touches the latter.
    """

    scope = models.CharField(_("scope"), max_length=100)
    column = models.CharField(_("column"), max_length=80, blank=True)
    rule = models.CharField(_("rule"), max_length=12, choices=Rule.choices)
    learned = models.JSONField(_("learned"), default=dict)
    learned_from = models.CharField(_("learned from"), max_length=120, blank=True)
    learned_at = models.DateTimeField(_("learned at"), default=clock.now)
    edited = models.JSONField(_("set by a person"), null=True, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    changed_by = models.CharField(_("changed by"), max_length=150, blank=True)
    changed_at = models.DateTimeField(_("changed"), null=True, blank=True)

    class Meta:
        verbose_name = _("expectation")
        verbose_name_plural = _("expectations")
        ordering = ("scope", "column", "rule")
        default_permissions = ("change", "view")
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "column", "rule"], name="monitoring_expectation_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.column} {self.rule}"

    @property
    def limits(self) -> dict[str, Any]:
        """What counts: the person's word before the learned one."""
        return dict(self.learned if self.edited is None else self.edited)

    @property
    def is_edited(self) -> bool:
        return self.edited is not None


class QualityWindow(models.Model):
    """One hour of one source, or one data set: what its rows were like."""

    class Status(models.TextChoices):
        GOOD = "good", _("As expected")
        BAD = "bad", _("Not as expected")
        FEW = "few", _("Too few rows to judge")

    id = models.BigAutoField(primary_key=True)
    scope = models.CharField(_("scope"), max_length=100)
    source = models.CharField(_("source"), max_length=160)
    at = models.DateTimeField(_("start"))
    n_rows = models.PositiveIntegerField(_("rows"))
    n_looked = models.PositiveIntegerField(_("rows looked at"))
    n_refused = models.PositiveIntegerField(_("rows refused"), default=0)
    n_duplicates = models.PositiveIntegerField(_("repeated rows"), default=0)
    last_row_at = models.DateTimeField(_("last row"), null=True)
    nulls = models.JSONField(_("missing values by column"), default=dict)
    outside = models.JSONField(_("values outside by column"), default=dict)
    odd = models.JSONField(_("unknown categories by column"), default=dict)
    wrong = models.JSONField(_("wrong types by column"), default=dict)
    failures = models.JSONField(_("what is not as expected"), default=list)
    status = models.CharField(_("status"), max_length=6, choices=Status.choices)
    reference = models.CharField(_("belongs to"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("hour of data")
        verbose_name_plural = _("data quality")
        ordering = ("-at", "scope", "source")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["at"], name="monitoring_quality_at")]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "source", "at"], name="monitoring_quality_window_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.source} {self.at:%Y-%m-%d %H}"

    @property
    def looked_share(self) -> float:
        """Share of the rows whose values were looked at; what was refused counts as much."""
        return self.n_looked / self.n_rows if self.n_looked < self.n_rows else 1.0

    @property
    def n_judged(self) -> int:
        """Rows that shares refer to: those looked at and as large a share of those refused."""
        return self.n_looked + round(self.n_refused * self.looked_share)


class Refusal(models.Model):
    """How often rows of a source broke a rule in an hour and were refused: complete counts."""

    pk = models.CompositePrimaryKey("scope", "source", "at", "rule", "column")
    scope = models.CharField(_("scope"), max_length=100)
    source = models.CharField(_("source"), max_length=160)
    at = models.DateTimeField(_("hour"))
    rule = models.CharField(_("rule"), max_length=40)
    column = models.CharField(_("column"), max_length=80)
    n = models.PositiveIntegerField(_("times"))

    class Meta:
        verbose_name = _("refusal")
        verbose_name_plural = _("refusals")
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="monitoring_refusal_at")]

    def __str__(self) -> str:
        return f"{self.source} {self.rule} {self.n}"


class QuarantinedRow(models.Model):
    """One refused row with the reason, kept for a while; of many alike only the first."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scope = models.CharField(_("scope"), max_length=100)
    source = models.CharField(_("source"), max_length=160)
    at = models.DateTimeField(_("time"))
    position = models.BigIntegerField(_("row"), null=True)
    column = models.CharField(_("column"), max_length=80, blank=True)
    rule = models.CharField(_("rule"), max_length=40)
    message = models.TextField(_("reason"))
    row = models.TextField(_("what came"), blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("quarantined row")
        verbose_name_plural = _("quarantine")
        ordering = ("-at", "-id")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["-at", "-id"], name="monitoring_quarantine_at"),
            models.Index(fields=["scope", "source", "-at"], name="monitoring_quarantine_source"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(message=""), name="monitoring_quarantine_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.rule} {self.column}"
