"""What each kind of alert is about and what to do about it, for people away from the portal."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portal.core import alert_kinds

ADVICE: dict[str, tuple[Promise, Promise]] = {
    "run-errored:": (
        _("Failed run"),
        _("Read the run's log, mend the cause, then retry the run or dismiss it with a reason."),
    ),
    "run-failed:": (
        _("Scheduled run"),
        _("Read why the schedule's last run refused its work; the next that succeeds ends it."),
    ),
    "schedule-broken:": (
        _("Schedule"),
        _("Install the app that does this kind of work again, or switch the schedule off."),
    ),
    "artifact:": (
        _("Stored files"),
        _("Restore the file from a backup, or run again what made it."),
    ),
    "audit.broken": (
        _("Audit log"),
        _("Somebody may have changed it: keep a copy of the database and find out who and when."),
    ),
    "registry.damaged.": (
        _("Model file"),
        _("Restore the artifact storage from a backup, or train the version again."),
    ),
    "registry.break_glass.": (
        _("Emergency promotion"),
        _("Look at the version that went live unapproved, and have a second person judge it."),
    ),
    "registry.rollback.": (
        _("Rollback"),
        _("Look whether predictions are well again, and why the version was bad."),
    ),
    "registry.affected.": (
        _("Predictions in doubt"),
        _("Go through the predictions listed and judge the shots again where it matters."),
    ),
    "registry.automatic.": (
        _("Automatic promotion"),
        _("Look at the version's evaluation; roll back if it is not what you want."),
    ),
    "predictions.serving.": (
        _("Model in service"),
        _("An older version answers, or none: restore the file or roll back."),
    ),
    "predictions.shadow.": (
        _("Shadow model"),
        _("Restore its file or take it out of the shadow; answers to the line are not touched."),
    ),
    "predictions.recorder.": (
        _("Recording of predictions"),
        _("Mend the cause in the message, then run: manage.py record_predictions --retry-dead"),
    ),
    "backup.": (
        _("Backup"),
        _("Look at the room where backups go and at the run's log, then back up by hand."),
    ),
    "monitoring.drift.": (
        _("Drift"),
        _("Look at the event and what moved, note the cause; report outcomes to confirm a loss."),
    ),
    "monitoring.queries.": (
        _("Queries of search"),
        _("Look which queries find nothing, add documents or judge queries, then build anew."),
    ),
    "monitoring.retraining.": (
        _("Retraining proposal"),
        _("Read the reasons and start the retraining, or dismiss the proposal with a reason."),
    ),
    "data-quality:": (
        _("Data quality"),
        _("Look at the broken rules and the quarantine, and ask the sender what changed."),
    ),
    "data-silence:": (
        _("No data"),
        _("Look whether the lines still call the portal, and whether their keys still hold."),
    ),
    "objective-missed:": (
        _("Objective missed"),
        _("Look at the objective's course: since when, and what changed then."),
    ),
    "objective-burns:": (
        _("Error budget"),
        _("Look which addresses fail or are slow, in the metrics and the log of the web, now."),
    ),
    "tuning.put_rate.": (
        _("Put-rate model"),
        _("Look at the page “Put rate”; fit the forms again once new trials are measured."),
    ),
    "health.": (
        _("Health"),
        _("Look at /api/health and the log of the part; docs/monitoring.md says what to do."),
    ),
}


def declare() -> None:
    """Tell the portal of every kind."""
    for prefix, (title, advice) in ADVICE.items():
        alert_kinds.declare(prefix, title, advice)
