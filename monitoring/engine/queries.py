"""Whether people ask a search index for what they asked when it was built.

The vectors of the latest queries are compared with those of the baseline by their mean embeddings
(:mod:`detectors.mmd`). What is quiet is learnt as for predictions: from streams drawn from the
baseline, and from streams glued from blocks of past queries, since people ask again what they have
just asked.
"""

import numpy as np

from monitoring.engine import calibration
from monitoring.engine.budget import MOST_PER_VALUE
from monitoring.engine.calibration import MIN_WINDOWS, Calibration
from monitoring.engine.detectors import JOINT
from monitoring.engine.detectors.mmd import MeanDiscrepancy
from monitoring.engine.reference import N_KEPT, Floats, NotEnough, Rows
from monitoring.engine.schedule import Schedule

#: Ours: a collection is asked less often than a model; 200 queries show a fifth of new topics.
WINDOW = 200
SCHEDULE = Schedule.of(WINDOW)
MIN_BASELINE = 2 * WINDOW
#: Queries it takes until an alarm may be given, those of the baseline included.
MIN_PAST = MIN_WINDOWS * WINDOW
#: False alarms in thirty days that the threshold lets through, as for a model by default.
PER_MONTH = 1.0


def fitted(baseline: Floats) -> MeanDiscrepancy:
    """Return the detector for the vectors of a baseline.

    Parameters
    ----------
    baseline : float array, shape [n, d]
        At least `MIN_BASELINE` rows, oldest first.

    Raises
    ------
    NotEnough
        With fewer rows.
    """
    if len(baseline) < MIN_BASELINE:
        raise NotEnough(f"There are {len(baseline)} queries of the {MIN_BASELINE} it takes.")
    # As many as a training keeps of whole rows: more cost time and hardly sharpen anything.
    kept = np.linspace(0, len(baseline) - 1, min(N_KEPT, len(baseline))).astype(int)
    return JOINT.fit(Rows(baseline[kept].astype(np.float64)))


def learn(detector: MeanDiscrepancy, past: Floats, seed: int) -> Calibration:
    """Learn what is quiet.

    Parameters
    ----------
    detector
        As of `fitted`.
    past : float array, shape [n, d]
        Vectors of past queries, oldest first: those of the baseline, then later ones.
    seed
        For every draw.

    Raises
    ------
    NotEnough
        With fewer than `MIN_PAST` past queries.
    """
    rng = np.random.default_rng(seed)
    whole = past[: len(past) // SCHEDULE.step * SCHEDULE.step].astype(np.float64)
    if len(whole) < MIN_PAST:
        raise NotEnough(f"There are {len(past)} past queries of the {MIN_PAST} it takes.")
    steps = np.stack(
        [detector.summary(part) for part in np.split(whole, len(whole) // SCHEDULE.step)]
    )
    drawn = calibration.drawn(detector, SCHEDULE, rng)
    return Calibration(drawn, calibration.glued(detector, steps, SCHEDULE, rng))


def threshold(learnt: Calibration, queries_per_month: float) -> float:
    """Return the threshold for the traffic there is."""
    # Nothing else is watched here, so the whole budget is spent on it.
    return learnt.threshold(min(PER_MONTH / max(queries_per_month, 1.0), MOST_PER_VALUE))
