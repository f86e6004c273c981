"""Learn what is quiet for a window, from its reference and its past."""

import numpy as np
from django.utils.translation import gettext as _

from monitoring.engine.calibration import MIN_WINDOWS
from monitoring.engine.limits import Learnt, Past, learn, past_of
from monitoring.engine.looks import SCORES, Looker, Reference
from monitoring.engine.reference import N_KEPT, Column
from monitoring.models import DriftPast, DriftPolicy, DriftWindow
from monitoring.services.drift import cursor, policies, references
from monitoring.services.drift.storage import unpack_past
from portal.core.errors import NotFound
from portal.lib import clock
from portal.runs.context import RunContext

DETECTORS = "detectors"


def calibrate(ctx: RunContext, *, window_id: int) -> dict[str, object]:
    """Learn the thresholds of a window and keep them.

    Parameters
    ----------
    ctx
        The run; its seed decides every draw.
    window_id
        The window.

    Returns
    -------
    dict
        What was learnt from; ``is_kept`` is false when the window began anew meanwhile.

    Raises
    ------
    NotFound
        When there is no such window.
    """
    row = DriftWindow.objects.select_related("version__model").filter(pk=window_id).first()
    if row is None:
        raise NotFound(_("There is no drift window %(id)s.") % {"id": window_id})
    if row.reference is None:
        return {"is_kept": False, "n_past": 0}
    policy = policies.policy_of(row.version.model)
    past = _past(row)
    reference = _reference(row, past)
    looker = Looker(
        reference, policy.score_detector, policy.column_detector, policy.schedule.n_steps
    )
    ctx.progress(0.1, _("learn"), _("Learning what is quiet for %(window)s.") % {"window": row})
    learnt = learn(looker, policy.schedule, past, ctx.seed)
    with ctx.fenced():
        is_kept = _keep(row, policy, reference, learnt)
    return {"is_kept": is_kept, "n_past": row.n_past if past else 0, "is_complete": bool(past)}


def _past(row: DriftWindow) -> Past | None:
    """Return the past windows once there are enough."""
    windows = list(DriftPast.objects.filter(window=row).order_by("number"))
    if len(windows) < MIN_WINDOWS:
        return None
    return past_of([unpack_past(bytes(one.content)) for one in windows])


def _reference(row: DriftWindow, past: Past | None) -> Reference:
    """Return the reference; that of a slice is what all its past windows hold."""
    if not row.slice:
        trained = references.trained(row.version)
        return Reference.from_dict(row.reference or {}, trained.rows if trained else None)
    first = Reference.from_dict(row.reference or {})
    if past is None:
        return first
    counts = past.counts.sum(axis=0)
    columns = {
        name: Column(column.edges, counts[place], column.values)
        for place, (name, column) in enumerate(first.columns.items())
    }
    scores = columns[SCORES]
    every = np.linspace(0, len(past.scores) - 1, min(N_KEPT, len(past.scores))).astype(int)
    columns[SCORES] = Column(scores.edges, scores.counts, past.scores[every])
    return Reference(columns, None, first.threshold)


def _keep(row: DriftWindow, policy: DriftPolicy, reference: Reference, learnt: Learnt) -> bool:
    """Write what was learnt, unless the window began anew since it was read."""
    with cursor.alone():
        now = DriftWindow.objects.select_for_update().get(pk=row.pk)
        if now.window != row.window or now.n_past < row.n_past or now.reference is None:
            return False
        now.reference = reference.to_dict()
        now.calibration = {
            DETECTORS: [policy.score_detector, policy.column_detector],
            **learnt.to_dict(),
        }
        now.is_calibrated = learnt.is_complete
        now.calibrated_at = clock.now()
        now.save(update_fields=["reference", "calibration", "is_calibrated", "calibrated_at"])
    return True
