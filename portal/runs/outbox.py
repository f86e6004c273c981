"""What a run has to say, collected in memory and written now and then.

The work calls this from its own thread, often thousands of times a second; the keeper thread
writes. At most one progress row leaves per flush, fewer on long runs; a run's events have a cap.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from portal.runs import leases
from portal.runs.models import Run, RunEvent

FLUSH_EVERY_S = 0.2
MOST_PENDING = 2_000
PROGRESS_SHARE = 1_000  # a progress row at most every thousandth of the time run so far
SLOWEST_PROGRESS_S = 5.0


@dataclass(frozen=True)
class Progress:
    """How far the work is.

    Attributes
    ----------
    fraction
        Share done, 0 to 1.
    rate
        Units per second, whatever the unit of the work is.
    eta_s
        Seconds left, judged from the share done since the attempt began.
    """

    fraction: float
    phase: str = ""
    message: str = ""
    rate: float | None = None
    eta_s: float | None = None

    def columns(self) -> dict[str, Any]:
        """Return the columns of the run's row."""
        return {
            "progress_fraction": self.fraction,
            "progress_phase": self.phase,
            "progress_message": self.message,
            "progress_rate": self.rate,
            "progress_eta_s": self.eta_s,
        }


class Outbox:
    """The pending events of one attempt."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._pending: deque[RunEvent] = deque()
        self._progress: Progress | None = None
        self._n_dropped = 0
        self._n_left: int | None = None
        self._began = time.monotonic()
        self._progress_row_at = -SLOWEST_PROGRESS_S
        self.filled = threading.Event()

    def put(self, event: RunEvent) -> None:
        """Add a log line or metric point; dropped and counted when the writer is far behind."""
        with self._lock:
            if len(self._pending) >= MOST_PENDING:
                self._n_dropped += 1
            else:
                self._pending.append(event)
        self.filled.set()

    def set_progress(self, progress: Progress) -> None:
        """Replace what is known about the progress."""
        with self._lock:
            self._progress = progress
        self.filled.set()

    def elapsed_s(self) -> float:
        """Return the seconds since the attempt began."""
        return time.monotonic() - self._began

    def flush(self, **columns: Any) -> bool:
        """Write what is pending together with `columns` of the run's row.

        Returns
        -------
        bool
            False when this attempt no longer owns the run; then nothing is written.
        """
        self.filled.clear()
        batch, progress = self._take()
        if progress is not None:
            columns |= progress.columns()
        try:
            with transaction.atomic():
                # The update takes the row's lock and proves the fence before any event is written.
                if not leases.held(self._run).update(**columns or {"heartbeat_at": Now()}):
                    return False
                RunEvent.objects.bulk_create(self._within_cap(batch))
        except BaseException:
            self._put_back(batch, progress)
            raise
        return True

    def _take(self) -> tuple[list[RunEvent], Progress | None]:
        with self._lock:
            batch = list(self._pending)
            self._pending.clear()
            if self._n_dropped:
                batch.append(self._dropped_notice(self._n_dropped))
                self._n_dropped = 0
            progress, self._progress = self._progress, None
        if progress is not None and self._progress_row_due(progress):
            batch.append(self._progress_event(progress))
        return batch, progress

    def _put_back(self, batch: list[RunEvent], progress: Progress | None) -> None:
        kept = [event for event in batch if event.type != RunEvent.Type.PROGRESS]
        with self._lock:
            self._pending.extendleft(reversed(kept[: MOST_PENDING - len(self._pending)]))
            self._progress = self._progress or progress
        self.filled.set()

    def _progress_row_due(self, progress: Progress) -> bool:
        elapsed = self.elapsed_s()
        pause = min(max(FLUSH_EVERY_S, elapsed / PROGRESS_SHARE), SLOWEST_PROGRESS_S)
        if elapsed - self._progress_row_at < pause and progress.fraction < 1.0:
            return False
        self._progress_row_at = elapsed
        return True

    def _progress_event(self, progress: Progress) -> RunEvent:
        return RunEvent(
            run_id=self._run.pk,
            type=RunEvent.Type.PROGRESS,
            name=progress.phase,
            value=progress.fraction,
            message=progress.message,
            data={"rate": progress.rate, "eta_s": progress.eta_s},
        )

    def _within_cap(self, batch: list[RunEvent]) -> list[RunEvent]:
        """Return what may still be written of a batch; the cap counts earlier attempts too."""
        if self._n_left is None:
            written = RunEvent.objects.filter(run_id=self._run.pk).count()
            self._n_left = max(settings.RUN_MAX_EVENTS - written, 0)
        kept = batch[: self._n_left]
        if len(kept) < len(batch) and self._n_left > 0:
            kept[-1] = self._cap_notice()
        self._n_left -= len(kept)
        return kept

    def _cap_notice(self) -> RunEvent:
        message = _("This run has written %(count)s events, which is the most that is kept.")
        return self._notice(message % {"count": settings.RUN_MAX_EVENTS})

    def _dropped_notice(self, count: int) -> RunEvent:
        message = _("%(count)s events were dropped: the run said more than could be written.")
        return self._notice(message % {"count": count})

    def _notice(self, message: str) -> RunEvent:
        return RunEvent(
            run_id=self._run.pk, type=RunEvent.Type.LOG, level="warning", message=message
        )
