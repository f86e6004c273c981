"""Events: opened when something is beyond its threshold, closed when it is calm again.

One event a signal is open at a time, however long it lasts. Drift without labels is information: it
is told, and only of the scores of a whole model or of an expected loss it becomes an alert.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import Min
from django.utils.translation import gettext as _

from monitoring.engine.looks import ESTIMATE, SCORE
from monitoring.engine.scale import scale_of
from monitoring.models import DriftBlock, DriftEvent, DriftWindow
from monitoring.services.drift.series import Exceeded, Series
from portal.core import alerts, audit, notices
from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput
from portal.core.models import Alert
from portal.lib import clock

Level, Ending = DriftEvent.Level, DriftEvent.Ending
FOUND = "drift.found"
LONGEST_CAUSE = 2_000
SEVERITIES: Mapping[str, str] = {
    Level.CHANGE: Alert.Severity.INFO,
    Level.SUSPECTED: Alert.Severity.WARNING,
    Level.CONFIRMED: Alert.Severity.CRITICAL,
}


def note(series: Series, at: datetime) -> list[DriftEvent]:
    """Bring a stream's events up to what its looks found in a turn; return those opened."""
    window, changes = series.row, series.changes
    if changes.is_anew:
        close(DriftEvent.objects.filter(window=window), Ending.REPLACED, at)
    if not changes.exceeded and not changes.calm:
        return []
    open_events = {event.signal: event for event in DriftEvent.objects.open().filter(window=window)}
    for signal in changes.calm & open_events.keys():
        close(DriftEvent.objects.filter(pk=open_events[signal].pk), Ending.CALM, at)
    opened = []
    for signal, found in changes.exceeded.items():
        if signal in open_events:
            _renew(open_events[signal], found, series, at)
        else:
            opened.append(_open(series, found, at))
    return opened


def _open(series: Series, found: Exceeded, at: datetime) -> DriftEvent:
    window = series.row
    until = window.last_at or at
    first = DriftBlock.objects.filter(window=window).aggregate(first=Min("last_at"))["first"]
    event = DriftEvent.objects.create(
        window=window,
        signal=found.signal,
        level=Level.SUSPECTED if found.signal == ESTIMATE else Level.CHANGE,
        scale=_scale(series, found),
        detector=_detector(series, found.signal),
        statistic=found.statistic,
        threshold=found.threshold,
        kl=found.look.kl,
        columns=dict(found.columns),
        n_looks=found.n_looks,
        opened_at=at,
        last_at=at,
        predictions_since=first or until,
        predictions_until=until,
    )
    if event.level == Level.SUSPECTED:
        suspect(window)
    tell(event)
    return event


def _renew(event: DriftEvent, found: Exceeded, series: Series, at: datetime) -> None:
    event.n_looks += found.n_looks
    event.last_at = at
    event.predictions_until = series.row.last_at or at
    if found.statistic > event.statistic:
        event.statistic, event.threshold = found.statistic, found.threshold
        event.kl, event.scale = found.look.kl, _scale(series, found)
    event.columns = _largest(event.columns, found.columns)
    event.save(
        update_fields=[
            "n_looks",
            "last_at",
            "predictions_until",
            "statistic",
            "threshold",
            "kl",
            "scale",
            "columns",
        ]
    )


def _largest(known: Mapping[str, float], found: Mapping[str, float]) -> dict[str, float]:
    """Return the largest ratio of each feature."""
    return {name: max(known.get(name, 0.0), found.get(name, 0.0)) for name in {**known, **found}}


def _scale(series: Series, found: Exceeded) -> str:
    threshold = series.kl_threshold
    return scale_of(found.look.kl, threshold).value if threshold else ""


def _detector(series: Series, signal: str) -> str:
    policy = series.policy
    return {
        DriftEvent.Signal.SCORE: policy.score_detector,
        DriftEvent.Signal.COLUMNS: policy.column_detector,
        DriftEvent.Signal.CLASSES: "chi_square",
        DriftEvent.Signal.ROWS: "mmd",
        DriftEvent.Signal.ESTIMATE: "cbpe",
    }[DriftEvent.Signal(signal)]


def suspect(window: DriftWindow) -> None:
    """Raise the level of what is open on a window whose scores promise worse performance."""
    rows = DriftEvent.objects.open().filter(window=window, level=Level.CHANGE)
    rows.update(level=Level.SUSPECTED)


def confirm(window: DriftWindow) -> None:
    """Raise the level of what is open on a window, since labels say that the model got worse."""
    DriftEvent.objects.open().filter(window=window).update(level=Level.CONFIRMED)


def alert_key(event: DriftEvent) -> str:
    """Return the key of an event's alert."""
    return f"monitoring.drift.{event.window_id}.{event.signal}"


def address(event: DriftEvent) -> str:
    """Return where a person finds an event."""
    return f"/admin/monitoring/driftevent/{event.pk}/change/"


def tell(event: DriftEvent) -> None:
    """Say that an event began: always as a notice, and as an alert where somebody must look."""
    text = said_of(event)
    severity = SEVERITIES[event.level]
    notices.send(kind=FOUND, subject=text[:200], body=text, url=address(event), severity=severity)
    is_whole_score = event.signal == SCORE and not event.window.slice
    if is_whole_score or event.level != Level.CHANGE:
        alerts.raise_alert(alert_key(event), severity, lambda: said_of(event), address(event))


def said_of(event: DriftEvent) -> str:
    """Return an event in a sentence: what, how far, and what it does and does not mean."""
    values = {
        "window": str(event.window),
        "signal": event.get_signal_display(),
        "ratio": f"{event.ratio:.1f}",
        "columns": ", ".join(name for name, _ratio in event.farthest[:5]),
    }
    text = _("%(signal)s of %(window)s moved to %(ratio)s times the threshold.") % values
    if event.columns:
        text += " " + _("Farthest: %(columns)s.") % values
    ends = {
        Level.CHANGE: _(
            "Without labels this is information: look for the cause, or acknowledge it."
        ),
        Level.SUSPECTED: _("The scores promise worse performance: label some of these shots."),
        Level.CONFIRMED: _("Labels confirm that the model errs more than when it was judged."),
    }
    return f"{text} {ends[Level(event.level)]}"


def close(rows: Iterable[DriftEvent], ending: str, at: datetime) -> int:
    """Close those of some events that are open, with their alerts; return how many."""
    n_closed = 0
    for event in rows:
        if event.closed_at is not None:
            continue
        event.closed_at, event.ending = at, ending
        event.save(update_fields=["closed_at", "ending"])
        alerts.resolve_alert(alert_key(event))
        n_closed += 1
    return n_closed


def acknowledge(*, event: DriftEvent, cause: str, actor: Actor) -> DriftEvent:
    """Note that somebody has seen an event, and what they say it comes from.

    Said again, the newer cause holds; the audit log keeps both.

    Raises
    ------
    Refused
        When the actor may not acknowledge drift.
    InvalidInput
        Without a cause, or with one longer than 2,000 characters.
    Conflict
        When somebody else acknowledged it meanwhile.
    """
    with audit.refusals(actor, "drift.acknowledge", f"drift event {event.pk}"):
        actor.require("monitoring.acknowledge_drift")
        cause = cause.strip()
        if not 0 < len(cause) <= LONGEST_CAUSE:
            raise InvalidInput(
                _("The cause has %(seen)d characters: say in 1 to %(most)d what it comes from.")
                % {"seen": len(cause), "most": LONGEST_CAUSE},
                code="cause_missing",
            )
        waiting = DriftEvent.objects.filter(pk=event.pk, acknowledged_at=event.acknowledged_at)
        if not waiting.update(
            acknowledged_at=clock.now(), acknowledged_by_id=actor.user_id, cause=cause
        ):
            raise Conflict(
                _("Somebody acknowledged this event a moment ago: read what they say first."),
                code="event_changed",
            )
        audit.record(actor, "drift.acknowledge", f"drift event {event.pk}", reason=cause)
    event.refresh_from_db()
    return event
