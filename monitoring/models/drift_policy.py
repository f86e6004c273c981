"""How each model is watched for drift."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from monitoring.engine.schedule import Schedule
from portal.registry.models import RegisteredModel

#: A window must be a multiple of the twenty steps in which it is renewed.
SMALLEST_WINDOW, LARGEST_WINDOW = 100, 20_000


class Slicing(models.TextChoices):
    """Ways in which a model's stream is watched in parts."""

    LINE = "line", _("Line")
    PRODUCT = "product", _("Product")
    MOLD = "mold", _("Mold")


def all_slicings() -> list[str]:
    """Return every way to slice, the default."""
    return list(Slicing.values)


class DriftPolicy(models.Model):
    """How one model is watched; without a row the defaults hold."""

    class Detector(models.TextChoices):
        KL = "kl", _("Kullback-Leibler divergence")
        PSI = "psi", _("Population stability index")
        JENSEN_SHANNON = "jensen_shannon", _("Jensen-Shannon divergence")
        CHI_SQUARE = "chi_square", _("Chi-square")
        KOLMOGOROV_SMIRNOV = "kolmogorov_smirnov", _("Kolmogorov-Smirnov")
        WASSERSTEIN = "wasserstein", _("Wasserstein distance")
        PAGE_HINKLEY = "page_hinkley", _("Page-Hinkley")
        ADWIN = "adwin", _("ADWIN")

    BINNED = (Detector.KL, Detector.PSI, Detector.JENSEN_SHANNON, Detector.CHI_SQUARE)

    model = models.OneToOneField(
        RegisteredModel, models.CASCADE, related_name="drift_policy", verbose_name=_("model")
    )
    window = models.PositiveIntegerField(
        _("window"),
        default=1_000,
        validators=[MinValueValidator(SMALLEST_WINDOW), MaxValueValidator(LARGEST_WINDOW)],
        help_text=_("Latest predictions that are compared with the baseline; a multiple of 20."),
    )
    false_alarms_per_month = models.FloatField(
        _("false alarms a month"),
        default=1.0,
        validators=[MinValueValidator(0.001), MaxValueValidator(100)],
        help_text=_("How many alarms without a cause thresholds may let through in thirty days."),
    )
    score_detector = models.CharField(
        _("detector for scores"), max_length=20, choices=Detector.choices, default=Detector.KL
    )
    column_detector = models.CharField(
        _("detector for features"),
        max_length=20,
        choices=[(one.value, one.label) for one in BINNED],
        default=Detector.PSI,
    )
    slicings = models.JSONField(_("watched in parts by"), default=all_slicings, blank=True)
    labelled_window = models.PositiveIntegerField(
        _("labelled window"),
        default=200,
        validators=[MinValueValidator(50), MaxValueValidator(LARGEST_WINDOW)],
        help_text=_("Latest labelled predictions by which a loss is confirmed."),
    )
    cooldown_days = models.PositiveSmallIntegerField(
        _("days between proposals"), default=7, validators=[MaxValueValidator(365)]
    )
    retrains_on_loss = models.BooleanField(
        _("retrain when labels confirm a loss"),
        default=True,
        help_text=_("Drift without labels never starts a training by itself."),
    )

    class Meta:
        verbose_name = _("drift policy")
        verbose_name_plural = _("drift policies")
        ordering = ("model__name",)
        default_permissions = ("change", "view")
        constraints = [
            models.CheckConstraint(
                condition=Q(window__gte=SMALLEST_WINDOW, window__lte=LARGEST_WINDOW),
                name="monitoring_policy_window",
            ),
            models.CheckConstraint(
                condition=Q(false_alarms_per_month__gt=0), name="monitoring_policy_alarms"
            ),
        ]

    def __str__(self) -> str:
        return str(self.model)

    @property
    def schedule(self) -> Schedule:
        """The window and how far it moves between two looks."""
        return Schedule.of(self.window)
