"""What was found: events, and proposals to train anew."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from monitoring.engine.limits import ratio_of
from monitoring.models.drift_windows import DriftWindow
from portal.lib import clock
from portal.registry.models import ModelVersion, RegisteredModel
from portal.runs.models import Run


class DriftEventQuerySet(models.QuerySet["DriftEvent"]):
    def open(self) -> "DriftEventQuerySet":
        """Select what still lasts."""
        return self.filter(closed_at__isnull=True)

    def unseen(self) -> "DriftEventQuerySet":
        """Select what nobody has acknowledged."""
        return self.filter(acknowledged_at__isnull=True)

    def for_model(self, model: RegisteredModel) -> "DriftEventQuerySet":
        """Select the events of all versions and slices of a model."""
        return self.filter(window__version__model=model)


class DriftEvent(models.Model):
    """A stretch of time in which something was beyond its threshold."""

    class Signal(models.TextChoices):
        SCORE = "score", _("Scores")
        CLASSES = "classes", _("Predicted classes")
        COLUMNS = "columns", _("Features")
        ROWS = "rows", _("Features together")
        ESTIMATE = "estimate", _("Expected performance")
        LOSS = "loss", _("Performance by labels")

    class Level(models.TextChoices):
        CHANGE = "change", _("Change")
        SUSPECTED = "suspected", _("Loss suspected")
        CONFIRMED = "confirmed", _("Loss confirmed by labels")

    class Ending(models.TextChoices):
        CALM = "calm", _("Back within the threshold")
        RESET = "reset", _("Reset")
        REPLACED = "replaced", _("Another version went live, or the same one anew")

    window = models.ForeignKey(
        DriftWindow, models.CASCADE, related_name="events", verbose_name=_("window")
    )
    signal = models.CharField(_("what moved"), max_length=10, choices=Signal.choices)
    level = models.CharField(_("level"), max_length=10, choices=Level.choices)
    scale = models.CharField(_("scale"), max_length=12)
    detector = models.CharField(_("detector"), max_length=20)
    statistic = models.FloatField(_("largest statistic"))
    threshold = models.FloatField(_("threshold"))
    kl = models.FloatField(_("KL divergence of the scores"), null=True)
    columns = models.JSONField(_("features"), default=dict, blank=True)
    n_looks = models.PositiveIntegerField(_("looks beyond"), default=1)
    opened_at = models.DateTimeField(_("began"))
    last_at = models.DateTimeField(_("last seen"))
    closed_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ending = models.CharField(_("how it ended"), max_length=10, choices=Ending.choices, blank=True)
    predictions_since = models.DateTimeField(_("first prediction"))
    predictions_until = models.DateTimeField(_("last prediction"))
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("acknowledged by"),
    )
    cause = models.TextField(_("cause"), blank=True)

    objects = DriftEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("drift event")
        verbose_name_plural = _("drift events")
        ordering = ("-opened_at", "-id")
        default_permissions = ("view",)
        permissions = [("acknowledge_drift", _("Can acknowledge drift events"))]
        indexes = [
            models.Index(fields=["-opened_at", "-id"], name="monitoring_event_opened"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["window", "signal"],
                condition=Q(closed_at__isnull=True),
                name="monitoring_event_one_open",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, ending="")
                | Q(closed_at__isnull=False) & ~Q(ending=""),
                name="monitoring_event_ended_somehow",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.window} {self.signal}"

    @property
    def ratio(self) -> float:
        """The largest statistic in thresholds."""
        return ratio_of(self.statistic, self.threshold)

    @property
    def farthest(self) -> list[tuple[str, float]]:
        """The features with their ratios, the farthest first; a JSON object keeps no order."""
        return sorted(self.columns.items(), key=lambda item: -item[1])


class RetrainingProposal(models.Model):
    """What the watch proposes: train anew, for these reasons."""

    class State(models.TextChoices):
        OPEN = "open", _("Waiting for a decision")
        STARTED = "started", _("Training started")
        DISMISSED = "dismissed", _("Dismissed")

    model = models.ForeignKey(
        RegisteredModel, models.CASCADE, related_name="+", verbose_name=_("model")
    )
    version = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="+", verbose_name=_("version")
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    reason = models.TextField(_("reason"))
    is_confirmed = models.BooleanField(_("confirmed by labels"), default=False)
    evidence = models.JSONField(_("evidence"), default=dict)
    made_at = models.DateTimeField(_("proposed"), default=clock.now, editable=False)
    settled_at = models.DateTimeField(_("decided"), null=True, blank=True)
    settled_by = models.CharField(_("decided by"), max_length=150, blank=True)
    note = models.TextField(_("why"), blank=True)
    run = models.ForeignKey(
        Run, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("run")
    )

    class Meta:
        verbose_name = _("retraining proposal")
        verbose_name_plural = _("retraining proposals")
        ordering = ("-made_at",)
        default_permissions = ("view",)
        permissions = [("settle_retraining", _("Can decide on retraining proposals"))]
        constraints = [
            models.UniqueConstraint(
                fields=["model"], condition=Q(state="open"), name="monitoring_proposal_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version}: {self.state}"
