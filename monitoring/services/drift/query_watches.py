"""Watch what live search indexes are asked, beside what was asked when they were built."""

from collections.abc import Callable
from datetime import datetime

import numpy as np
import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from monitoring.engine import queries
from monitoring.engine.calibration import Calibration
from monitoring.engine.detectors.mmd import MeanDiscrepancy
from monitoring.engine.reference import Floats
from monitoring.models import QueryWatch
from monitoring.services.drift.series import CALM
from portal.core import alerts, notices
from portal.core.errors import PortalError
from portal.core.models import Alert
from portal.registry.models import AliasAssignment, ModelVersion
from search import selectors as search
from search.models import Collection

log = structlog.get_logger(__name__)

FOUND = "drift.queries"
State = QueryWatch.State
#: Points of the course that are kept: a quarter of looks once in ten minutes would be 13,000.
MOST_POINTS = 500


def look_all(now: datetime, seed: int, check: Callable[[], None]) -> dict[str, int]:
    """Look at the queries of every live index.

    An index whose files or embedder cannot be had keeps what was known of it; the others are
    looked at all the same.

    Parameters
    ----------
    now
        The time of the looks.
    seed
        For what is learnt.
    check
        Called between two indexes; what it raises ends the work.

    Returns
    -------
    dict
        ``n_indexes``, ``n_looked``, ``n_beyond`` and ``n_failed``.
    """
    done = {"n_indexes": 0, "n_looked": 0, "n_beyond": 0, "n_failed": 0}
    live = search.live_indexes()
    for collection, assignment in live:
        check()
        done["n_indexes"] += 1
        try:
            row, has_looked = look(collection, assignment, now, seed)
        except PortalError as exc:
            log.warning("queries_not_looked_at", collection=collection.name, error=str(exc))
            done["n_failed"] += 1
            continue
        done["n_looked"] += has_looked
        done["n_beyond"] += row.exceeded_at is not None
    _end_former({assignment.version_id for _collection, assignment in live})
    return done


def look(
    collection: Collection, assignment: AliasAssignment, now: datetime, seed: int
) -> tuple[QueryWatch, bool]:
    """Look at the latest queries of one live index; return its watch, and whether it could look.

    Raises
    ------
    Corrupt, Unavailable
        When a file of the index is damaged, or its embedder does not answer.
    """
    row, baseline = _row(collection, assignment)
    n_before = row.n_since if row.looked_at is not None else 0
    row.n_since = search.n_logged_queries(collection, since=row.since)
    # Records are removed past their term, so there may be fewer than there were.
    n_new = row.n_since - n_before if row.n_since >= n_before else row.n_since
    is_due = n_new >= queries.SCHEDULE.step
    has_looked = False
    if is_due and baseline is not None and row.state in (State.CALIBRATING, State.WATCHING):
        _look(row, collection, baseline, now, seed)
        has_looked = True
    row.save()
    return row, has_looked


def _row(collection: Collection, assignment: AliasAssignment) -> tuple[QueryWatch, Floats | None]:
    """Return the watch of a version, emptied if the version went live again, and its baseline."""
    version = assignment.version
    row = QueryWatch.objects.filter(version=version).first()
    if row is None:
        row = QueryWatch(version=version, collection=collection.name, since=assignment.since)
        row.has_vectors = bool(version.evaluation.get("dimensions"))
        row.save(force_insert=True)
    row.version = version
    if row.since < assignment.since:
        row.since, row.looked_at, row.statistic, row.course = assignment.since, None, None, []
        row.last_at = None
        _end(row)
    vectors = search.query_baseline(version) if row.has_vectors else None
    row.n_baseline = 0 if vectors is None else len(vectors)
    return row, None if vectors is None else vectors.astype(np.float64)


def _look(
    row: QueryWatch, collection: Collection, baseline: Floats, now: datetime, seed: int
) -> None:
    detector = queries.fitted(baseline)
    is_learning = row.calibration is None and row.n_past >= queries.MIN_PAST
    most = queries.MIN_PAST if is_learning else queries.WINDOW
    logged = search.logged_queries(collection, since=row.since, most=most)
    if len(logged) < queries.WINDOW:
        return
    vectors = search.query_vectors(row.version, [one.query for one in logged])
    later = vectors.astype(np.float64)
    if is_learning:
        _learn(row, detector, np.concatenate([baseline, later]), now, seed)
    row.last_at = logged[-1].at
    row.statistic = detector.statistic(later[-queries.WINDOW :])
    row.looked_at = now
    if row.calibration is not None:
        learnt = Calibration.from_dict(row.calibration)
        row.threshold = queries.threshold(learnt, row.queries_per_month)
    row.course = [*row.course, [now.timestamp(), row.statistic, row.threshold]][-MOST_POINTS:]
    _judge(row, now)


def _learn(
    row: QueryWatch, detector: MeanDiscrepancy, past: Floats, now: datetime, seed: int
) -> None:
    row.calibration = queries.learn(detector, past, seed).to_dict()
    row.calibrated_at = now


def _judge(row: QueryWatch, now: datetime) -> None:
    """Begin or end the alert; between the two thresholds everything stays as it is."""
    ratio = row.ratio
    if ratio is None:
        return
    if ratio > 1 and row.exceeded_at is None:
        row.exceeded_at = now
        _tell(row)
    elif ratio > 1:
        alerts.raise_alert(alert_key(row), Alert.Severity.INFO, lambda: said_of(row), address(row))
    elif ratio < CALM:
        _end(row)


def _tell(row: QueryWatch) -> None:
    text = said_of(row)
    with transaction.atomic():
        notices.send(
            kind=FOUND,
            subject=text[:200],
            body=text,
            url=address(row),
            severity=Alert.Severity.INFO,
        )
        alerts.raise_alert(alert_key(row), Alert.Severity.INFO, lambda: said_of(row), address(row))


def _end(row: QueryWatch) -> None:
    if row.exceeded_at is not None:
        row.exceeded_at = None
        alerts.resolve_alert(alert_key(row))


def _end_former(live: set[int]) -> None:
    """End what was said of versions that are live no more."""
    for row in QueryWatch.objects.filter(exceeded_at__isnull=False).exclude(version__in=live):
        _end(row)
        row.save(update_fields=["exceeded_at"])


def alert_key(row: QueryWatch) -> str:
    """Return the key of the alert of a watch."""
    return f"monitoring.queries.{row.version_id}"


def address(row: QueryWatch) -> str:
    """Return where a person finds a watch."""
    return f"/admin/monitoring/querywatch/{row.pk}/change/"


def said_of(row: QueryWatch) -> str:
    """Return in a sentence what was found, and what to do."""
    return _(
        "People ask “%(collection)s” for other things than when its index was built: %(ratio)s "
        "times the threshold. Look which queries find nothing, add documents or judge queries, "
        "then build the index anew."
    ) % {"collection": row.collection, "ratio": f"{row.ratio or 0:.1f}"}


def remove_gone() -> int:
    """Remove the watches of versions that retention removed; return how many."""
    gone = QueryWatch.objects.filter(version__state=ModelVersion.State.REMOVED)
    return gone.delete()[0]
