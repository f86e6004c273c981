"""Anything an operator can put live, under one name."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.lib import clock


class RegisteredModel(models.Model):
    """Anything an operator can put live, under one name."""

    name = models.SlugField(_("name"), max_length=80, unique=True)
    family = models.CharField(_("family"), max_length=40)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    gate_policy = models.JSONField(_("gate policy"), default=dict, blank=True)
    starts_itself = models.BooleanField(
        _("first version goes live by itself"),
        default=False,
        help_text=_("Where there was nothing before, nothing can become worse."),
    )
    n_rollback_targets = models.PositiveSmallIntegerField(_("rollback targets kept"), default=3)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)
    retired_at = models.DateTimeField(
        _("retired"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Nothing of it goes live any more; its history stays."),
    )

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ("name",)
        permissions = [
            ("request_promotion", _("Can ask for a promotion")),
            ("approve_promotion", _("Can approve or reject a promotion")),
            ("apply_promotion", _("Can apply an approved promotion")),
            ("rollback_model", _("Can roll a model back")),
            ("break_glass", _("Can put a version live without approval in an emergency")),
        ]

    def __str__(self) -> str:
        return self.name
