"""Begin the watch on a model anew, because a person says why."""

from django.utils.translation import gettext as _

from monitoring.models import DriftBlock, DriftEvent, DriftWindow
from monitoring.services.drift import cursor, events
from monitoring.services.drift.streams import relearn
from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import InvalidInput
from portal.lib import clock
from portal.registry.models import ModelVersion

LONGEST_REASON = 2_000


def reset(
    *,
    version: ModelVersion,
    reason: str,
    actor: Actor,
    slice_name: str | None = None,
    learns_anew: bool = False,
) -> int:
    """Empty the windows of a version and close their events; return how many windows that were.

    Parameters
    ----------
    version
        The version.
    reason
        Why; kept in the audit log.
    actor
        Who asks.
    slice_name
        Only this slice, ``""`` for the whole model; by default all windows.
    learns_anew
        Whether what was learnt is forgotten as well: what is normal now becomes the measure, and
        nothing is an alarm until it is learnt.

    Raises
    ------
    Refused
        When the actor may not reset the watch.
    InvalidInput
        Without a reason, or with one longer than 2,000 characters.
    """
    with audit.refusals(actor, "drift.reset", version):
        actor.require("monitoring.reset_drift")
        reason = _checked(reason)
        with cursor.alone():
            rows = DriftWindow.objects.filter(version=version).select_for_update()
            if slice_name is not None:
                rows = rows.filter(slice=slice_name)
            windows = list(rows)
            at = clock.now()
            for row in windows:
                _begin(row, learns_anew=learns_anew)
            closed = DriftEvent.objects.open().filter(window__in=windows)
            n_closed = events.close(closed, DriftEvent.Ending.RESET, at)
            audit.record(
                actor,
                "drift.reset",
                version,
                reason=reason,
                detail={
                    "slice": slice_name,
                    "learns_anew": learns_anew,
                    "n_windows": len(windows),
                    "n_events_closed": n_closed,
                },
            )
    return len(windows)


def _begin(row: DriftWindow, *, learns_anew: bool) -> None:
    row.since = clock.now()
    if learns_anew:
        relearn(row, row.window)
        return
    DriftBlock.objects.filter(window=row).delete()
    row.n_kept, row.latest = 0, None
    row.save(update_fields=["since", "n_kept", "latest"])


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise InvalidInput(
            _("The reason has %(seen)d characters: say in 1 to %(most)d why the watch begins anew.")
            % {"seen": len(reason), "most": LONGEST_REASON},
            code="reason_missing",
        )
    return reason
