"""Versions of one model side by side: what each answered, and what the shadow would have."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Avg, Count, Max, Min, Q

from portal.registry.models import ModelVersion, RegisteredModel
from predictions.engine import bootstrap
from predictions.engine.bootstrap import Interval, Scored
from predictions.models import Outcome, Prediction, ShadowScore
from predictions.selectors.live import (
    DEFAULT_SPAN,
    MAX_JUDGED,
    METRICS,
    N_DRAWS,
    SEED,
    LiveQuality,
    live_quality,
)

#: The latest shadow scores that are compared; more take longer and say no more.
MAX_COMPARED = 200_000
#: Fewer labelled shots give no interval worth showing; ours.
MIN_LABELLED = 30
_DEFECT = Prediction.Label.DEFECT.value

_PAIRS = """
    SELECT version_id, shadow_id, count(*), count(shadow_probability),
           avg((predicted_class = shadow_class)::int) FILTER (WHERE shadow_probability IS NOT NULL),
           count(*) FILTER (WHERE predicted_class = 'defect' AND shadow_class = 'ok'),
           count(*) FILTER (WHERE predicted_class = 'ok' AND shadow_class = 'defect'),
           avg(shadow_probability - probability),
           avg(abs(shadow_probability - probability)),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY abs(shadow_probability - probability)),
           max(abs(shadow_probability - probability)),
           corr(shadow_probability, probability)
    FROM (
        SELECT prediction.version_id, prediction.probability, prediction.predicted_class,
               score.version_id AS shadow_id, score.probability AS shadow_probability,
               score.predicted_class AS shadow_class
        FROM predictions_shadowscore AS score
        JOIN predictions_prediction AS prediction ON prediction.id = score.prediction_id
        WHERE score.version_id = ANY(%(versions)s)
          AND score.at >= %(since)s AND score.at < %(until)s
        ORDER BY score.at DESC
        LIMIT %(most)s
    ) AS pair
    GROUP BY version_id, shadow_id
    ORDER BY shadow_id DESC, version_id DESC
"""


@dataclass(frozen=True)
class Answered:
    """What one version answered in one role.

    Attributes
    ----------
    version : ModelVersion
    role : str
        Of :class:`Prediction.Role`.
    n_predictions : int
    called_share : float
        Share called a defect.
    mean_probability, mean_latency_ms : float
    first_at, last_at : datetime
    """

    version: ModelVersion
    role: str
    n_predictions: int
    called_share: float
    mean_probability: float
    mean_latency_ms: float
    first_at: datetime
    last_at: datetime

    @property
    def label(self) -> str:
        """The role in words."""
        return str(Prediction.Role(self.role).label)


@dataclass(frozen=True)
class Paired:
    """One metric of two versions on the same labelled shots."""

    answered: Interval
    shadow: Interval
    difference: Interval


@dataclass(frozen=True)
class Agreement:
    """A version in the shadow beside the one that answered, on the same shots.

    Attributes
    ----------
    answered, shadow : ModelVersion
    n_shots : int
        Answered by the one and looked at by the other.
    n_scored : int
        Those of them that the shadow took; it refused the rest.
    agreement : float or None
        Share of those scored on which both say the same.
    n_only_answered, n_only_shadow : int
        Called a defect by one alone.
    mean_difference, mean_absolute, p95_absolute, largest : float or None
        Of the probabilities, shadow less answered.
    correlation : float or None
        Of the probabilities.
    n_labelled : int
        Scored shots whose outcome is known.
    quality : dict of str to Paired
        By metric; empty with fewer than thirty labelled shots.
    """

    answered: ModelVersion
    shadow: ModelVersion
    n_shots: int
    n_scored: int
    agreement: float | None
    n_only_answered: int
    n_only_shadow: int
    mean_difference: float | None
    mean_absolute: float | None
    p95_absolute: float | None
    largest: float | None
    correlation: float | None
    n_labelled: int
    quality: dict[str, Paired]

    @property
    def n_refused(self) -> int:
        """Shots that the shadow does not take."""
        return self.n_shots - self.n_scored


@dataclass(frozen=True)
class Comparison:
    """Versions of a model in one span of time.

    Attributes
    ----------
    model : RegisteredModel
    since, until : datetime
        Of the predictions.
    answered : list of Answered
        By version and role.
    live : list of LiveQuality
        Of each version that answered, on its own shots.
    shadows : list of Agreement
        By version in the shadow and version that answered.
    """

    model: RegisteredModel
    since: datetime
    until: datetime
    answered: list[Answered]
    live: list[LiveQuality]
    shadows: list[Agreement]

    def to_dict(self) -> dict[str, Any]:
        """Return everything ready for JSON but for times."""
        return {
            "model": self.model.name,
            "since": self.since,
            "until": self.until,
            "answered": [
                _plain(one) | {"model_version": one.version.number} for one in self.answered
            ],
            "live": [one.to_dict() for one in self.live],
            "shadows": [
                _plain(one)
                | {
                    "answered_version": one.answered.number,
                    "shadow_version": one.shadow.number,
                    "quality": {name: asdict(both) for name, both in one.quality.items()},
                }
                for one in self.shadows
            ],
        }


def compare(
    model: RegisteredModel,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Comparison:
    """Put the versions of a model side by side.

    Parameters
    ----------
    model
        Of the quality family.
    now
        The present moment.
    since, until
        Of the predictions; by default the last thirty days.
    """
    until = until or now
    since = since or until - DEFAULT_SPAN
    versions = {version.pk: version for version in model.versions.select_related("model")}
    answered = _answered(versions, since, until)
    live = [
        live_quality(version, now=now, since=since, until=until)
        for version in dict.fromkeys(one.version for one in answered)
    ]
    shadows = _agreements(versions, since, until)
    return Comparison(model, since, until, answered, live, shadows)


def _answered(
    versions: dict[int, ModelVersion], since: datetime, until: datetime
) -> list[Answered]:
    rows = (
        Prediction.objects.filter(version__in=versions, at__gte=since, at__lt=until)
        .values("version_id", "role")
        .annotate(
            n=Count("pk"),
            n_called=Count("pk", filter=Q(predicted_class=_DEFECT)),
            probability=Avg("probability"),
            latency=Avg("latency_ms"),
            first=Min("at"),
            last=Max("at"),
        )
        .order_by("-version_id", "role")
    )
    return [
        Answered(
            version=versions[row["version_id"]],
            role=row["role"],
            n_predictions=row["n"],
            called_share=row["n_called"] / row["n"],
            mean_probability=row["probability"],
            mean_latency_ms=row["latency"],
            first_at=row["first"],
            last_at=row["last"],
        )
        for row in rows
    ]


def _agreements(
    versions: dict[int, ModelVersion], since: datetime, until: datetime
) -> list[Agreement]:
    words: dict[str, Any] = {
        "versions": list(versions),
        "since": since,
        "until": until,
        "most": MAX_COMPARED,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS, words)
        rows = cursor.fetchall()
    return [_agreement(versions, row, since, until) for row in rows]


def _agreement(
    versions: dict[int, ModelVersion], row: Sequence[Any], since: datetime, until: datetime
) -> Agreement:
    answered_id, shadow_id, n_shots, n_scored, agreement, *rest = row
    n_only_answered, n_only_shadow, mean, absolute, p95, largest, correlation = rest
    n_labelled, quality = _quality(answered_id, shadow_id, since, until)
    return Agreement(
        answered=versions[answered_id],
        shadow=versions[shadow_id],
        n_shots=n_shots,
        n_scored=n_scored,
        agreement=None if agreement is None else float(agreement),
        n_only_answered=n_only_answered,
        n_only_shadow=n_only_shadow,
        mean_difference=mean,
        mean_absolute=absolute,
        p95_absolute=p95,
        largest=largest,
        correlation=correlation,
        n_labelled=n_labelled,
        quality=quality,
    )


def _quality(
    answered_id: int, shadow_id: int, since: datetime, until: datetime
) -> tuple[int, dict[str, Paired]]:
    """Judge both versions on the shots whose outcome is known."""
    labels = dict(
        Outcome.objects.current()
        .filter(
            prediction__version=answered_id,
            prediction__at__gte=since,
            prediction__at__lt=until,
            prediction__shadow_scores__version=shadow_id,
            prediction__shadow_scores__probability__isnull=False,
        )
        .order_by("-prediction__at")
        .values_list("prediction_id", "label")[:MAX_JUDGED]
    )
    if len(labels) < MIN_LABELLED:
        return len(labels), {}
    rows = list(
        ShadowScore.objects.filter(version=shadow_id, prediction__in=labels)
        .order_by("at", "pk")
        .values_list(
            "prediction_id",
            "at",
            "prediction__probability",
            "prediction__predicted_class",
            "probability",
            "predicted_class",
        )
    )
    truth = np.array([labels[row[0]] == _DEFECT for row in rows], dtype=bool)
    groups = np.array([int(row[1].timestamp()) // 3600 for row in rows], dtype=np.intp)
    one = _scored(truth, [row[2:4] for row in rows], groups)
    other = _scored(truth, [row[4:6] for row in rows], groups)
    of_one = bootstrap.intervals(one, seed=SEED, n_draws=N_DRAWS, names=METRICS)
    of_other = bootstrap.intervals(other, seed=SEED, n_draws=N_DRAWS, names=METRICS)
    return len(rows), {
        name: Paired(
            of_one[name],
            of_other[name],
            bootstrap.paired_difference(other, one, name, seed=SEED, n_draws=N_DRAWS),
        )
        for name in METRICS
    }


def _scored(truth: Any, said: Sequence[Sequence[Any]], groups: Any) -> Scored:
    return Scored(
        labels=truth,
        probability=np.array([probability for probability, _label in said], dtype=np.float64),
        called=np.array([label == _DEFECT for _probability, label in said], dtype=bool),
        groups=groups,
    )


def _plain(one: Answered | Agreement) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}
