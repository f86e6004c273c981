"""What the trials of a study showed, second by second, as pages and documents read it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from portal.lib import clock
from tuning.models import Instance, Study, Trial
from tuning.services import courses, trial_watch
from tuning.services.courses import Course


def of_trial(trial: Trial, instance: Instance) -> Course:
    """Return the trial in hand since it last had the machine, at most its latest minutes.

    It must have had the machine before.
    """
    began, ended = trial_watch.spells(trial)[-1]
    until = ended or clock.now()
    since = max(began, until - courses.SPAN)
    return courses.course(instance, since=min(since, until - courses.BREATH), until=until)


def document(study: Study) -> dict[str, Any]:
    """Return what was seen while a study was measured, each row with the trial it belongs to.

    A study of up to twenty minutes comes in seconds, up to a day in minutes, beyond in hours, and
    as far as these are kept; a row longer than a second has no trial.
    """
    instance = trial_watch.instance_of(study)
    trials = list(study.trials.order_by("number"))
    empty: dict[str, Any] = {
        "instance": instance.name if instance else None,
        "resolution": None,
        "prediction": instance.prediction if instance and study.is_active else {},
        "samples": [],
    }
    if instance is None or not trials:
        return empty
    until = study.finished_at or (clock.now() if study.is_active else _end(trials))
    found = courses.course(
        instance, since=trials[0].started_at.replace(microsecond=0), until=until + courses.BREATH
    )
    return empty | {"resolution": found.resolution, "samples": _rows(found, trials)}


def _end(trials: Sequence[Trial]) -> datetime:
    return max(trial.finished_at or trial.started_at for trial in trials)


def _rows(course: Course, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    rows = []
    spells = [
        (began.replace(microsecond=0), ended, trial.number)
        for trial in reversed(trials)
        for began, ended in trial_watch.spells(trial)
    ]
    for row in course.rows:
        number = _trial_at(row["at"], spells) if course.resolution == "second" else None
        if number is None and course.resolution == "second":
            continue
        rows.append({**_plain(row), "trial": number})
    return rows


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "at": row["at"].isoformat()}


def _trial_at(at: datetime, spells: Sequence[tuple[datetime, datetime | None, int]]) -> int | None:
    """Return the trial that a second belongs to; spells of the latest trial come first."""
    return next(
        (number for began, ended, number in spells if began <= at and (not ended or at <= ended)),
        None,
    )
