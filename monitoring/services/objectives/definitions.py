"""The objectives there are: what each means, in what it is measured, and the goal to begin with.

Goals marked “ours” are starting points for an administrator to change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SHARE, SECONDS, MONEY = "share", "seconds", "money"
AT_LEAST, AT_MOST = "at_least", "at_most"

AVAILABILITY = "availability"
PREDICTION_P99 = "prediction-p99"
SEARCH_P95 = "search-p95"
CACHE_HITS = "cache-hits"
RETRAIN_SUCCESS = "retrain-success"
METRICS_COMPLETENESS = "metrics-completeness"
DRIFT_FALSE_ALARMS = "drift-false-alarms"
QUALITY_F1, QUALITY_RECALL, QUALITY_AUC = "quality-f1", "quality-recall", "quality-auc"
SAVINGS = "savings"


@dataclass(frozen=True)
class Definition:
    """One objective.

    Attributes
    ----------
    kind
        Its name.
    title, meaning
        For people.
    unit
        ``share``, ``seconds`` or ``money``.
    direction
        Whether the goal is a floor or a ceiling.
    target
        The goal to begin with; None where nobody but the plant can name one.
    window_days
        Over which it is measured.
    parameters
        What it takes besides, by name, with what people call it.
    """

    kind: str
    title: Promise
    meaning: Promise
    unit: str
    direction: str
    target: float | None
    window_days: int = 30
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_floor(self) -> bool:
        """Whether larger is better."""
        return self.direction == AT_LEAST

    def is_met(self, value: float, target: float) -> bool:
        """Whether a value reaches the goal."""
        return value >= target if self.is_floor else value <= target


MISSED_DEFECT, FALSE_ALARM = "missed_defect", "false_alarm"

ALL = (
    Definition(
        AVAILABILITY,
        _("Availability"),
        _("Share of requests that the portal answered without a fault of its own (5xx)."),
        SHARE,
        AT_LEAST,
        0.999,  # ours
    ),
    Definition(
        PREDICTION_P99,
        _("Time of a prediction, 99th percentile"),
        _("From the request's body to the recorded answer, for requests of one shot."),
        SECONDS,
        AT_MOST,
        0.025,  # the target of docs/performance.md at half capacity
        window_days=7,
    ),
    Definition(
        QUALITY_F1,
        _("F1 of the champion in production"),
        _("Harmonic mean of precision and recall on shots whose outcome is known."),
        SHARE,
        AT_LEAST,
        None,
    ),
    Definition(
        QUALITY_RECALL,
        _("Recall of the champion in production"),
        _("Share of the defects that were called, on shots whose outcome is known."),
        SHARE,
        AT_LEAST,
        None,
    ),
    Definition(
        QUALITY_AUC,
        _("ROC AUC of the champion in production"),
        _("Chance that a defect is rated above a good shot, on shots whose outcome is known."),
        SHARE,
        AT_LEAST,
        None,
    ),
    Definition(
        DRIFT_FALSE_ALARMS,
        _("False alarms of drift"),
        _(
            "Share of the watched windows of predictions whose alarm went by itself: labels "
            "confirmed no loss, and nobody named a cause."
        ),
        SHARE,
        AT_MOST,
        0.01,  # the requirement on drift detection: less than 1 % of quiet windows
    ),
    Definition(
        RETRAIN_SUCCESS,
        _("Trainings that succeed"),
        _("Share of ended trainings and retrainings that succeeded; cancelled ones do not count."),
        SHARE,
        AT_LEAST,
        0.95,  # the requirement on retraining
        window_days=90,
    ),
    Definition(
        METRICS_COMPLETENESS,
        _("Completeness of the metrics"),
        _("Share of the minutes since the first one in which a machine was read."),
        SHARE,
        AT_LEAST,
        0.99,  # ours
    ),
    Definition(
        SEARCH_P95,
        _("Time of a search, 95th percentile"),
        _("From the request to the answer, all kinds of search together."),
        SECONDS,
        AT_MOST,
        0.2,  # ours
        window_days=7,
    ),
    Definition(
        CACHE_HITS,
        _("Searches answered from the cache"),
        _("Share of the look-ups in the cache that found an answer."),
        SHARE,
        AT_LEAST,
        0.3,  # ours
        window_days=7,
    ),
    Definition(
        SAVINGS,
        _("Savings by called defects"),
        _(
            "Defects that were called times the cost of a missed one, less false alarms times "
            "theirs, on shots whose outcome is known."
        ),
        MONEY,
        AT_LEAST,
        None,
        parameters={
            MISSED_DEFECT: _("Cost of a defect that is not called"),
            FALSE_ALARM: _("Cost of a good shot that is called a defect"),
        },
    ),
)
BY_KIND = {one.kind: one for one in ALL}

#: Why something was not measured, by the code that rows carry.
REASONS: Mapping[str, Promise] = {
    "no_requests": _("Nothing was asked in the window."),
    "no_champion": _("No model of die-casting quality is live."),
    "no_outcomes": _("No outcome of a prediction in the window is known yet."),
    "one_class": _("The known outcomes are all of one kind."),
    "no_runs": _("No training ended in the window."),
    "no_windows": _("No window of predictions was watched with a threshold learnt for it yet."),
    "no_samples": _("No worker has read its machine yet."),
    "no_source": _("Nothing in this installation measures it yet."),
    "failed": _("Measuring it failed; the log of the worker says why."),
    "no_costs": _("Nobody has entered what a missed defect and a false alarm cost."),
}
