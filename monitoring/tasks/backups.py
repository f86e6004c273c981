"""Backups every night, and every month the proof that they can be brought back."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from monitoring.selectors.backups import CHECK, DRILL, MAKE, OVERDUE_AFTER
from monitoring.services import backups
from monitoring.services.backups import manifests
from monitoring.services.backups.making import Watch, turn
from portal.core import alerts
from portal.core.errors import PortalError
from portal.lib import clock
from portal.runs.context import RunContext
from portal.runs.kinds import run_task
from portal.runs.models import Queue, Schedule
from portal.runs.services.schedules import Plan, declare

FAILED = "backup.failed"
OVERDUE = "backup.overdue"


def _watch(ctx: RunContext) -> Watch:
    return Watch(lambda fraction, phase: ctx.progress(fraction, phase), ctx.check)


@run_task(
    kind=MAKE,
    queue=Queue.MAINTENANCE,
    title=gettext_lazy("Back everything up"),
    tells_itself=True,
)
def back_up(ctx: RunContext) -> dict[str, Any]:
    """Add a backup and remove those past their time; an alert stands while that fails."""
    try:
        with backups.opened(
            settings.BACKUP_TO, settings.BACKUP_PASSPHRASE(), is_new_allowed=True
        ) as vault:
            manifest = backups.make(vault, _watch(ctx))
            with turn():
                removed = backups.remove_old(vault, keep=settings.BACKUP_KEEP)
            is_sealed = vault.is_sealed
    except (PortalError, OSError) as exc:
        reason = str(exc)
        alerts.raise_alert(
            FAILED,
            "critical",
            lambda: _("No backup could be made: %(reason)s") % {"reason": reason},
        )
        raise
    alerts.resolve_alert(FAILED)
    alerts.resolve_alert(OVERDUE)
    return manifest.summary() | {"is_sealed": is_sealed, "removed": removed}


@run_task(
    kind=DRILL,
    queue=Queue.MAINTENANCE,
    title=gettext_lazy("Rehearse a restoration"),
    tells_itself=True,
)
def rehearse(ctx: RunContext) -> dict[str, Any]:
    """Restore the latest backup into a throw-away database and compare all of it."""
    with backups.opened(settings.BACKUP_TO, settings.BACKUP_PASSPHRASE()) as vault:
        return backups.drill(vault, manifests.newest(vault), _watch(ctx))


@run_task(kind=CHECK, queue=Queue.MAINTENANCE, title=gettext_lazy("Look for missed backups"))
def check(ctx: RunContext) -> dict[str, Any]:
    """Alert when the latest backup is too old."""
    with backups.opened(settings.BACKUP_TO, settings.BACKUP_PASSPHRASE()) as vault:
        found = manifests.names(vault)
        latest = manifests.read(vault, found[0]).moment if found else None
    is_overdue = latest is not None and clock.now() - latest > OVERDUE_AFTER
    if latest and is_overdue:
        words = {"moment": f"{latest:%Y-%m-%d %H:%M} UTC"}
        alerts.raise_alert(
            OVERDUE,
            "critical",
            lambda: _("The latest backup is of %(moment)s: look why none was made since.") % words,
        )
    else:
        alerts.resolve_alert(OVERDUE)
    return {
        "n_backups": len(found),
        "is_overdue": is_overdue,
        "latest_at": latest.isoformat() if latest else None,
    }


declare(
    Plan(
        name="back-up",
        kind=MAKE,
        crontab="30 1 * * *",
        overlap_key=MAKE,
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Back up database, artifacts and the key of the audit log.",
    )
)
declare(
    Plan(
        name="rehearse-restoration",
        kind=DRILL,
        crontab="30 4 2 * *",
        overlap_key=DRILL,
        missed_policy=Schedule.MissedPolicy.ONCE,
        description="Restore the latest backup into a throw-away database and compare all of it.",
    )
)
declare(
    Plan(
        name="look-for-missed-backups",
        kind=CHECK,
        crontab="45 * * * *",
        description="Alert when the latest backup is older than a day and a half.",
    )
)
