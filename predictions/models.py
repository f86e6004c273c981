"""Data sets and recorded predictions."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs.models import Artifact


class Dataset(models.Model):
    """A user's table as imported: canonical Parquet, fingerprint, schema and quality profile."""

    class Kind(models.TextChoices):
        QUALITY = "diecasting-quality", _("Die-casting quality")

    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=40, choices=Kind.choices)
    artifact = models.ForeignKey(
        Artifact, models.PROTECT, related_name="+", verbose_name=_("artifact")
    )
    fingerprint = models.CharField(_("fingerprint"), max_length=64, db_index=True)
    source_name = models.CharField(_("file"), max_length=300, blank=True)
    source_sha256 = models.CharField(_("SHA-256 of the file"), max_length=64, blank=True)
    n_rows = models.PositiveIntegerField(_("rows"))
    schema = models.JSONField(_("schema"), default=list)
    profile = models.JSONField(_("quality profile"), default=dict)
    is_synthetic = models.BooleanField(_("synthetic"), default=False)
    lineage = models.JSONField(_("made from"), default=dict, blank=True)
    copy_of = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="copies",
        verbose_name=_("same content as"),
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("imported by"),
    )
    created_at = models.DateTimeField(_("imported"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("data set")
        verbose_name_plural = _("data sets")
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "fingerprint"],
                condition=Q(copy_of__isnull=True),
                name="predictions_dataset_content_once",
            ),
        ]
        permissions = [
            ("import_dataset", _("Can import data sets")),
            ("train_model", _("Can start trainings")),
        ]

    def __str__(self) -> str:
        return self.name


class Prediction(models.Model):
    """One answered prediction, as it was given.

    The identifier is a version 7 UUID: it begins with the time, so rows arrive in index order and a
    prediction that is still on its way can be found by the moment it carries.
    """

    class Label(models.TextChoices):
        DEFECT = "defect", _("Defect")
        OK = "ok", _("OK")

    class Confidence(models.TextChoices):
        HIGH = "high", _("High")
        MEDIUM = "medium", _("Medium")
        LOW = "low", _("Low")

    id = models.UUIDField(primary_key=True, editable=False)
    version = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        related_name="+",
        verbose_name=_("model version"),
        db_constraint=False,
    )
    at = models.DateTimeField(_("time"))
    features = models.JSONField(_("features"))
    probability = models.FloatField(_("probability"))
    predicted_class = models.CharField(_("class"), max_length=10, choices=Label.choices)
    confidence = models.CharField(_("confidence"), max_length=10, choices=Confidence.choices)
    latent = models.JSONField(_("latent features"), default=list)
    latency_ms = models.FloatField(_("latency in ms"))
    principal = models.CharField(_("asked by"), max_length=80, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("prediction")
        verbose_name_plural = _("predictions")
        ordering = ("-at", "-id")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["version", "at"], name="predictions_version_at"),
            models.Index(fields=["at", "id"], name="predictions_at_id"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(probability__gte=0) & Q(probability__lte=1),
                name="predictions_probability_share",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.predicted_class} {self.probability:.3f}"


class Explanation(models.Model):
    """Why a prediction came out as it did, as it was first told."""

    prediction = models.OneToOneField(
        Prediction,
        models.CASCADE,
        primary_key=True,
        related_name="explanation",
        verbose_name=_("prediction"),
        db_constraint=False,  # the prediction may still be in the stream
    )
    method = models.CharField(_("method"), max_length=120)
    base_value = models.FloatField(_("base value in log-odds"))
    margin = models.FloatField(_("prediction in log-odds"))
    probability = models.FloatField(_("probability"))
    importance = models.JSONField(_("contributions in log-odds"))
    created_at = models.DateTimeField(_("explained"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("explanation")
        verbose_name_plural = _("explanations")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.prediction_id)

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Features and what each added, in log-odds, the largest first."""
        return sorted(self.importance.items(), key=lambda item: (-abs(item[1]), item[0]))


class OutcomeQuerySet(models.QuerySet["Outcome"]):
    def current(self) -> "OutcomeQuerySet":
        """Select the last word on each prediction."""
        return self.filter(is_current=True)

    def waiting(self) -> "OutcomeQuerySet":
        """Select outcomes whose prediction has not been found yet."""
        return self.filter(prediction__isnull=True)

    def disagreeing(self) -> "OutcomeQuerySet":
        """Select what turned out otherwise than predicted and nobody has inspected."""
        return self.current().filter(agrees=False, is_inspected=False)


class Outcome(models.Model):
    """What became of a shot, as somebody reported it.

    Rows are never changed but for `is_current`, and for what is filled in when the prediction of a
    waiting outcome is found. A correction is another row, so all that was ever said stays.
    """

    prediction = models.ForeignKey(
        Prediction,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="outcomes",
        verbose_name=_("prediction"),
        db_constraint=False,  # the prediction may still be in the stream
    )
    line = models.CharField(_("line"), max_length=120, blank=True)
    shot = models.BigIntegerField(_("shot"), null=True, blank=True)
    shot_at = models.DateTimeField(_("time of the shot"), null=True, blank=True)
    label = models.CharField(_("outcome"), max_length=10, choices=Prediction.Label.choices)
    observed_at = models.DateTimeField(_("observed"))
    is_inspected = models.BooleanField(_("inspected"), default=False)
    is_current = models.BooleanField(_("current"), default=False)
    agrees = models.BooleanField(_("as predicted"), null=True, blank=True)
    surprise = models.FloatField(_("surprise"), default=0.0)
    reported_by = models.CharField(_("reported by"), max_length=80, blank=True)
    recorded_at = models.DateTimeField(_("recorded"), default=clock.now, editable=False)

    objects = OutcomeQuerySet.as_manager()

    class Meta:
        verbose_name = _("outcome")
        verbose_name_plural = _("outcomes")
        ordering = ("-recorded_at", "-id")
        default_permissions = ("add", "view")
        indexes = [
            models.Index(fields=["-recorded_at", "-id"], name="predictions_outcome_recorded"),
            models.Index(
                fields=["-surprise"],
                name="predictions_outcome_disagrees",
                condition=Q(is_current=True, agrees=False, is_inspected=False),
            ),
            models.Index(
                fields=["shot_at"],
                name="predictions_outcome_waiting",
                condition=Q(prediction__isnull=True),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["prediction"],
                condition=Q(is_current=True),
                name="predictions_outcome_one_current",
            ),
            models.UniqueConstraint(
                fields=["prediction", "label", "observed_at", "is_inspected"],
                name="predictions_outcome_said_once",
            ),
            models.UniqueConstraint(
                fields=["line", "shot", "shot_at", "label", "observed_at", "is_inspected"],
                condition=Q(prediction__isnull=True),
                name="predictions_outcome_waits_once",
            ),
            models.CheckConstraint(
                condition=Q(prediction__isnull=False)
                | Q(shot__isnull=False, shot_at__isnull=False, is_current=False) & ~Q(line=""),
                name="predictions_outcome_says_of_what",
            ),
            models.CheckConstraint(
                condition=Q(prediction__isnull=True) | Q(agrees__isnull=False),
                name="predictions_outcome_compared",
            ),
            models.CheckConstraint(
                condition=Q(label__in=["defect", "ok"]), name="predictions_outcome_label_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prediction_id or self.line} {self.label}"
