"""Predictions beside measurements: every form on every new trial, and what comes of a bad one."""

import math
from collections.abc import Sequence

from django.urls import reverse
from django.utils.translation import gettext as _

from portal.core import alerts
from portal.core.models import Alert
from portal.lib import clock
from tuning.engine.putrate.contract import Prediction
from tuning.engine.putrate.inputs import PutInputs
from tuning.engine.putrate.versions import loaded
from tuning.models import PutRateForm, PutRateScore, Trial
from tuning.services import put_inputs, put_rates


def score(trials: Sequence[Trial]) -> int:
    """Store what each form of the latest fit predicts for trials it was not fitted on.

    A pair of form and trial is scored once. A form that has become too bad is disabled.

    Returns
    -------
    int
        How many predictions were new.
    """
    forms = put_rates.forms()
    if not forms:
        return 0
    fitted_on = set(forms[0].version.lineage["trials"])
    n_new = 0
    for trial in trials:
        given = put_inputs.of(trial)
        if given is None or trial.pk in fitted_on:
            continue
        n_new += sum(_scored(form, trial, given) for form in forms)
    if n_new:
        for form in forms:
            judge(form)
    return n_new


def _scored(form: PutRateForm, trial: Trial, given: PutInputs) -> bool:
    found = predicted(form, given)
    if found is None:
        return False
    actual = float(trial.values[put_inputs.RATE])
    _row, is_new = PutRateScore.objects.get_or_create(
        trial=trial,
        form=form,
        defaults={
            "predicted": found.rate,
            "low": found.low,
            "high": found.high,
            "actual": actual,
            "error": found.rate / actual - 1.0,
            "is_extrapolated": found.is_extrapolated,
        },
    )
    return is_new


def predicted(form: PutRateForm, given: PutInputs) -> Prediction | None:
    """Return what a form predicts; None where its formula gives no finite rate."""
    try:
        found = loaded(form.content).predict(given)
    except ArithmeticError:
        return None
    is_finite = all(math.isfinite(one) for one in (found.rate, found.low, found.high))
    return found if is_finite and found.rate > 0 else None


def judge(form: PutRateForm) -> None:
    """Disable a form whose recent median error lies outside the interval that it states."""
    recent = put_rates.recent(form)
    if recent.n < put_rates.FEWEST_RECENT or not recent.is_out_of_band:
        return
    seen = {"n": recent.n, "n_outside": recent.n_outside, "median_ape": recent.median_ape}
    is_first = PutRateForm.objects.filter(pk=form.pk, state=PutRateForm.State.ENABLED).update(
        state=PutRateForm.State.DISABLED, seen=seen, disabled_at=clock.now()
    )
    if is_first:
        form.refresh_from_db()
        alerts.raise_alert(
            alert_key(form.name),
            Alert.Severity.WARNING,
            lambda: (
                _("The form %(form)s of the put-rate model is disabled. %(why)s")
                % {"form": form.name, "why": put_rates.why_disabled(form)}
            ),
            reverse("admin:tuning_study_put_rate"),
        )


def alert_key(name: str) -> str:
    """Return the key of the alert about a form."""
    return f"tuning.put_rate.{name}"
