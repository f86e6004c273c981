"""What a study leaves for other programs: five JSON documents of a stated shape.

``tuning`` holds what was asked and every trial, ``performance`` what was proved and at which price,
``integration`` whether the parts worked together, ``deployment`` what became of the candidate,
``realtime`` what its trials showed second by second.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from portal.core.errors import NotFound
from portal.registry.models import ModelVersion
from tuning import selectors
from tuning.models import PutRateScore, Study, Trial
from tuning.services import put_rates, trial_courses

#: Rises when a field goes or changes its meaning.
SCHEMA = 1


def document(study: Study, kind: str) -> dict[str, Any]:
    """Return one of the documents of :data:`KINDS`.

    Raises
    ------
    NotFound
        If there is none of that kind; the message names those there are.
    """
    if kind not in KINDS:
        raise NotFound(
            _("There is no document “%(seen)s” of a study; there are: %(known)s.")
            % {"seen": kind[:40], "known": ", ".join(KINDS)}
        )
    head = {
        "schema": SCHEMA,
        "kind": kind,
        "study": str(study.pk),
        "name": study.name,
        "target": study.target,
        "workload": study.workload,
        "state": study.state,
        "created_at": study.created_at.isoformat(),
        "finished_at": _moment(study.finished_at),
    }
    return head | KINDS[kind](study)


def _tuning(study: Study) -> dict[str, Any]:
    return {
        "objective": study.objective,
        "budget": study.budget,
        "space": study.space,
        "current": study.current,
        "seed": study.seed,
        "trials": [
            {
                "number": trial.number,
                "role": trial.role,
                "state": trial.state,
                "pair": trial.pair,
                "origin": trial.facts.get("origin", {}),
                "configuration": trial.configuration,
                "values": trial.values,
                "score": trial.score,
                "is_within_guards": trial.is_within_guards,
                "is_disturbed": bool(trial.facts.get("is_disturbed", False)),
                "reason": selectors.reason(trial),
                "seconds": trial.seconds,
            }
            for trial in study.trials.all()
        ],
    }


def _performance(study: Study) -> dict[str, Any]:
    return {
        "verdict": study.verdict,
        "ground": study.proof.get("ground", ""),
        "interval": study.proof.get("interval", {}),
        "log_ratios": study.proof.get("log_ratios", []),
        "metrics": study.proof.get("metrics", {}),
        "importance": study.findings.get("importance", {}),
        "seconds_measured": study.spent_s,
    }


def _integration(study: Study) -> dict[str, Any]:
    trials = list(study.trials.all())
    return {
        "environment": study.environment,
        "run": str(study.run_id) if study.run_id else None,
        "trials_by_state": dict(Counter(trial.state for trial in trials)),
        "trials_by_role": dict(Counter(trial.role for trial in trials)),
        "disturbed": sum(bool(trial.facts.get("is_disturbed")) for trial in trials),
        "outside_guards": sum(not trial.is_within_guards for trial in trials),
        "put_rate": [
            {
                "trial": score.trial.number,
                "form": score.form.name,
                "predicted": score.predicted,
                "low": score.low,
                "high": score.high,
                "measured": score.actual,
                "error": score.error,
            }
            for score in predictions(study)
        ],
    }


def _deployment(study: Study) -> dict[str, Any]:
    registered: Mapping[str, Any] = study.proof.get("version") or {}
    version = ModelVersion.objects.filter(pk=registered["id"]).first() if registered else None
    return {
        "candidate": study.proof.get("candidate"),
        "version": dict(registered) or None,
        "version_state": str(version.state) if version else None,
        "watches": [
            {
                "state": watch.state,
                "bound": watch.bound,
                "n_readings": watch.n_readings,
                "n_breaches": watch.n_breaches,
                "began_at": _moment(watch.began_at),
                "ended_at": _moment(watch.ended_at),
            }
            for watch in selectors.watches(study)
        ],
    }


def predictions(study: Study) -> list[PutRateScore]:
    """Return what the put-rate form that answers predicted for the trials of a study."""
    form = put_rates.active(put_rates.forms())
    if form is None:
        return []
    found = PutRateScore.objects.filter(
        form=form, trial__study=study, trial__state=Trial.State.COMPLETE
    )
    return list(found.select_related("trial", "form").order_by("trial__number"))


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


KINDS: Mapping[str, Callable[[Study], dict[str, Any]]] = {
    "tuning": _tuning,
    "performance": _performance,
    "integration": _integration,
    "deployment": _deployment,
    "realtime": trial_courses.document,
}
