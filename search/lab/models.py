"""Campaigns and their cells: one row a cell, which is the checkpoint."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.runs.models import Artifact, Run, State
from search.lab.engine.matrix import Cell, Matrix


def usual_clients() -> list[int]:
    """Return the numbers of clients whose throughput is measured."""
    return [1, 2, 4]


class Standing(models.TextChoices):
    """Where a campaign stands; follows from its run and its cells, and is stored nowhere."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    PAUSING = "pausing", _("Pausing")
    PAUSED = "paused", _("Paused")
    CANCELLING = "cancelling", _("Stopping")
    CANCELLED = "cancelled", _("Cancelled")
    STOPPED = "stopped", _("Broken off")
    COMPLETE = "complete", _("Complete")


class Campaign(models.Model):
    """A matrix to be measured. Its run may change: a paused campaign goes on in another."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=120)
    matrix = models.JSONField(_("matrix"))
    seed = models.BigIntegerField(_("seed"), default=0)
    n_workers = models.PositiveSmallIntegerField(_("parallel builds"), default=1)
    memory_mb = models.PositiveIntegerField(_("memory cap in MB"), default=0)
    clients = models.JSONField(_("numbers of clients"), default=usual_clients)
    n_passes = models.PositiveSmallIntegerField(_("passes of a cell"), default=5)
    max_tries = models.PositiveSmallIntegerField(_("tries of a disturbed cell"), default=3)
    collection = models.CharField(_("collection"), max_length=60, blank=True)
    corpus = models.CharField(_("corpus"), max_length=200, blank=True)
    phases = models.JSONField(_("what was built, and how long it took"), default=list)
    baseline = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("compared with"),
    )
    is_paused = models.BooleanField(_("paused"), default=False)
    environment = models.JSONField(_("environment"), default=dict)
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
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """Where the campaign stands, as a value of `Standing`."""
        run = self.run
        if run is not None and run.state in {State.QUEUED, State.RUNNING}:
            if run.cancel_requested_at is not None:
                return Standing.CANCELLING
            if self.is_paused:
                return Standing.PAUSING
            return Standing.QUEUED if run.state == State.QUEUED else Standing.RUNNING
        if not self.cells.filter(state=CellResult.State.WAITING).exists():
            return Standing.COMPLETE
        if self.is_paused:
            return Standing.PAUSED
        if run is not None and run.state == State.CANCELLED:
            return Standing.CANCELLED
        return Standing.STOPPED

    @property
    def recall(self) -> float | None:
        """The recall that graphs are measured at; half of the questions are asked then."""
        found: float | None = self.matrix.get("recall")
        return found

    @property
    def plan(self) -> Matrix:
        """The matrix as the engine reads it."""
        return Matrix.from_dict(self.matrix)


class CellResult(models.Model):
    """One cell of a campaign and what it gave."""

    class State(models.TextChoices):
        """Where a cell stands."""

        WAITING = "waiting", _("Waiting")
        MEASURED = "measured", _("Measured")
        FAILED = "failed", _("Failed")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="cells")
    position = models.PositiveIntegerField(_("position"))
    key = models.CharField(_("key"), max_length=16)
    cell = models.JSONField(_("cell"))
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WAITING
    )
    facts = models.JSONField(_("facts"), default=dict)
    digest = models.CharField(_("digest of the facts"), max_length=64, blank=True)
    samples = models.ForeignKey(
        Artifact, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("samples")
    )
    error = models.TextField(_("error"), blank=True)
    n_tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    measured_at = models.DateTimeField(_("measured"), null=True)

    class Meta:
        ordering = ("position",)
        verbose_name = _("cell")
        verbose_name_plural = _("cells")
        constraints = (
            models.UniqueConstraint(fields=("campaign", "key"), name="lab_cell_once"),
            models.CheckConstraint(
                name="lab_cell_measured_has_samples",
                condition=~models.Q(state="measured") | models.Q(samples__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.what.label

    @property
    def what(self) -> Cell:
        """The cell as the engine reads it."""
        content: dict[str, Any] = self.cell
        return Cell.from_dict(content)
