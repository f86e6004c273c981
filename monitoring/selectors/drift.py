"""How models stand with drift: now, over some days, and whether there is reason to train anew."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, Max, Min, QuerySet, Sum
from django.utils.translation import gettext as _

from monitoring.engine.calibration import MIN_WINDOWS
from monitoring.engine.looks import SCORE
from monitoring.engine.scale import Scale
from monitoring.models import Arrival, DriftEvent, DriftPoint, DriftWindow, QueryWatch
from monitoring.models.drift_windows import DriftWindowQuerySet
from portal.core.errors import InvalidInput, NotFound
from portal.core.formats import DASH
from portal.registry.models import Alias, AliasAssignment, ModelVersion, RegisteredModel
from portal.registry.selectors import champion
from predictions import selectors as predictions

RETRAIN_DAYS = 7
RETRAIN_EVENTS = 5
MOST_DAYS = 366
MOST_EVENTS = 200
#: Predictions that wait are counted up to here; beyond it only how long they wait matters.
MOST_WAITING = 100_000


@dataclass(frozen=True)
class Reason:
    """Why a model might be trained anew; false when there is no reason.

    Attributes
    ----------
    n_events : int
        Drift events of the last seven days.
    n_severe : int
        Those in which the scores were beyond their threshold.
    n_confirmed : int
        Those whose loss labels confirm.
    """

    n_events: int
    n_severe: int
    n_confirmed: int

    def __bool__(self) -> bool:
        return self.n_events >= RETRAIN_EVENTS or self.n_severe > 0 or self.n_confirmed > 0

    @property
    def is_confirmed(self) -> bool:
        """Whether labels say so."""
        return self.n_confirmed > 0


def reason_to_retrain(model: RegisteredModel, at: datetime) -> Reason:
    """Return what speaks for training a model anew: five events in seven days, or one severe."""
    since = at - timedelta(days=RETRAIN_DAYS)
    recent = DriftEvent.objects.for_model(model).filter(opened_at__gte=since, opened_at__lte=at)
    events = list(recent.values_list("scale", "level"))
    return Reason(
        len(events),
        sum(scale == Scale.SEVERE for scale, _level in events),
        sum(level == DriftEvent.Level.CONFIRMED for _scale, level in events),
    )


def model_named(name: str | None) -> RegisteredModel:
    """Return the model asked for; without a name the only live one whose predictions are counted.

    Search indexes and routings have champions as well; no stream of shots is theirs.

    Raises
    ------
    NotFound
        When there is no such model.
    InvalidInput
        When a name is needed to tell models apart.
    """
    if name is not None:
        model = RegisteredModel.objects.filter(name=name).first()
        if model is None:
            raise NotFound(
                _("There is no model “%(name)s”.") % {"name": name[:80]}, code="model_not_found"
            )
        return model
    champions = AliasAssignment.objects.filter(alias=Alias.CHAMPION)
    live = champions.filter(model__family=predictions.RECORDED_FAMILY).select_related("model")
    models = [one.model for one in live.order_by("model__name")]
    if len(models) == 1:
        return models[0]
    if not models:
        raise NotFound(
            _("No model has a champion yet: there is nothing to watch."), code="no_champion"
        )
    raise InvalidInput(
        _("Several models are live: say “model”, one of %(names)s.")
        % {"names": ", ".join(model.name for model in models[:20])},
        code="model_needed",
    )


def query_watches() -> list[QueryWatch]:
    """Return the watches on the queries of live search indexes, by collection."""
    live = AliasAssignment.objects.filter(alias=Alias.CHAMPION).values("version")
    rows = QueryWatch.objects.filter(version__in=live).select_related("version__model")
    return list(rows.order_by("collection"))


def window_of(model: RegisteredModel, slice_name: str = "") -> DriftWindow:
    """Return the window of a model's champion, or of a slice of it.

    A champion that nobody asked yet has an empty window, which is not stored.

    Raises
    ------
    NotFound
        When the model has no champion, or there is no such slice.
    """
    version = champion(model.name)
    if version is None:
        raise NotFound(
            _("The model %(model)s has no champion: there is nothing to watch.")
            % {"model": model.name},
            code="no_champion",
        )
    row = DriftWindow.objects.filter(version=version, slice=slice_name).first()
    if row is not None:
        row.version = version
        return row
    if slice_name:
        raise _no_slice(version, slice_name)
    return DriftWindow(version=version, slice="", window=1_000)


def _no_slice(version: ModelVersion, name: str) -> NotFound:
    known = DriftWindow.objects.filter(version=version).exclude(slice="").order_by("slice")
    names = ", ".join(known.values_list("slice", flat=True)[:20])
    return NotFound(
        _("There is no slice “%(name)s” of %(version)s; there are: %(names)s.")
        % {"name": name[:120], "version": version, "names": names or DASH},
        code="slice_not_found",
    )


def standing(row: DriftWindow, at: datetime) -> dict[str, Any]:
    """Return how a window stands, as the API tells it."""
    look = row.latest or {}
    state = row.state
    score, limit = look.get("signals", {}).get(SCORE, (None, None))
    is_watching = state == DriftWindow.State.WATCHING and limit is not None
    events = _open_events(row)
    buffer = look.get("buffer", {})
    return {
        "model": row.version.model.name,
        "version": row.version.number,
        "slice": row.slice,
        "state": state.value,
        "drift_detected": bool(is_watching and score > limit),
        "kl_divergence": look.get("kl"),
        "threshold": look.get("threshold"),
        "level": look["scale"] if is_watching else state.value,
        "evidence": _gravest(events),
        "buffer_size": row.buffer_size,
        "buffer_mean": buffer.get("mean"),
        "buffer_std": buffer.get("std"),
        "window": row.window,
        "predictions_counted": row.n_seen,
        "past_windows": row.n_past,
        "past_windows_needed": MIN_WINDOWS,
        "should_retrain": bool(reason_to_retrain(row.version.model, at)),
        "open_events": len(events),
        "signals": look.get("signals", {}),
        "features": look.get("columns", {}),
        "expected_performance": look.get("expected", {}),
        "judged_by_labels": row.judged,
        "slices": slices_of(row.version),
        "baseline": _baseline(row),
    }


def _open_events(row: DriftWindow) -> list[str]:
    if row.pk is None:
        return []
    return list(DriftEvent.objects.open().filter(window=row).values_list("level", flat=True))


def _gravest(levels: list[str]) -> str:
    known = list(DriftEvent.Level.values)
    return max(levels, key=known.index) if levels else "none"


def slices_of(version: ModelVersion) -> list[str]:
    """Return the names of a version's slices."""
    rows = DriftWindow.objects.filter(version=version).exclude(slice="").order_by("slice")
    return list(rows.values_list("slice", flat=True))


def _baseline(row: DriftWindow) -> dict[str, Any]:
    known = {"is_missing": row.reference is None, "version": row.version.number}
    if row.reference is None:
        return {**known, "source": None, "rows": None, "edges": [], "counts": []}
    scores = row.reference["columns"][0]
    n_bins = len(scores["edges"]) + 1
    return {
        **known,
        "source": row.source,
        "rows": sum(scores["counts"]),
        "edges": scores["edges"],
        "counts": scores["counts"][:n_bins],
    }


def events_of(model: RegisteredModel, since: datetime, until: datetime) -> QuerySet[DriftEvent]:
    """Return the events of a model that lasted into a span of time, the latest first."""
    return (
        DriftEvent.objects.for_model(model)
        .filter(opened_at__lte=until)
        .exclude(closed_at__lt=since)
        .select_related("window__version__model", "acknowledged_by")
    )


@dataclass(frozen=True)
class Summary:
    """The drift of a model over some days.

    Attributes
    ----------
    n_events : int
        Events that began in that time.
    max_kl, mean_kl : float or None
        Of the scores of the whole model, over what was worst in each five minutes; None without a
        look.
    events : list of DriftEvent
        Those that lasted into that time, the latest first.
    """

    n_events: int
    max_kl: float | None
    mean_kl: float | None
    events: list[DriftEvent]


def summary(model: RegisteredModel, since: datetime, until: datetime) -> Summary:
    """Return the drift of a model in a span of time."""
    points = DriftPoint.objects.filter(
        window__version__model=model, window__slice="", at__gte=since, at__lte=until
    )
    figures = points.aggregate(most=Max("kl"), mean=Avg("kl"))
    events = list(events_of(model, since, until)[:MOST_EVENTS])
    began = DriftEvent.objects.for_model(model).filter(opened_at__gte=since, opened_at__lte=until)
    return Summary(began.count(), figures["most"], figures["mean"], events)


def live_windows() -> DriftWindowQuerySet:
    """Return the windows of all champions."""
    live = AliasAssignment.objects.filter(alias=Alias.CHAMPION).values("version")
    return DriftWindow.objects.filter(version__in=live).select_related("version__model")


def divergences() -> dict[str, float]:
    """Return the last divergence of the scores of every champion that was looked at, by model."""
    whole = live_windows().whole()
    return {
        row.version.model.name: float(row.latest["kl"])
        for row in whole
        if row.latest and "kl" in row.latest
    }


def open_by_model() -> dict[str, int]:
    """Return how many events are open, by model that has a champion."""
    live = AliasAssignment.objects.filter(alias=Alias.CHAMPION).order_by("model__name")
    known = dict.fromkeys(live.values_list("model__name", flat=True), 0)
    rows = DriftEvent.objects.open().order_by().values_list("window__version__model__name")
    return known | dict(rows.annotate(n=Count("pk")))


def to_calibrate() -> DriftWindowQuerySet:
    """Return the windows for which more can be learnt than was, whole models first."""
    ready = DriftWindow.objects.filter(version__state=ModelVersion.State.READY)
    return ready.to_calibrate().select_related("version__model").order_by("slice", "pk")


def counted(model: RegisteredModel) -> dict[str, Any]:
    """Return how many predictions of a model were counted, and between which moments."""
    whole = DriftWindow.objects.whole().filter(version__model=model)
    return whole.aggregate(n=Sum("n_seen"), first=Min("first_at"), last=Max("last_at"))


def open_by_window(windows: list[int]) -> dict[int, int]:
    """Return how many events are open, by window."""
    rows = DriftEvent.objects.open().filter(window__in=windows).order_by()
    return dict(rows.values_list("window").annotate(n=Count("pk")))


@dataclass(frozen=True)
class Backlog:
    """What is recorded and not counted yet.

    Attributes
    ----------
    n_waiting : int
        Predictions, at most `MOST_WAITING`.
    lag_s : float
        Age of the oldest of them, 0 when none waits.
    """

    n_waiting: int
    lag_s: float


def backlog(at: datetime) -> Backlog:
    """Return how far the watch is behind the predictions."""
    oldest = Arrival.objects.order_by("pk").values_list("pk", flat=True).first()
    if oldest is None:
        return Backlog(0, 0.0)
    found = predictions.answered([oldest])
    lag_s = max(0.0, at.timestamp() - found[0].at_s) if found else 0.0
    return Backlog(Arrival.objects.all()[:MOST_WAITING].count(), lag_s)
