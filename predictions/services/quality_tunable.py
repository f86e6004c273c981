"""The hyperparameters of the quality model, as something that can be tuned.

A trial is judged as a training is: on the honest protocol's folds of a data set's snapshot, the
rows of the gate's evaluation sets left out.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from portal.core.errors import PortalError
from portal.lib.tunables import Beat, Figure, NotMeasurable, Reading, Setting, Value
from predictions.engine.parameters import ParameterProblem, TrainingParams
from predictions.models import Dataset

#: So many of the latest data sets are offered.
N_OFFERED = 10
_DEFAULTS = asdict(TrainingParams())
_SAMPLES = 5_000


def _number(name: str, low: float, high: float, meaning: str, *, is_log: bool = False) -> Setting:
    default = _DEFAULTS[name]
    kind = "integer" if isinstance(default, int) else "real"
    return Setting(name, kind, default, low, high, is_log, meaning=meaning)  # type: ignore[arg-type]  # one of both


class QualityParameters:
    """Settings of the default learner, measured by the precision of its out-of-fold answers."""

    name = "quality"
    title = gettext_noop("Quality model")
    settings = (
        _number("n_estimators", 30, 400, gettext_noop("Trees."), is_log=True),
        _number("max_depth", 1, 8, gettext_noop("Depth of a tree.")),
        _number("learning_rate", 0.005, 0.3, gettext_noop("Learning rate."), is_log=True),
        _number("subsample", 0.3, 1.0, gettext_noop("Share of shots per tree.")),
        _number("max_features", 0.1, 1.0, gettext_noop("Share of features per split.")),
        _number("min_samples_leaf", 1, 60, gettext_noop("Least shots in a leaf."), is_log=True),
    )
    figures = (
        Figure(
            "pr_auc",
            gettext_noop("Precision over recall (PR AUC)"),
            "",
            "higher",
            "accuracy",
            "out-of-fold answers of the honest protocol, rows of the gate left out",
        ),
        Figure(
            "fit_s", gettext_noop("Time to fit all folds"), "s", "lower", "scaling", "wall time"
        ),
    )

    def subjects(self) -> Sequence[tuple[str, str]]:
        """Return the latest data sets of shots."""
        rows = Dataset.objects.filter(kind=Dataset.Kind.QUALITY).order_by("-created_at")
        return [
            (f"dataset-{row.pk}", f"{row.name} ({row.n_rows:,}, {row.fingerprint[:12]})")
            for row in rows[:N_OFFERED]
        ]

    def problem(self, configuration: Mapping[str, Value]) -> str:
        """Return what the engine of training refuses."""
        try:
            TrainingParams.from_dict(configuration)
        except ParameterProblem as exc:
            return str(exc)
        return ""

    def measure(
        self,
        configuration: Mapping[str, Value],
        subject: str,
        *,
        seconds: float,
        seed: int,
        folder: Path,
        beat: Beat,
    ) -> Reading:
        """Fit all folds and score what was said of the shots left out of each."""
        del seconds, folder
        from predictions.services import datasets, holdout  # noqa: PLC0415 - not in the web process

        dataset = Dataset.objects.filter(pk=_number_of(subject)).first()
        if dataset is None:
            raise NotMeasurable(_("There is no data set “%(name)s” any more.") % {"name": subject})
        beat(0.0, "read")
        try:
            table = holdout.divide(datasets.load(dataset))[0]
        except PortalError as exc:
            raise NotMeasurable(str(exc)) from exc
        params = TrainingParams.from_dict({**configuration, "n_bootstraps": 0, "compare": False})
        before, started = _cpu_s(), time.perf_counter()
        scored, fit_s = _fitted(table, params, seed, beat)
        elapsed = time.perf_counter() - started
        every, own = (after - first for after, first in zip(_cpu_s(), before, strict=True))
        from predictions.engine.metrics import average_precision  # noqa: PLC0415 - as above

        even = np.ones(len(scored.labels))
        value = average_precision(scored.labels, scored.probability, scored.called, even)
        return Reading(
            values={"pr_auc": value, "fit_s": fit_s},
            samples={
                "probability": scored.probability[:_SAMPLES].tolist(),
                "label": scored.labels[:_SAMPLES].astype(float).tolist(),
            },
            foreign_load=max(0.0, (every - own) / max(elapsed, 1e-9)),
            facts={"dataset": dataset.fingerprint, "n_scored": len(scored.labels)},
        )

    def exported(self, configuration: Mapping[str, Value]) -> tuple[str, str]:
        """Return the parameters of a training, as the API and ``train`` take them."""
        return "training-params.json", json.dumps(dict(configuration), indent=2)


def _fitted(table: Any, params: TrainingParams, seed: int, beat: Beat) -> tuple[Any, float]:
    from predictions.engine import evaluation  # noqa: PLC0415 - not in the web process
    from predictions.engine.basis import prepare  # noqa: PLC0415 - as above
    from predictions.engine.crossfit import OneClassPart, cross_fit  # noqa: PLC0415 - as above
    from predictions.engine.problems import EngineError  # noqa: PLC0415 - as above
    from predictions.engine.progress import Meter  # noqa: PLC0415 - as above
    from predictions.engine.trials import main_trial  # noqa: PLC0415 - as above

    try:
        basis = prepare(table, params, seed)
        trial = main_trial(basis)
        meter = Meter(lambda share, phase, _message, _metrics: beat(share, str(phase)), trial.work)
        started = time.perf_counter()
        fits = cross_fit(trial.shots, trial.plans, params, seed, meter)
    except (EngineError, OneClassPart) as exc:
        raise NotMeasurable(str(exc)) from exc
    return evaluation.out_of_fold(trial.shots, fits)[1], time.perf_counter() - started


def _number_of(subject: str) -> int:
    text = subject.removeprefix("dataset-")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _cpu_s() -> tuple[float, float]:
    """Return the CPU seconds of the machine and those of this process."""
    times, own = psutil.cpu_times(), os.times()
    busy = sum(times) - times.idle - getattr(times, "iowait", 0.0)
    return float(busy), own.user + own.system
