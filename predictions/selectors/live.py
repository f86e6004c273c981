"""How good versions are in production, and what was predicted otherwise than it turned out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDay
from numpy.typing import NDArray

from portal.registry.models import ModelVersion
from predictions.engine import bootstrap
from predictions.engine.bootstrap import Interval, Scored
from predictions.models import Outcome, Prediction

METRICS = ("f1", "precision", "recall", "roc_auc", "pr_auc", "brier")
#: Share of outcomes that have arrived when a prediction counts as old enough to be judged; ours.
MATURE_SHARE = 0.9
#: Until enough outcomes have come to tell how late they are.
DEFAULT_MATURITY = timedelta(days=1)
MIN_DELAYS = 30
#: The latest labelled predictions that are judged; more take longer and say no more.
MAX_JUDGED = 20_000
N_DRAWS = 100
#: Hours that intervals need: of fewer no resample can show what other hours would; ours.
MIN_HOURS = 8
SEED = 17
DEFAULT_SPAN = timedelta(days=30)


@dataclass(frozen=True)
class Window:
    """One day of production.

    Attributes
    ----------
    start : datetime
    n_predictions, n_labelled : int
    f1, defect_share, called_share : float or None
        Of the labelled ones; None without any, and F1 without a defect.
    """

    start: datetime
    n_predictions: int
    n_labelled: int
    f1: float | None
    defect_share: float | None
    called_share: float | None


@dataclass(frozen=True)
class LiveQuality:
    """How good a version was on the shots that it answered for.

    Outcomes arrive late, and a prediction without one says nothing. So only predictions are judged
    that are older than most outcomes take to come: `until` is cut at that age.

    Attributes
    ----------
    version : ModelVersion
    since, until : datetime
        Of the predictions judged.
    maturity_s : float
        Age at which a prediction is judged.
    delay_s : dict or None
        Median and 90th percentile of the time from prediction to report; None with too few.
    n_predictions, n_labelled : int
        In the window, and those of them whose outcome is known.
    n_maturing : int
        Predictions too young to be judged.
    metrics : dict of str to Interval
        Empty without a labelled prediction; intervals by bootstrap over hours, None when the
        shots fall into fewer than eight.
    confusion : dict
        Numbers of hits, misses, false alarms and correct rejections.
    windows : list of Window
        Day by day.
    """

    version: ModelVersion
    since: datetime
    until: datetime
    maturity_s: float
    delay_s: dict[str, float] | None
    n_predictions: int
    n_labelled: int
    n_maturing: int
    metrics: dict[str, Interval]
    confusion: dict[str, int]
    windows: list[Window]

    @property
    def coverage(self) -> float | None:
        """Share of the predictions judged whose outcome is known."""
        return self.n_labelled / self.n_predictions if self.n_predictions else None

    def to_dict(self) -> dict[str, Any]:
        """Return everything ready for JSON but for times."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            "model": self.version.model.name,
            "version": self.version.number,
            "coverage": self.coverage,
            "metrics": {name: figure.to_dict() for name, figure in self.metrics.items()},
            "windows": [asdict(window) for window in self.windows],
        }


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled predictions of a version, in the order of time."""

    at_s: NDArray[np.float64]
    scored: Scored


def live_quality(
    version: ModelVersion,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    maturity: timedelta | None = None,
) -> LiveQuality:
    """Judge a version by what became of the shots that it answered for.

    Parameters
    ----------
    version
        Of a quality model.
    now
        The present moment.
    since, until
        Of the predictions; by default the last thirty days.
    maturity
        Age at which a prediction is judged; by default the age by which nine of ten of this
        version's outcomes had come, or a day while fewer than thirty have.
    """
    since = since or (until or now) - DEFAULT_SPAN
    wanted = until or now
    delay_s = _delays(version)
    maturity = _maturity(delay_s) if maturity is None else maturity
    ripe = min(wanted, now - maturity)
    answered = Prediction.objects.filter(version=version, at__gte=since)
    judged = answered.filter(at__lt=ripe).annotate(day=TruncDay("at", tzinfo=UTC))
    by_day = dict(judged.values_list("day").annotate(n=Count("pk")).order_by("day"))
    found = labelled(version, since, ripe)
    scored = found.scored
    return LiveQuality(
        version=version,
        since=since,
        until=ripe,
        maturity_s=maturity.total_seconds(),
        delay_s=delay_s,
        n_predictions=sum(by_day.values()),
        n_labelled=scored.n_rows,
        n_maturing=answered.filter(at__gte=ripe, at__lt=wanted).count(),
        metrics=_figures(found),
        confusion=_confusion(scored),
        windows=_windows(found, by_day),
    )


def disagreements(model_name: str | None = None) -> QuerySet[Outcome]:
    """Return what turned out otherwise than predicted, for inspectors; the surest error first.

    Who has inspected a part says so with its outcome, which takes it off the queue.
    """
    queue = Outcome.objects.disagreeing().select_related("prediction__version__model")
    if model_name is not None:
        queue = queue.filter(prediction__version__model__name=model_name)
    return queue.order_by("-surprise", "-pk")


def disagreements_after(pk: int | None) -> QuerySet[Outcome]:
    """Return the queue behind one of its rows, by the place that the row has or had."""
    queue = disagreements()
    if pk is None:
        return queue
    place = Outcome.objects.filter(pk=pk).values_list("surprise", flat=True).first()
    if place is None:
        return queue
    return queue.filter(Q(surprise__lt=place) | Q(surprise=place, pk__lt=pk))


def _maturity(delay_s: Mapping[str, float] | None) -> timedelta:
    return DEFAULT_MATURITY if delay_s is None else timedelta(seconds=delay_s["p90"])


def maturity_of(version: ModelVersion) -> timedelta:
    """Return the age at which most outcomes of a version's predictions have come."""
    return _maturity(_delays(version))


def _delays(version: ModelVersion) -> dict[str, float] | None:
    """Return how late the latest outcomes of a version were, in seconds."""
    rows = (
        Outcome.objects.filter(prediction__version=version)
        .order_by("-recorded_at")
        .values_list("recorded_at", "prediction__at")[:MAX_JUDGED]
    )
    late = np.array([(reported - asked).total_seconds() for reported, asked in rows])
    if len(late) < MIN_DELAYS:
        return None
    median, mature = np.percentile(late, [50, 100 * MATURE_SHARE])
    return {"median": float(median), "p90": float(max(mature, 0.0))}


def labelled(
    version: ModelVersion, since: datetime, until: datetime, most: int = MAX_JUDGED
) -> Labelled:
    """Return the latest labelled predictions made in a span of time."""
    rows = list(
        Outcome.objects.current()
        .filter(prediction__version=version, prediction__at__gte=since, prediction__at__lt=until)
        .order_by("-prediction__at")
        .values_list(
            "prediction__at",
            "label",
            "prediction__probability",
            "prediction__predicted_class",
        )[:most]
    )
    rows.reverse()
    at_s = np.array([row[0].timestamp() for row in rows])
    scored = Scored(
        labels=np.array([row[1] == Prediction.Label.DEFECT for row in rows], dtype=bool),
        probability=np.array([row[2] for row in rows], dtype=np.float64),
        called=np.array([row[3] == Prediction.Label.DEFECT for row in rows], dtype=bool),
        groups=(at_s // 3600).astype(np.intp),
    )
    return Labelled(at_s, scored)


def _figures(labelled: Labelled) -> dict[str, Interval]:
    if not labelled.scored.n_rows:
        return {}
    n_hours = len(np.unique(labelled.scored.groups))
    n_draws = N_DRAWS if n_hours >= MIN_HOURS else 0
    return bootstrap.intervals(labelled.scored, seed=SEED, n_draws=n_draws, names=METRICS)


def _confusion(scored: Scored) -> dict[str, int]:
    return {
        "hits": int((scored.labels & scored.called).sum()),
        "misses": int((scored.labels & ~scored.called).sum()),
        "false_alarms": int((~scored.labels & scored.called).sum()),
        "correct_rejections": int((~scored.labels & ~scored.called).sum()),
    }


def _windows(labelled: Labelled, by_day: Mapping[datetime, int]) -> list[Window]:
    return [
        _window(start, n_predictions, _of_day(labelled, start))
        for start, n_predictions in by_day.items()
    ]


def _of_day(labelled: Labelled, start: datetime) -> Scored:
    first = start.timestamp()
    last = (start + timedelta(days=1)).timestamp()
    return labelled.scored.at((labelled.at_s >= first) & (labelled.at_s < last))


def _window(start: datetime, n_predictions: int, scored: Scored) -> Window:
    if not scored.n_rows:
        return Window(start, n_predictions, 0, None, None, None)
    return Window(
        start=start,
        n_predictions=n_predictions,
        n_labelled=scored.n_rows,
        f1=bootstrap.measure(scored, ["f1"])["f1"],
        defect_share=float(scored.labels.mean()),
        called_share=float(scored.called.mean()),
    )
