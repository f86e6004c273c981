"""Remove what nobody looks at any more."""

from datetime import datetime, timedelta

from monitoring.models import DriftPoint, DriftWindow
from monitoring.services.drift import query_watches
from portal.registry.models import ModelVersion

#: Courses are kept as long as a quarter is compared with the last.
POINTS_KEPT = timedelta(days=180)


def remove_old(now: datetime) -> dict[str, int]:
    """Remove old points of courses and the watches of versions that retention removed."""
    n_points, _by_model = DriftPoint.objects.filter(at__lt=now - POINTS_KEPT).delete()
    gone = DriftWindow.objects.filter(version__state=ModelVersion.State.REMOVED)
    n_windows = gone.count()
    gone.delete()
    return {
        "n_points": n_points,
        "n_windows": n_windows,
        "n_query_watches": query_watches.remove_gone(),
    }
