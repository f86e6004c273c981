"""Where a search begins: the best of an earlier study, what a model predicts, what is advised.

Each point carries where it comes from to its trial, so that page, report and API can say it. None
counts for more than any other trial.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import F

from tuning.engine import sampling
from tuning.engine.contract import Advice, Target
from tuning.engine.options import Option, Value
from tuning.engine.problems import TuningError
from tuning.engine.procedure import Plan
from tuning.engine.putrate.inputs import inputs
from tuning.engine.sampling import Search
from tuning.models import PutRateForm, Study, Trial
from tuning.services import history, put_inputs, put_rates, put_scores

ADVICE, WARM, MODEL = "advice", "warm", "model"
#: Of an earlier study, so many of its best are measured first.
N_WARM = 5
#: Of what a model predicts, so many are measured, the best of so many draws; ours.
N_PREDICTED, N_DRAWS = 2, 256
#: So many trials of a search draw only the options that the advice speaks of; ours.
N_FOCUSED = 40
#: Options that the put-rate models know.
_KNOWN = (
    "compression",
    "compaction_style",
    "write_buffer_size",
    "max_write_buffer_number",
    "level0_file_num_compaction_trigger",
    "level0_slowdown_writes_trigger",
    "level0_stop_writes_trigger",
    "max_bytes_for_level_base",
)


@dataclass(frozen=True)
class Point:
    """A configuration to measure early, and where it comes from."""

    configuration: dict[str, Value]
    origin: dict[str, str]


def enqueue(
    study: Study, target: Target, plan: Plan, search: Search, reference: Mapping[str, float]
) -> None:
    """Have the first points of a search proposed, unless it has begun.

    Parameters
    ----------
    reference : mapping
        What the options in use showed.
    """
    if study.trials.filter(role=Trial.Role.SEARCH).exists():
        return
    advised = [
        Point({**study.current, **one.changes}, {"kind": ADVICE, "name": one.name, "why": one.why})
        for one in _advice(study, target, reference)
    ]
    # What is known to help comes before what a model expects: a short search tries it for certain.
    points = (*_earlier(study), *advised[:1], *_predicted(study, target, plan), *advised[1:])
    for point in points:
        search.enqueue(point.configuration, point.origin)


def focus(study: Study, target: Target, reference: Mapping[str, float]) -> frozenset[str]:
    """Return the options that the next trial draws; none for all of them.

    A study that says which options may change has chosen itself, and one that goes on long enough
    draws from all.
    """
    n_searched = study.trials.filter(role=Trial.Role.SEARCH).count()
    if study.space or n_searched >= N_FOCUSED:
        return frozenset()
    return frozenset(name for one in _advice(study, target, reference) for name in one.changes)


def origin_of(study: Study, configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return where a configuration came from when it was first searched; empty for the sampler."""
    first = study.trials.filter(role=Trial.Role.SEARCH, configuration=dict(configuration)).first()
    return dict(first.facts.get("origin", {})) if first else {}


def _advice(study: Study, target: Target, reference: Mapping[str, float]) -> Sequence[Advice]:
    found = []
    for one in target.advice(reference):
        try:
            target.check({**study.current, **one.changes})
        except TuningError:  # at odds with the options in use
            continue
        found.append(one)
    return found


def _earlier(study: Study) -> list[Point]:
    if study.warm_from_id is None:
        return []
    found = Trial.objects.filter(
        study=study.warm_from_id, role=Trial.Role.SEARCH, state=Trial.State.COMPLETE
    ).order_by(F("score").desc(nulls_last=True))
    return [
        Point(
            dict(trial.configuration),
            {"kind": WARM, "name": str(study.warm_from), "number": str(trial.number)},
        )
        for trial in found[:N_WARM]
    ]


def _predicted(study: Study, target: Target, plan: Plan) -> list[Point]:
    """Return what the put-rate form that answers predicts to be best, within what it was shown."""
    form = put_rates.active(put_rates.forms()) if _asks_for_rate(study, plan) else None
    last = _machine(study)
    if form is None or last is None:
        return []
    drawn = _drawn(study, history.space(study, target), target)
    rated = [(rate, one) for one in drawn if (rate := _rate(form, study, last, one)) > 0]
    best = sorted(rated, key=lambda one: -one[0])[:N_PREDICTED]
    return [
        Point(one, {"kind": MODEL, "name": form.name, "rate": f"{rate:.0f}"}) for rate, one in best
    ]


def _asks_for_rate(study: Study, plan: Plan) -> bool:
    is_rate = any(metric.name == put_inputs.RATE for metric in plan.goal.metrics.values())
    return is_rate and put_inputs.put_load(study) is not None


def _machine(study: Study) -> dict[str, float] | None:
    """Return what the machine gave right before the latest trial of the options in use."""
    trial = study.trials.filter(state=Trial.State.COMPLETE, facts__has_key=put_inputs.BEFORE).last()
    return dict(trial.facts[put_inputs.BEFORE]) if trial else None


def _rate(
    form: PutRateForm, study: Study, machine: Mapping[str, float], one: Mapping[str, Value]
) -> float:
    """Return the predicted rate (1/s); 0 where the form was never shown anything like it."""
    found = put_scores.predicted(form, inputs(one, put_inputs.put_load(study) or {}, **machine))
    return 0.0 if found is None or found.is_extrapolated else found.rate


def _drawn(study: Study, space: Sequence[Option], target: Target) -> list[dict[str, Value]]:
    """Return allowed configurations that differ in options that the models know."""
    known = [option for option in space if option.name in _KNOWN]
    generator = np.random.default_rng(study.seed)
    found = []
    for _draw in range(N_DRAWS):
        drawn = {option.name: sampling.drawn(option, generator) for option in known}
        try:
            found.append(target.check({**study.current, **drawn}))
        except TuningError:
            continue
    return found
