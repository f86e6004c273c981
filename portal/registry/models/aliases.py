"""Names that point at one version of a model, and their history."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.registry.models.registered import RegisteredModel
from portal.registry.models.versions import ModelVersion


class Alias(models.TextChoices):
    """Names that point at one version of a model."""

    CHAMPION = "champion", _("Champion")
    CHALLENGER = "challenger", _("Challenger")
    SHADOW = "shadow", _("Shadow")


class AliasAssignment(models.Model):
    """Where an alias points now: kept by the database from the moves, never written directly."""

    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="aliases", verbose_name=_("model")
    )
    alias = models.CharField(_("alias"), max_length=20, choices=Alias.choices)
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, related_name="aliases", verbose_name=_("version")
    )
    since = models.DateTimeField(_("since"), default=clock.now)

    class Meta:
        verbose_name = _("alias")
        verbose_name_plural = _("aliases")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["model", "alias"], name="registry_alias_once")
        ]

    def __str__(self) -> str:
        return self.alias


class AliasMove(models.Model):
    """One row of history: what went live when, put there by whom and why."""

    class Kind(models.TextChoices):
        BOOTSTRAP = "bootstrap", _("First version")
        PROMOTION = "promotion", _("Promotion")
        AUTOMATIC = "automatic", _("Automatic promotion")
        ROLLBACK = "rollback", _("Rollback")
        BREAK_GLASS = "break_glass", _("Break-glass")
        ASSIGNMENT = "assignment", _("Assignment")
        RETIREMENT = "retirement", _("Retirement")

    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="moves", verbose_name=_("model")
    )
    alias = models.CharField(_("alias"), max_length=20, choices=Alias.choices)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    from_version = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("from"),
    )
    to_version = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="moves_in",
        verbose_name=_("to"),
    )
    promotion = models.ForeignKey(
        "PromotionRequest",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="moves",
        verbose_name=_("request"),
    )
    at = models.DateTimeField(_("time"), default=clock.now, db_index=True)
    actor = models.CharField(_("actor"), max_length=150)
    actor_id = models.BigIntegerField(null=True, editable=False)
    reason = models.TextField(_("reason"), blank=True)

    class Meta:
        verbose_name = _("alias move")
        verbose_name_plural = _("alias history")
        ordering = ("-id",)
        default_permissions = ("view",)
        indexes = [models.Index(fields=["model", "alias", "-id"], name="registry_move_history")]
        constraints = [
            models.CheckConstraint(
                condition=Q(alias="champion", to_version__isnull=False)
                & ~Q(kind__in=["assignment", "retirement"])
                | Q(alias__in=["challenger", "shadow"], kind__in=["assignment", "rollback"])
                | Q(to_version__isnull=True, kind="retirement"),
                name="registry_move_kind_fits_alias",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["promotion", "automatic"], promotion__isnull=False)
                | ~Q(kind__in=["promotion", "automatic"]) & Q(promotion__isnull=True),
                name="registry_move_names_its_request",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="registry_move_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.alias} {self.from_version_id} → {self.to_version_id}"
