"""The trial that a study measures right now, as its page shows it."""

from typing import Any

from tuning import selectors
from tuning.admin import instance_pictures
from tuning.models import Study
from tuning.services import trial_courses, trial_watch


def shown(study: Study) -> dict[str, Any]:
    """Return the trial in hand with what was seen of it so far; nothing between two trials.

    A trial that waits for the machine shows nothing, for what is seen there is of another study.
    """
    trial = trial_watch.in_hand(study) if study.is_active else None
    if trial is None:
        return {"trial": None}
    trial.study = study
    instance = trial_watch.instance_of(study)
    found: dict[str, Any] = {
        "trial": trial,
        "origin": selectors.came_from(trial),
        "instance": instance,
        "last": None,
    }
    is_waiting = not trial_watch.spells(trial)
    if is_waiting or instance is None or instance.options != trial.configuration:
        return found
    course = trial_courses.of_trial(trial, instance)
    last = course.rows[-1] if course.rows else None
    predicted = instance.predicted_rate
    return found | {
        "last": last,
        "prediction": instance.prediction,
        "share": last["rate"] / predicted if last and last["rate"] and predicted else None,
        "cards": [card for card in instance_pictures.cards(course) if card.picture],
    }
