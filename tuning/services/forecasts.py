"""What the put-rate model says of a running instance, from its options and its workload."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from portal.core.errors import PortalError
from portal.lib import clock
from tuning.engine.problems import TuningError
from tuning.models import Instance
from tuning.services import asking, put_answers, put_inputs, targets

#: A new fit or a new trial shows within this time; ours.
EVERY = timedelta(minutes=10)


def require(workload: str, *, is_needed: bool) -> None:
    """Refuse a workload that the target does not have, and readings without one.

    Raises
    ------
    InvalidInput
        Naming the workload, or that one is missing.
    """
    if workload:
        asking.workload(targets.get(put_inputs.TARGET), workload)
    elif is_needed:
        raise asking.problem(
            "workload",
            "workload_missing",
            _("Readings belong to a workload: name the one that the instance is under."),
        )


def refresh(instance: Instance) -> None:
    """Predict the rate of an instance anew when it is time, or why that cannot be done."""
    now = clock.now()
    if instance.predicted_at is not None and now - instance.predicted_at < EVERY:
        return
    instance.prediction, instance.predicted_at = _predicted(instance), now
    Instance.objects.filter(pk=instance.pk).update(
        prediction=instance.prediction, predicted_at=instance.predicted_at
    )


def _predicted(instance: Instance) -> dict[str, Any]:
    if not instance.workload or not instance.options:
        return {}
    try:
        found = put_answers.answer(instance.workload, _words(instance.options))
    except (PortalError, TuningError) as exc:
        return {"why": str(exc)}
    return {
        "rate": found.prediction.rate,
        "low": found.prediction.low,
        "high": found.prediction.high,
        "form": found.form.name,
        "error": found.error,
        "is_extrapolated": found.prediction.is_extrapolated,
    }


def _words(options: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in options.items()
    }
