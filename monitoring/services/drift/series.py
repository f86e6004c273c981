"""One watched stream in the memory of the process that counts it.

Everything here follows from what the table of windows and its blocks hold; what changes is written
by :mod:`writing` in the transaction that moves the cursor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from monitoring.engine.budget import Budget
from monitoring.engine.calibration import MIN_WINDOWS
from monitoring.engine.limits import Learnt, Limits, Past, limits_of
from monitoring.engine.looks import COLUMNS, KL, N_LEADING, SCORE, Look, Looker, Reference
from monitoring.engine.reference import Floats
from monitoring.engine.scale import scale_of
from monitoring.engine.schedule import Schedule
from monitoring.engine.sliding import Rows32, Sliding
from monitoring.models import DriftPolicy, DriftWindow
from monitoring.services.drift import references
from portal.registry.models import ModelVersion

#: Past windows that are kept until the calibration is done.
MOST_PAST = 2 * MIN_WINDOWS
#: An event is over once everything it is about stayed this far below its threshold for a window.
CALM = 0.7


@dataclass(frozen=True, eq=False)
class Batch:
    """Predictions of one stream in the order of their ids."""

    rows: Rows32
    ids: list[UUID]
    at: list[datetime]

    def part(self, places: list[int]) -> "Batch":
        """Return some of them."""
        return Batch(self.rows[places], [self.ids[i] for i in places], [self.at[i] for i in places])


@dataclass(frozen=True, eq=False)
class Exceeded:
    """The worst look at one signal in a turn."""

    signal: str
    ratio: float
    statistic: float
    threshold: float
    look: Look
    columns: Mapping[str, float]
    n_looks: int = 1


@dataclass(eq=False)
class Changes:
    """What a turn changed in one stream, for the tables."""

    steps: dict[int, tuple[Rows32, UUID, datetime]] = field(default_factory=dict)
    past: list[tuple[int, Past, datetime]] = field(default_factory=list)
    exceeded: dict[str, Exceeded] = field(default_factory=dict)
    calm: set[str] = field(default_factory=set)
    worst: Look | None = None
    n_looks: int = 0
    is_anew: bool = False
    has_reference: bool = False


class Series:
    """The stream of one version, or of a slice of it.

    Parameters
    ----------
    row
        Its window as stored; kept up to date here, written by others.
    policy
        How the model is watched.
    version
        Whose predictions.
    model_values_per_month
        Traffic of the whole model, which decides what a false alarm a month means.
    """

    def __init__(
        self,
        row: DriftWindow,
        policy: DriftPolicy,
        version: ModelVersion,
        model_values_per_month: float,
    ) -> None:
        self.row = row
        self.policy = policy
        self.version = version
        self.features = references.feature_names(version)
        self.schedule: Schedule = policy.schedule
        self.sliding = Sliding(self.schedule, N_LEADING + len(self.features), row.n_kept)
        self.looker: Looker | None = None
        self.limits: Limits | None = None
        self.changes = Changes()
        self.last_look: Look | None = None
        self._values_per_month = model_values_per_month
        self._calm: dict[str, int] = {}
        if row.reference is not None:
            self._watch(self._stored_reference(row.reference))

    @property
    def is_slice(self) -> bool:
        """Whether it is a part of a model's stream."""
        return bool(self.row.slice)

    def _stored_reference(self, content: Mapping[str, Any]) -> Reference:
        whole = None if self.is_slice else references.trained(self.version)
        return Reference.from_dict(content, whole.rows if whole else None)

    def _watch(self, reference: Reference) -> None:
        self.looker = Looker(
            reference,
            self.policy.score_detector,
            self.policy.column_detector,
            self.schedule.n_steps,
        )
        if self.row.calibration is not None:
            budget = Budget(
                self.policy.false_alarms_per_month,
                self._values_per_month,
                len(self.policy.slicings),
            )
            learnt = Learnt.from_dict(self.row.calibration)
            self.limits = limits_of(learnt, self.features, budget, is_slice=self.is_slice)

    def restore(self, steps: list[Rows32], rest: Rows32) -> None:
        """Take over the window as it was stored."""
        self.sliding.restore(steps, rest)
        if self.looker is not None:
            for step in steps:
                self.looker.step(step)

    def start_anew(self, since: datetime) -> None:
        """Forget the window, not what was learnt; predictions from now on make a new one."""
        row = self.row
        row.since, row.n_kept, row.latest = since, 0, None
        self.sliding = Sliding(self.schedule, self.sliding.rest.shape[1])
        self._calm = {}
        self.last_look = None
        self.changes = Changes(is_anew=True)
        if self.looker is not None:
            self._watch(self.looker.reference)

    def count(self, batch: Batch) -> None:
        """Count predictions and look at the window whenever a step is whole."""
        row = self.row
        n_before = row.n_kept
        row.n_seen += len(batch.ids)
        row.n_kept += len(batch.ids)
        row.first_at = batch.at[0] if row.first_at is None else min(row.first_at, batch.at[0])
        row.last_at = batch.at[-1] if row.last_at is None else max(row.last_at, batch.at[-1])
        step = self.schedule.step
        number = n_before // step
        for rows in self.sliding.push(batch.rows):
            end = (number + 1) * step - n_before - 1
            self.changes.steps[number] = (rows, batch.ids[end], batch.at[end])
            number += 1
            self._stepped(rows, number, batch.at[end])
        if len(self.sliding.rest):
            self.changes.steps[number] = (self.sliding.rest, batch.ids[-1], batch.at[-1])

    def _stepped(self, rows: Rows32, n_steps: int, at: datetime) -> None:
        """Take in a whole step; the window may be complete with it."""
        if self.looker is None and self.is_slice and self.sliding.is_full:
            self._learn_reference()
        elif self.looker is not None:
            self.looker.step(rows)
        if self.looker is None or not self.sliding.is_full:
            return
        self._look(self.looker)
        if n_steps % self.schedule.n_steps == 0:
            self._keep_past(self.looker, at)

    def _learn_reference(self) -> None:
        """Take the first full window of a slice for its reference."""
        window = self.sliding.window
        reference = references.live(self.version, window)
        self.row.reference = reference.to_dict()
        self.row.source = DriftWindow.Source.LIVE
        self.changes.has_reference = True
        self._watch(reference)
        assert self.looker is not None  # noqa: S101 - just made
        for step in np.split(window, self.schedule.n_steps):
            self.looker.step(step)

    def _keep_past(self, looker: Looker, at: datetime) -> None:
        if self.row.is_calibrated or self.row.n_past >= MOST_PAST:
            return
        counts, rows = looker.steps
        scores = self.sliding.window[:, 0].astype(np.float64)
        self.changes.past.append((self.row.n_past, Past(counts, scores, rows), at))
        self.row.n_past += 1

    # --- Looks ----------------------------------------------------------------------------------
    def _look(self, looker: Looker) -> None:
        look = looker.look(self.sliding.window)
        changes = self.changes
        changes.n_looks += 1
        if changes.worst is None or look.kl >= changes.worst.kl:
            changes.worst = look
        self.last_look = look
        if self.limits is not None and self.row.is_calibrated:
            self._compare(self.limits, look)

    def _compare(self, limits: Limits, look: Look) -> None:
        ratios = limits.ratios(look)
        for signal, ratio in ratios.items():
            if ratio > 1:
                self._exceed(limits, signal, ratio, look)
            self._calm[signal] = self._calm.get(signal, 0) + 1 if ratio < CALM else 0
            if self._calm[signal] == self.schedule.n_steps:
                self.changes.calm.add(signal)
                self.changes.exceeded.pop(signal, None)

    def _exceed(self, limits: Limits, signal: str, ratio: float, look: Look) -> None:
        self.changes.calm.discard(signal)
        before = self.changes.exceeded.get(signal)
        n_looks = 1 + (before.n_looks if before else 0)
        if before is not None and before.ratio >= ratio:
            self.changes.exceeded[signal] = replace(before, n_looks=n_looks)
            return
        columns: Mapping[str, float] = {}
        if signal == COLUMNS:
            columns = self._beyond(limits.column_ratios(look))
            statistic, threshold = ratio, 1.0
        else:
            statistic, threshold = look.statistics[signal], limits.signals[signal]
        self.changes.exceeded[signal] = Exceeded(
            signal, ratio, statistic, threshold, look, columns, n_looks
        )

    def _beyond(self, ratios: Floats) -> dict[str, float]:
        """Return the features beyond their thresholds, the farthest first."""
        order = np.argsort(-ratios)
        return {
            self.features[place]: round(float(ratios[place]), 3)
            for place in order
            if ratios[place] > 1
        }

    @property
    def kl_threshold(self) -> float | None:
        """The threshold of the divergence of the scores, None until something was learnt."""
        if self.limits is None:
            return None
        return self.limits.signals.get(KL, self.limits.signals[SCORE])

    def described(self) -> dict[str, Any]:
        """Return the window as pages and the API tell it: its scores, and its last look."""
        scores = self.sliding.latest[:, 0].astype(np.float64)
        buffer = {"mean": float(scores.mean()), "std": float(scores.std())} if len(scores) else {}
        if self.looker is None or self.last_look is None:
            return {"buffer": buffer}
        return {"buffer": buffer, **self._described(self.looker, self.last_look)}

    def _described(self, looker: Looker, look: Look) -> dict[str, Any]:
        threshold = self.kl_threshold
        limits = self.limits
        columns = {
            name: [float(value), None if limits is None else float(limits.columns[place])]
            for place, (name, value) in enumerate(
                zip(looker.features, look.columns.tolist(), strict=True)
            )
        }
        signals = {
            name: [value, None if limits is None else limits.signals[name]]
            for name, value in look.statistics.items()
        }
        return {
            "kl": look.kl,
            "psi": look.psi,
            "threshold": threshold,
            "scale": None if threshold is None else scale_of(look.kl, threshold).value,
            "signals": signals,
            "columns": columns,
            "expected": dict(look.expected),
        }
