"""Judge live versions by the labels that have come: is a loss real."""

from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
from django.db import transaction

from monitoring.engine import calibration, estimate
from monitoring.engine.budget import Budget
from monitoring.engine.looks import SCORES, Reference
from monitoring.engine.realized import RealizedLoss, surely_risen
from monitoring.engine.reference import Floats
from monitoring.engine.schedule import N_STEPS, Schedule
from monitoring.models import DriftEvent, DriftPolicy, DriftWindow
from monitoring.selectors import drift as selectors
from monitoring.services.drift import events, policies, proposals
from monitoring.services.drift.series import CALM
from predictions import selectors as predictions
from predictions.selectors import Matured

METRIC = "brier"
#: An alarm must not rest on a handful of parts that somebody picked out.
MIN_DEFECTS = 10


@dataclass(frozen=True)
class Judgement:
    """What labels say of a version.

    Attributes
    ----------
    n : int
        Labelled predictions judged; nothing else is known below the window's size.
    needed : int
        How many it takes.
    coverage : float or None
        Share of the predictions of that time whose outcome is known.
    brier, reference : float or None
        Mean squared error of the probabilities, and what it was when the version was judged.
    threshold : float or None
        How far the error may rise above the reference.
    f1 : float or None
        Of the labelled predictions.
    is_loss : bool
        Whether the loss is confirmed.
    """

    n: int
    needed: int
    coverage: float | None = None
    brier: float | None = None
    reference: float | None = None
    threshold: float | None = None
    f1: float | None = None
    is_loss: bool = False

    @property
    def rise(self) -> float:
        """How far the error is above the reference."""
        return (self.brier or 0.0) - (self.reference or 0.0)


def judge_all(now: datetime) -> dict[str, int]:
    """Judge every live version that has a reference; return how many, and how many lost."""
    n_lost = n_judged = 0
    for row in selectors.live_windows().whole().filter(reference__isnull=False):
        judgement = judge(row, now)
        n_judged += judgement.brier is not None
        n_lost += judgement.is_loss
    return {"n_judged": n_judged, "n_lost": n_lost}


def judge(row: DriftWindow, now: datetime) -> Judgement:
    """Judge one version, keep the judgement, and open or close its event."""
    policy = policies.policy_of(row.version.model)
    size = policy.labelled_window // N_STEPS * N_STEPS
    matured = predictions.matured(row.version, now=now, most=size)
    judgement = _judgement(row, policy, matured, size)
    with transaction.atomic():
        content = asdict(judgement) | {"at": now.isoformat()}
        DriftWindow.objects.filter(pk=row.pk).update(judged=content)
        _act(row, judgement, matured, now)
    return judgement


def _judgement(row: DriftWindow, policy: DriftPolicy, matured: Matured, size: int) -> Judgement:
    n = len(matured.probability)
    if n < size or matured.is_defect.sum() < MIN_DEFECTS:
        return Judgement(n, size, matured.coverage)
    reference = Reference.from_dict(row.reference or {})
    loss = RealizedLoss(reference.columns[SCORES], _judged_with(row))
    values = np.stack([matured.probability, matured.is_defect], axis=1).astype(np.float64)
    summary = loss.summary(values)
    expected = loss.reference[1] / loss.reference[0]
    threshold = _threshold(row, policy, loss, size, matured)
    errors = (values[:, 0] - values[:, 1]) ** 2
    rise = float(loss.distance(loss.reference, summary))
    rng = np.random.default_rng(row.pk)
    return Judgement(
        n=n,
        needed=size,
        coverage=matured.coverage,
        brier=float(summary[1] / summary[0]),
        reference=float(expected),
        threshold=threshold,
        f1=_f1(matured),
        is_loss=rise > threshold and surely_risen(errors, float(expected), rng),
    )


def _threshold(
    row: DriftWindow, policy: DriftPolicy, loss: RealizedLoss, size: int, matured: Matured
) -> float:
    # Seeded by the window, so that the same labels are judged alike at every look.
    rng = np.random.default_rng(row.pk)
    law = calibration.drawn(loss, Schedule(size, size // N_STEPS), rng)
    n_labelled = row.values_per_month * (matured.coverage or 1.0)
    return law.threshold(Budget(policy.false_alarms_per_month, n_labelled).other)


def _judged_with(row: DriftWindow) -> float | None:
    """Return the error that the version was judged with."""
    figure = row.version.evaluation.get("metrics", {}).get(METRIC) or {}
    value = figure.get("value")
    return float(value) if isinstance(value, int | float) else None


def _f1(matured: Matured) -> float:
    called, defect = matured.called, matured.is_defect
    numbers: Floats = np.array(
        [
            (called & defect).sum(),
            (called & ~defect).sum(),
            (~called & defect).sum(),
            (~called & ~defect).sum(),
        ],
        dtype=np.float64,
    )
    return float(estimate.f1(numbers))


def _act(row: DriftWindow, judgement: Judgement, matured: Matured, now: datetime) -> None:
    known = DriftEvent.objects.open().filter(window=row, signal=DriftEvent.Signal.LOSS).first()
    if judgement.is_loss:
        event = known or _open(row, judgement, matured, now)
        events.confirm(row)
        proposals.consider_confirmed(model=row.version.model, at=now, event=event)
        if known is not None:
            DriftEvent.objects.filter(pk=known.pk).update(last_at=now)
    elif known is not None and _is_calm(judgement):
        events.close([known], DriftEvent.Ending.CALM, now)


def _is_calm(judgement: Judgement) -> bool:
    return judgement.threshold is not None and judgement.rise < CALM * judgement.threshold


def _open(row: DriftWindow, judgement: Judgement, matured: Matured, now: datetime) -> DriftEvent:
    first, last = (
        datetime.fromtimestamp(float(moment), now.tzinfo)
        for moment in (matured.at_s[0], matured.at_s[-1])
    )
    event = DriftEvent.objects.create(
        window=row,
        signal=DriftEvent.Signal.LOSS,
        level=DriftEvent.Level.CONFIRMED,
        scale=(row.latest or {}).get("scale") or "",
        detector=METRIC,
        statistic=judgement.rise,
        threshold=judgement.threshold or 0.0,
        kl=(row.latest or {}).get("kl"),
        opened_at=now,
        last_at=now,
        predictions_since=first,
        predictions_until=last,
    )
    events.tell(event)
    return event
