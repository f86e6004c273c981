"""Whether the put-rate model is to be fitted anew by itself."""

from django.utils.translation import gettext as _

from tuning.services import put_fits, put_inputs, put_rates

#: Ours: fewer new trials than a form is judged by change little.
LEAST_NEW = put_rates.FEWEST_RECENT


def reason_to_wait() -> str:
    """Return why there is nothing to fit now; empty when there is."""
    trials = put_inputs.measured()
    if missing := put_rates.missing(len(trials), put_fits.n_configurations(trials)):
        return missing
    forms = put_rates.forms()
    if not forms:
        return ""
    last = forms[0].version.created_at
    n_new = sum(trial.finished_at is not None and trial.finished_at > last for trial in trials)
    if n_new >= LEAST_NEW:
        return ""
    return _(
        "%(n)d new trials since the last fit; a fit by itself waits for %(least)d of them."
    ) % {"n": n_new, "least": LEAST_NEW}
