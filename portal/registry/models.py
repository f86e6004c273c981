"""Models, immutable versions, aliases and their history, evaluations and promotion requests."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from portal.lib import clock
from portal.runs.models import Artifact, Run

HEX_DIGEST = "^[0-9a-f]{64}$"
#: What the portal is called where it acts by itself.
PORTAL_NAME = "millwright"


class Alias(models.TextChoices):
    """Names that point at one version of a model."""

    CHAMPION = "champion", _("Champion")
    CHALLENGER = "challenger", _("Challenger")
    SHADOW = "shadow", _("Shadow")


class RegisteredModel(models.Model):
    """Anything an operator can put live, under one name."""

    name = models.SlugField(_("name"), max_length=80, unique=True)
    family = models.CharField(_("family"), max_length=40)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    gate_policy = models.JSONField(_("gate policy"), default=dict, blank=True)
    n_rollback_targets = models.PositiveSmallIntegerField(_("rollback targets kept"), default=3)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

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


class EvaluationSet(models.Model):
    """Frozen rows that candidate and champion are both scored on."""

    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="evaluation_sets", verbose_name=_("model")
    )
    artifact = models.ForeignKey(
        Artifact, models.PROTECT, related_name="+", verbose_name=_("artifact")
    )
    n_rows = models.PositiveIntegerField(_("rows"))
    description = models.CharField(_("description"), max_length=300, blank=True)
    dataset_fingerprint = models.CharField(_("data-set fingerprint"), max_length=64)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("evaluation set")
        verbose_name_plural = _("evaluation sets")
        ordering = ("-created_at",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["model", "artifact"], name="registry_evaluation_set_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{str(self.artifact_id)[:12]} ({self.n_rows})"


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def promotable(self) -> "ModelVersionQuerySet":
        """Versions that may still go live."""
        return self.filter(state=ModelVersion.State.READY)


class ModelVersion(models.Model):
    """One immutable outcome of a run; only its state may change after it is written."""

    class State(models.TextChoices):
        READY = "ready", _("Ready")
        QUARANTINED = "quarantined", _("Quarantined")
        REMOVED = "removed", _("Removed by retention")

    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="versions", verbose_name=_("model")
    )
    number = models.PositiveIntegerField(_("version"))
    run = models.OneToOneField(
        Run, models.PROTECT, null=True, blank=True, related_name="version", verbose_name=_("run")
    )
    evaluation_set = models.ForeignKey(
        EvaluationSet,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="versions",
        verbose_name=_("evaluation set"),
    )
    artifact_digests = models.JSONField(_("artifact digests"), default=dict)
    dataset_fingerprint = models.CharField(_("data-set fingerprint"), max_length=64)
    lineage = models.JSONField(_("lineage"), default=dict)
    signature = models.JSONField(_("signature"), default=dict)
    evaluation = models.JSONField(_("evaluation"), default=dict)
    settings = models.JSONField(_("serving settings"), default=dict)
    card = models.TextField(_("model card"), blank=True)
    is_synthetic = models.BooleanField(_("trained on synthetic data"), default=False)
    digest = models.CharField(_("manifest digest"), max_length=64)
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.READY)
    state_reason = models.CharField(_("reason of state"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ("-created_at",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["model", "number"], name="registry_version_number_once"
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="registry_version_number_low"),
            models.CheckConstraint(
                condition=Q(state__in=["ready", "quarantined", "removed"]),
                name="registry_version_state_known",
            ),
            models.CheckConstraint(
                condition=Q(digest__regex=HEX_DIGEST), name="registry_version_digest_whole"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model.name} v{self.number}"


class VersionArtifact(models.Model):
    """A named file of a version: serving form, training form, baseline, report."""

    version = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="version_artifacts", verbose_name=_("version")
    )
    name = models.CharField(_("name"), max_length=100)
    artifact = models.ForeignKey(
        Artifact, models.PROTECT, related_name="+", verbose_name=_("artifact")
    )

    class Meta:
        verbose_name = _("version artifact")
        verbose_name_plural = _("version artifacts")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["version", "name"], name="registry_version_artifact_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


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
                condition=Q(alias="champion", to_version__isnull=False) & ~Q(kind="assignment")
                | Q(alias__in=["challenger", "shadow"], kind__in=["assignment", "rollback"]),
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
