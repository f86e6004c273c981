"""When the portal was backed up last and when that was last proven, as the dashboard shows it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal.core.models import AuditEntry
from portal.lib import clock
from portal.runs.models import TERMINAL_STATES, Run, State

MAKE = "monitoring.backup"
DRILL = "monitoring.restore_drill"
CHECK = "monitoring.check_backups"
#: What the audit log calls a rehearsal by hand that succeeded.
DRILLED = "backup.drill"
#: A nightly backup that is this old has been missed, whatever the reason.
OVERDUE_AFTER = timedelta(hours=36)
#: The rehearsal is monthly; a week more is for a machine that was off.
DRILL_OVERDUE_AFTER = timedelta(days=38)


@dataclass(frozen=True)
class Kept:
    """One kind of care for the data, when it was taken last and how it ended.

    Attributes
    ----------
    last
        The run that ended last; None before the first.
    good_at
        When it succeeded last, by run or by hand; None when it never did.
    figures
        What the last success found.
    is_late
        Whether that success is older than it should be.
    """

    last: Run | None
    good_at: datetime | None
    figures: dict[str, Any]
    is_late: bool

    @property
    def has_failed(self) -> bool:
        """Whether the last attempt did not succeed, and nothing has since."""
        if self.last is None or self.last.state == State.SUCCEEDED:
            return False
        ended = self.last.finished_at
        return self.good_at is None or ended is None or ended > self.good_at


@dataclass(frozen=True)
class Standing:
    """The last backup and the last rehearsal of a restoration."""

    backup: Kept
    drill: Kept


def standing(now: datetime | None = None) -> Standing:
    """Return how the backups stand."""
    moment = now or clock.now()
    backup, drill = _last(MAKE), _last(DRILL)
    made_at = _seen_in_vault()
    made = _kept(backup, _good(MAKE, backup), made_at, OVERDUE_AFTER, moment)
    drilled = _kept(drill, _good(DRILL, drill), None, DRILL_OVERDUE_AFTER, moment)
    return Standing(made, _with_those_by_hand(drilled, moment))


def _with_those_by_hand(drilled: Kept, now: datetime) -> Kept:
    """Return how rehearsals stand, one by hand counted like a scheduled one."""
    entry = AuditEntry.objects.filter(action=DRILLED, outcome="done").order_by("-number").first()
    if entry is None or (drilled.good_at is not None and drilled.good_at >= entry.at):
        return drilled
    is_late = now - entry.at > DRILL_OVERDUE_AFTER
    return Kept(drilled.last, entry.at, dict(entry.detail or {}), is_late)


def _last(kind: str) -> Run | None:
    ended = Run.objects.filter(kind=kind, state__in=TERMINAL_STATES)
    return ended.exclude(state=State.CANCELLED).order_by("-created_at").first()


def _good(kind: str, last: Run | None) -> Run | None:
    if last is None or last.state == State.SUCCEEDED:
        return last
    return Run.objects.filter(kind=kind, state=State.SUCCEEDED).order_by("-created_at").first()


def _seen_in_vault() -> datetime | None:
    """Return the moment of the latest backup that was found there, whoever made it."""
    looked = Run.objects.filter(kind=CHECK, state=State.SUCCEEDED).order_by("-created_at").first()
    found = (looked.result or {}).get("latest_at") if looked else None
    return datetime.fromisoformat(found) if found else None


def _kept(
    last: Run | None,
    good: Run | None,
    seen_at: datetime | None,
    limit: timedelta,
    now: datetime,
) -> Kept:
    moments = [good.finished_at if good else None, seen_at]
    good_at = max((one for one in moments if one), default=None)
    figures = dict(good.result or {}) if good else {}
    return Kept(last, good_at, figures, good_at is not None and now - good_at > limit)
