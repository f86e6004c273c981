"""Evaluations by the gate, requests to put a version live, and the decisions on them."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.registry.models.registered import RegisteredModel
from portal.registry.models.versions import HEX_DIGEST, EvaluationSet, ModelVersion

#: What the portal is called where it acts by itself.
PORTAL_NAME = "millwright"


class GateEvaluation(models.Model):
    """Candidate and champion on the same frozen rows: intervals and outcome."""

    class Outcome(models.TextChoices):
        PASSED = "passed", _("Passed")
        FAILED = "failed", _("Failed")
        INCONCLUSIVE = "inconclusive", _("Inconclusive")

    candidate = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="gate_evaluations", verbose_name=_("candidate")
    )
    champion = models.ForeignKey(
        ModelVersion,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("champion"),
    )
    evaluation_set = models.ForeignKey(
        EvaluationSet, models.PROTECT, related_name="+", verbose_name=_("evaluation set")
    )
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices)
    report = models.JSONField(_("report"), default=dict)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("gate evaluation")
        verbose_name_plural = _("gate evaluations")
        ordering = ("-created_at",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.candidate_id}: {self.outcome}"


class PromotionRequest(models.Model):
    """A request to make a version champion, with its evidence frozen under one digest."""

    class State(models.TextChoices):
        OPEN = "open", _("Waiting for approval")
        APPROVED = "approved", _("Approved")
        APPLIED = "applied", _("Applied")
        REJECTED = "rejected", _("Rejected")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        EXPIRED = "expired", _("Expired")
        VOIDED = "voided", _("Void: the ground changed")

    LIVE_STATES = (State.OPEN, State.APPROVED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="promotions", verbose_name=_("model")
    )
    candidate = models.ForeignKey(
        ModelVersion, models.PROTECT, related_name="promotions", verbose_name=_("candidate")
    )
    champion = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("champion then"),
    )
    gate = models.ForeignKey(
        GateEvaluation, models.PROTECT, related_name="promotions", verbose_name=_("gate evaluation")
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    state_reason = models.TextField(_("reason of state"), blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="promotion_requests",
        verbose_name=_("requested by"),
    )
    requested_via = models.CharField(_("via"), max_length=20)
    reason = models.TextField(_("reason"))
    evidence = models.JSONField(_("evidence"))
    digest = models.CharField(_("evidence digest"), max_length=64)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)
    expires_at = models.DateTimeField(_("expires"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    class Meta:
        verbose_name = _("promotion request")
        verbose_name_plural = _("promotion requests")
        ordering = ("-created_at",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["model"],
                condition=Q(state__in=["open", "approved"]),
                name="registry_one_open_request",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "approved"], closed_at__isnull=True)
                | Q(
                    state__in=["applied", "rejected", "withdrawn", "expired", "voided"],
                    closed_at__isnull=False,
                ),
                name="registry_request_closed_when_over",
            ),
            models.CheckConstraint(
                condition=Q(digest__regex=HEX_DIGEST), name="registry_request_digest_whole"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="registry_request_has_reason"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="registry_request_expires_later"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.candidate} ({self.state})"

    @property
    def is_live(self) -> bool:
        return self.state in self.LIVE_STATES

    @property
    def requester(self) -> str:
        """Who asked: a person's name, or the portal's own."""
        return str(self.requested_by) if self.requested_by else PORTAL_NAME


class PromotionDecision(models.Model):
    """One person's word on a request, bound to the digest that they saw."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", _("Approved")
        REJECT = "reject", _("Rejected")

    request = models.ForeignKey(
        PromotionRequest, models.PROTECT, related_name="decisions", verbose_name=_("request")
    )
    verdict = models.CharField(_("verdict"), max_length=10, choices=Verdict.choices)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("decided by")
    )
    via = models.CharField(_("via"), max_length=20)
    reason = models.TextField(_("reason"))
    digest = models.CharField(_("evidence digest"), max_length=64)
    at = models.DateTimeField(_("time"), default=clock.now)

    class Meta:
        verbose_name = _("promotion decision")
        verbose_name_plural = _("promotion decisions")
        ordering = ("at",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["request", "decided_by"], name="registry_one_decision_a_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} {self.request_id}"
