"""What a run's work is handed: its parameters, and the ways to report, to store and to stop."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _

from portal.core.errors import LeaseLost, RunCancelled
from portal.runs import artifacts, events, leases
from portal.runs.keeper import Keeper
from portal.runs.models import Artifact, Run, RunArtifact, RunEvent
from portal.runs.outbox import Progress

LONGEST_PHASE = 80
LONGEST_PROGRESS_MESSAGE = 300
LONGEST_NAME = 120


def _renew_dead_session() -> None:
    """Drop a database session that ended while the work did not use it, perhaps for hours."""
    if connection.connection and not connection.in_atomic_block and not connection.is_usable():
        connection.close()


class RunContext:
    """One attempt of one run, as its work sees it."""

    def __init__(self, run: Run, keeper: Keeper) -> None:
        self._run = run
        self._keeper = keeper
        self.run_id: UUID = run.pk
        self.parameters: dict[str, Any] = dict(run.parameters)
        self.seed: int = run.seed
        self.attempt: int = run.attempt
        self.started_by: int | None = run.started_by_id
        self.started_via: str = run.started_via

    def check(self) -> None:
        """Stop here if the run must stop.

        Raises
        ------
        RunCancelled
            When somebody asked for it.
        LeaseLost
            When another attempt took over.
        """
        if self._keeper.lost.is_set():
            raise self._lease_lost()
        if self._keeper.cancel_requested.is_set():
            raise RunCancelled(_("The run was asked to stop."))

    def progress(
        self, fraction: float, phase: str = "", message: str = "", rate: float | None = None
    ) -> None:
        """Say how far the work is; also a point where it stops when it must.

        Parameters
        ----------
        fraction
            Share done; held to 0 to 1, NaN counts as 0.
        phase, message
            What is being done, in short and in full.
        rate
            Units per second.

        Raises
        ------
        RunCancelled, LeaseLost
            As :meth:`check`.
        """
        share = 0.0 if math.isnan(fraction) else min(max(float(fraction), 0.0), 1.0)
        left_s = self._keeper.outbox.elapsed_s() * (1 - share) / share if share > 0 else None
        progress = Progress(
            share,
            events.clean_text(phase, LONGEST_PHASE),
            events.clean_text(message, LONGEST_PROGRESS_MESSAGE),
            rate if rate is not None and math.isfinite(rate) else None,
            left_s,
        )
        self._keeper.outbox.set_progress(progress)
        self.check()

    def portion(self, low: float, high: float) -> "RunContext":
        """Return this context for a part of the work whose own progress counts from low to high."""
        return _Portion(self, low, high)

    def log(self, message: str, level: str = "info", **data: Any) -> None:
        """Add a line to the run's log."""
        self._put(RunEvent.Type.LOG, level=level, message=message, data=data)

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        """Add a point of a curve; a value that is not finite is kept as a word, without a point."""
        finite = math.isfinite(value)
        self._put(
            RunEvent.Type.METRIC,
            name=name,
            value=float(value) if finite else None,
            step=step,
            data={} if finite else {"value": str(value)},
        )

    def _put(
        self,
        kind: RunEvent.Type,
        *,
        data: dict[str, Any],
        message: str = "",
        name: str = "",
        **fields: Any,
    ) -> None:
        event = RunEvent(
            run_id=self.run_id,
            type=kind,
            message=events.clean_text(message),
            name=events.clean_text(name, LONGEST_NAME),
            data=events.bounded_data(data),
            **fields,
        )
        self._keeper.outbox.put(event)

    @contextmanager
    def fenced(self) -> Iterator[Run]:
        """Open the transaction that results are written in; gives the run's locked row.

        Raises
        ------
        RunCancelled, LeaseLost
            As :meth:`check`, the lease being proved by the row itself.
        """
        self.check()
        _renew_dead_session()
        with transaction.atomic():
            # Not the key: events of this run may be inserted meanwhile.
            run = leases.held(self._run).select_for_update(no_key=True).first()
            if run is None:
                raise self._lease_lost()
            yield run

    def save_artifact(self, name: str, data: artifacts.Content, media_type: str) -> Artifact:
        """Store content as what this run produced under `name`; a later attempt replaces it.

        Raises
        ------
        OutOfSpace
            When the storage is full.
        RunCancelled, LeaseLost
            As :meth:`fenced`.
        """
        self.check()
        _renew_dead_session()
        artifact = artifacts.save(data, media_type)  # may take long, so outside the transaction
        with self.fenced():
            RunArtifact.objects.update_or_create(
                run_id=self.run_id, name=name, defaults={"artifact": artifact}
            )
        return artifact

    def _lease_lost(self) -> LeaseLost:
        return LeaseLost(
            _("Attempt %(attempt)s of run %(run)s no longer owns it; its results are refused.")
            % {"attempt": self.attempt, "run": self.run_id}
        )


class _Portion(RunContext):
    """The same attempt of the same run, whose progress is a part of the whole."""

    def __init__(self, whole: RunContext, low: float, high: float) -> None:
        super().__init__(whole._run, whole._keeper)
        self._whole = whole
        self._low, self._high = low, high

    def progress(
        self, fraction: float, phase: str = "", message: str = "", rate: float | None = None
    ) -> None:
        share = 0.0 if math.isnan(fraction) else min(max(float(fraction), 0.0), 1.0)
        self._whole.progress(self._low + share * (self._high - self._low), phase, message, rate)
