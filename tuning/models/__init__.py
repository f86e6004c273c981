"""Studies and their trials: one row a trial, which is the checkpoint."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs.models import Artifact, Run
from tuning.models.instances import Instance, InstanceHour, InstanceMinute, InstanceSample
from tuning.models.watches import OptionReading, OptionWatch, ReadingHour

__all__ = [
    "Instance",
    "InstanceHour",
    "InstanceMinute",
    "InstanceSample",
    "OptionReading",
    "OptionWatch",
    "PutRateForm",
    "PutRateScore",
    "ReadingHour",
    "Study",
    "StudyQuerySet",
    "Trial",
]


class StudyQuerySet(models.QuerySet["Study"]):
    """Sets of studies."""

    def on_target(self, target: str) -> "StudyQuerySet":
        """Studies of one target."""
        return self.filter(target=target)


class Study(models.Model):
    """A search for better options of one target under one workload, and its proof.

    Its run may change: a study that rested goes on in another.
    """

    class Phase(models.TextChoices):
        """How far a study is."""

        SEARCH = "search", _("Searching")
        PROOF = "proof", _("Proving")
        DONE = "done", _("Done")

    class Verdict(models.TextChoices):
        """What the proof says of the best candidate against the options in use."""

        BETTER = "better", pgettext_lazy("verdict", "Better")
        WORSE = "worse", _("Worse")
        NO_EFFECT = "no_effect", _("No effect")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=120)
    target = models.CharField(_("target"), max_length=40)
    workload = models.CharField(_("workload"), max_length=60)
    objective = models.JSONField(_("objective"), default=dict)
    budget = models.JSONField(_("budget"), default=dict)
    space = models.JSONField(_("space"), default=dict)
    current = models.JSONField(_("options in use"), default=dict)
    seed = models.BigIntegerField(_("seed"), default=0)
    phase = models.CharField(_("phase"), max_length=8, choices=Phase.choices, default=Phase.SEARCH)
    is_paused = models.BooleanField(_("paused"), default=False)
    spent_s = models.FloatField(_("seconds measured"), default=0.0)
    environment = models.JSONField(_("environment"), default=dict)
    warm_from = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("starts from"),
    )
    best = models.ForeignKey(
        "Trial",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("best trial"),
    )
    findings = models.JSONField(_("findings"), default=dict)
    proof = models.JSONField(_("proof"), default=dict)
    verdict = models.CharField(
        _("verdict"), max_length=10, choices=Verdict.choices, blank=True, default=""
    )
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("run")
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = StudyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        verbose_name = _("study")
        verbose_name_plural = _("studies")
        indexes = [models.Index(fields=["target", "-created_at"], name="tuning_study_target")]
        constraints = (
            models.CheckConstraint(
                name="tuning_study_verdict_when_done",
                condition=Q(verdict="") | Q(phase="done"),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        """Whether a run works or waits for it."""
        return self.run is not None and not self.run.is_terminal

    @property
    def state(self) -> str:
        """Where it stands: ``queued``, ``running``, ``paused``, ``done``, or as its run ended."""
        if self.phase == Study.Phase.DONE:
            return "done"
        if self.run is None:
            return "queued"
        if self.run.is_terminal and self.is_paused:
            return "paused"
        return str(self.run.state)


class Trial(models.Model):
    """One configuration measured once, written when it starts and when it ends."""

    class State(models.TextChoices):
        """What became of a trial."""

        RUNNING = "running", _("Running")
        COMPLETE = "complete", _("Complete")
        FAILED = "failed", _("Failed: the engine said no")
        LOST = "lost", _("Lost: something died")
        PRUNED = "pruned", _("Pruned")
        DISTURBED = "disturbed", _("Disturbed by other work")

    class Role(models.TextChoices):
        """What a trial is for."""

        BASELINE = "baseline", _("Options in use")
        SEARCH = "search", _("Search")
        FINALIST = "finalist", _("Finalist, again")
        PROOF_CURRENT = "proof_current", _("Proof: options in use")
        PROOF_CANDIDATE = "proof_candidate", _("Proof: candidate")

    study = models.ForeignKey(
        Study, on_delete=models.CASCADE, related_name="trials", verbose_name=_("study")
    )
    number = models.PositiveIntegerField(_("number"))
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.SEARCH)
    pair = models.PositiveIntegerField(_("pair"), null=True, blank=True)
    optuna_number = models.PositiveIntegerField(_("number at the sampler"), null=True, blank=True)
    configuration = models.JSONField(_("configuration"), default=dict)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.RUNNING
    )
    values = models.JSONField(_("values"), default=dict)
    score = models.FloatField(_("score"), null=True, blank=True)
    is_within_guards = models.BooleanField(_("within the guards"), default=True)
    facts = models.JSONField(_("facts"), default=dict)
    samples = models.ForeignKey(
        Artifact,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("samples"),
    )
    reason = models.TextField(_("reason"), blank=True)
    seed = models.BigIntegerField(_("seed"), default=0)
    seconds = models.FloatField(_("seconds"), default=0.0)
    started_at = models.DateTimeField(_("started"), default=clock.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        ordering = ("number",)
        verbose_name = _("trial")
        verbose_name_plural = _("trials")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=("study", "number"), name="tuning_trial_once"),
            models.CheckConstraint(
                name="tuning_trial_complete_has_values",
                condition=~Q(state="complete") | Q(finished_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"#{self.number}"

    @property
    def changed(self) -> dict[str, Any]:
        """The options that differ from those in use when the study began."""
        current = self.study.current
        return {
            name: value for name, value in self.configuration.items() if current.get(name) != value
        }


class PutRateForm(models.Model):
    """One fitted form of the put-rate model; what it was fitted on is its version's lineage."""

    class State(models.TextChoices):
        """Whether it may answer."""

        ENABLED = "enabled", _("Enabled")
        DISABLED = "disabled", _("Disabled by the portal")

    version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="+", verbose_name=_("version")
    )
    name = models.CharField(_("form"), max_length=8)
    content = models.JSONField(_("content"), default=dict)
    evaluation = models.JSONField(_("evaluation"), default=dict)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.ENABLED)
    seen = models.JSONField(_("why it is disabled"), default=dict)
    disabled_at = models.DateTimeField(_("disabled"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

    class Meta:
        ordering = ("version", "name")
        verbose_name = _("form of the put-rate model")
        verbose_name_plural = _("forms of the put-rate model")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=("version", "name"), name="tuning_put_rate_form_once"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_enabled(self) -> bool:
        """Whether it may answer."""
        return self.state == PutRateForm.State.ENABLED


class PutRateScore(models.Model):
    """What a form predicted for a trial that it was not fitted on, beside what was measured."""

    trial = models.ForeignKey(
        Trial, on_delete=models.CASCADE, related_name="put_rate_scores", verbose_name=_("trial")
    )
    form = models.ForeignKey(
        PutRateForm, on_delete=models.CASCADE, related_name="scores", verbose_name=_("form")
    )
    predicted = models.FloatField(_("predicted"))
    low = models.FloatField(_("lower bound"))
    high = models.FloatField(_("upper bound"))
    actual = models.FloatField(_("measured"))
    error = models.FloatField(_("error"), help_text=_("Predicted over measured, less 1."))
    is_extrapolated = models.BooleanField(_("outside what was fitted"), default=False)
    created_at = models.DateTimeField(_("created"), default=clock.now, editable=False)

    class Meta:
        ordering = ("pk",)
        verbose_name = _("score of a put-rate prediction")
        verbose_name_plural = _("scores of put-rate predictions")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=("trial", "form"), name="tuning_put_rate_score_once"),
        )

    def __str__(self) -> str:
        return f"{self.form}: {self.error:+.1%}"

    @property
    def is_inside(self) -> bool:
        """Whether the measured rate lies in the 80 % interval."""
        return self.low <= self.actual <= self.high
