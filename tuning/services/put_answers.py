"""What the put-rate model says to options that nobody has measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from portal.core.errors import Conflict
from tuning.engine.options import Option, Value
from tuning.engine.problems import TuningError
from tuning.engine.putrate.contract import Prediction
from tuning.engine.putrate.inputs import inputs
from tuning.models import PutRateForm, Study, Trial
from tuning.services import asking, put_inputs, put_rates, put_scores, targets


@dataclass(frozen=True)
class Answer:
    """A predicted rate and all that it rests on.

    Attributes
    ----------
    error : float
        Median absolute percentage error of the form that answers, as a share.
    trial : Trial
        The latest under this workload: the machine is taken to be as it was then.
    """

    form: PutRateForm
    prediction: Prediction
    error: float
    workload: str
    configuration: dict[str, Value]
    trial: Trial


def answer(workload: str, words: Mapping[str, str]) -> Answer:
    """Predict the rate that RocksDB sustains under some options.

    Parameters
    ----------
    workload : str
        One of the workloads of puts alone; empty for the first.
    words : mapping
        Options as they are written in an address; those left out have their defaults.

    Raises
    ------
    InvalidInput
        If the workload or an option is unknown or out of its bounds.
    Conflict
        If no form may answer, or nothing was measured under this workload.
    """
    target = targets.get(put_inputs.TARGET)
    load = asking.workload(target, workload)
    try:
        configuration = target.check(_values(target.options(), words))
    except TuningError as exc:
        raise targets.refused(exc) from exc
    form = put_rates.active(put_rates.forms())
    if form is None:
        raise Conflict(
            _("No form of the put-rate model may answer: fit it with the command fit_put_rate."),
            code="no_put_rate_model",
        )
    trial = _latest(load)
    parameters = put_inputs.put_load(trial.study) or {}
    given = inputs(configuration, parameters, **trial.facts[put_inputs.BEFORE])
    found = put_scores.predicted(form, given)
    if found is None:
        raise Conflict(
            _("The form %(form)s gives no finite rate for these options.") % {"form": form.name},
            code="no_finite_rate",
        )
    error = put_rates.error(form, put_rates.recent(form))
    return Answer(form, found, error, load, configuration, trial)


def _latest(workload: str) -> Trial:
    """Return the latest trial under a workload that the models are about."""
    if put_inputs.put_parameters(workload) is None:
        raise asking.problem(
            "workload",
            "not_puts_alone",
            _("“%(name)s” is not a load of puts alone, and no other can be predicted.")
            % {"name": workload},
        )
    found = Study.objects.on_target(put_inputs.TARGET).filter(workload=workload)
    known = Trial.objects.filter(
        study__in=found, state=Trial.State.COMPLETE, facts__has_key=put_inputs.BEFORE
    )
    trial = known.select_related("study").order_by("-pk").first()
    if trial is None:
        raise Conflict(
            _("Nothing was measured under “%(name)s” yet: run a study first.") % {"name": workload},
            code="nothing_measured",
        )
    return trial


def _values(options: tuple[Option, ...], words: Mapping[str, str]) -> dict[str, Any]:
    kinds = {option.name: option.kind for option in options}
    return {name: _value(kinds.get(name, "choice"), word) for name, word in words.items()}


def _value(kind: str, word: str) -> Any:
    """Return a word as a value of an option; as it is where it is none, for the check to name."""
    if kind == "switch":
        return {"true": True, "false": False}.get(word.lower(), word)
    if kind == "choice":
        return word
    try:
        return float(word)
    except ValueError:
        return word
