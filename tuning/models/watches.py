"""Watches over option sets that went live, and the readings they are held to."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _g
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.registry.models import ModelVersion


class OptionWatch(models.Model):
    """An option set that went live, held against its own proof for a while."""

    class State(models.TextChoices):
        """How a watch stands or ended."""

        WATCHING = "watching", _("Watching")
        KEPT = "kept", _("Kept")
        RETURNED = "returned", _("Gone back by itself")
        UNREADABLE = "unreadable", _("No readings")
        STUCK = "stuck", _("Worse, and nothing to go back to")
        REPLACED = "replaced", _("Replaced")

    class Base(models.TextChoices):
        """Where the rate of the previous set comes from."""

        READINGS = "readings", _("readings of the running instance before the change")
        PROOF = "proof", _("the median in the proof")

    version = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        related_name="option_watches",
        verbose_name=_("version"),
    )
    previous = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("previous version"),
    )
    target = models.CharField(_("target"), max_length=40)
    workload = models.CharField(_("workload"), max_length=60)
    metric = models.CharField(_("metric"), max_length=60)
    is_higher_better = models.BooleanField(_("higher is better"), default=True)
    base = models.FloatField(_("rate of the previous set"), null=True, blank=True)
    base_from = models.CharField(
        _("taken from"), max_length=10, choices=Base.choices, default=Base.PROOF
    )
    proven = models.FloatField(_("lower end of the proven ratio"), null=True, blank=True)
    margin = models.FloatField(_("margin"), default=0.0)
    bound = models.FloatField(_("bound"), null=True, blank=True)
    n_needed = models.PositiveIntegerField(_("breaches in a row that count"))
    n_breaches = models.PositiveIntegerField(_("breaches in a row"), default=0)
    n_readings = models.PositiveIntegerField(_("readings"), default=0)
    read_to = models.DateTimeField(_("last reading"), null=True, blank=True)
    last_rate = models.FloatField(_("last rate"), null=True, blank=True)
    began_at = models.DateTimeField(_("began"), default=clock.now)
    window_s = models.PositiveIntegerField(_("seconds watched"))
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WATCHING
    )
    reason = models.TextField(_("reason"), blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        ordering = ("-began_at",)
        verbose_name = _("watch")
        verbose_name_plural = _("watches")
        default_permissions = ()
        indexes = [models.Index(fields=["target", "-began_at"], name="tuning_watch_target")]
        constraints = (
            models.UniqueConstraint(
                fields=("target", "workload"),
                condition=Q(state="watching"),
                name="tuning_watch_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state="watching", ended_at__isnull=True)
                | ~Q(state="watching") & Q(ended_at__isnull=False),
                name="tuning_watch_ends_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.version} {self.state}"

    @property
    def ends_at(self) -> datetime:
        """When the watch is over."""
        return self.began_at + timedelta(seconds=self.window_s)

    @property
    def is_breached(self) -> bool:
        """Whether enough readings in a row broke the bound."""
        return self.n_breaches >= self.n_needed

    @property
    def tone(self) -> str:
        """How its badge is coloured."""
        tones = {"kept": "ok", "returned": "bad", "stuck": "bad", "unreadable": "warn"}
        return tones.get(self.state, "warn" if self.n_breaches else "info")

    @property
    def said(self) -> str:
        """Where it stands, in one sentence."""
        if self.reason:
            return self.reason
        if not self.n_readings:
            return _g("No readings of the running instance so far: nothing can be said of it.")
        return _g("%(n)d readings so far; %(breaches)d of %(needed)d breaches in a row.") % {
            "n": self.n_readings,
            "breaches": self.n_breaches,
            "needed": self.n_needed,
        }


class OptionReading(models.Model):
    """One rate of a running instance; removed after some days, when only the hours stay."""

    target = models.CharField(_("target"), max_length=40)
    workload = models.CharField(_("workload"), max_length=60)
    at = models.DateTimeField(_("time"), db_index=True)
    rate = models.FloatField(_("rate"))

    class Meta:
        verbose_name = _("reading")
        verbose_name_plural = _("readings")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("target", "workload", "at"), name="tuning_reading_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.at.isoformat()} {self.rate:g}"


class ReadingHour(models.Model):
    """The readings of one hour, rolled up."""

    target = models.CharField(_("target"), max_length=40)
    workload = models.CharField(_("workload"), max_length=60)
    hour = models.DateTimeField(_("hour"), db_index=True)
    n_readings = models.PositiveIntegerField(_("readings"), default=0)
    total = models.FloatField(_("sum"), default=0.0)
    low = models.FloatField(_("lowest"))
    high = models.FloatField(_("highest"))

    class Meta:
        ordering = ("-hour",)
        verbose_name = _("hour of readings")
        verbose_name_plural = _("hours of readings")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("target", "workload", "hour"), name="tuning_reading_hour_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.hour.isoformat()} {self.n_readings}"

    @property
    def mean(self) -> float:
        """Mean rate of the hour."""
        return self.total / max(1, self.n_readings)
