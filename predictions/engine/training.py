"""Train a quality model: check, judge, fit, and tell how good it is.

The model that is returned was fitted on all distinct shots. Its figures come from models fitted the
same way on parts of them; its calibration, threshold, confidence rule and drift baseline come from
those models' scores of shots they had not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.lib.coded import gettext_noop
from predictions.engine import evaluation
from predictions.engine.baseline import DriftBaseline, drift_baseline
from predictions.engine.basis import Basis, NotTrainable, prepare
from predictions.engine.calibration import FITS
from predictions.engine.calibrators import Calibrator
from predictions.engine.confidence import ConfidenceRule, learn_rule
from predictions.engine.costs import operating_points
from predictions.engine.crossfit import (
    Fitted,
    FoldFit,
    OneClassPart,
    Shots,
    cross_fit,
    fit,
)
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.latent import fit_projection
from predictions.engine.metrics import expected_calibration_error
from predictions.engine.parameters import TrainingParams
from predictions.engine.problems import Problem
from predictions.engine.progress import Meter, OnProgress, Said
from predictions.engine.quality_model import QualityModel
from predictions.engine.report import EvaluationReport, ProtocolResult
from predictions.engine.signature import Signature, learned_signature
from predictions.engine.tables import ShotTable
from predictions.engine.threshold import best_f1_threshold
from predictions.engine.trials import Trial, main_trial, other_trials


@dataclass(frozen=True, eq=False)
class TrainedModel(QualityModel):
    """A quality model with everything a version of it needs.

    Attributes
    ----------
    params : TrainingParams
    seed : int
    signature : Signature
        Features with the ranges learned from the training shots.
    threshold : float
        A shot with at least this calibrated probability is called a defect.
    confidence : ConfidenceRule
    report : EvaluationReport
    baseline : DriftBaseline
    """

    params: TrainingParams
    seed: int
    signature: Signature
    threshold: float
    confidence: ConfidenceRule
    report: EvaluationReport
    baseline: DriftBaseline


def train(
    table: ShotTable,
    params: TrainingParams | None = None,
    *,
    seed: int,
    held_out: ShotTable | None = None,
    on_progress: OnProgress | None = None,
) -> TrainedModel:
    """Train and judge a quality model.

    Parameters
    ----------
    table : ShotTable
        Labelled shots in production order.
    params : TrainingParams, optional
        Defaults otherwise.
    seed : int
        Same table, parameters and seed give the same model and the same report.
    held_out : ShotTable, optional
        An evaluation set. Rows with the same values, whatever their counter, are left out.
    on_progress : callable, optional
        ``on_progress(fraction, phase, message, metrics)``, called several times a second; an
        exception raised in it ends the training and comes out of here.

    Returns
    -------
    TrainedModel

    Raises
    ------
    NotTrainable
        Without complete labels, with too few distinct shots of either class, without a feature
        that varies, or when a part of the split holds one class only.
    """
    basis = prepare(table, params or TrainingParams(), seed, held_out)
    main = main_trial(basis)
    others, unplanned = other_trials(basis)
    n_shots = len(basis.shots)
    meter = Meter(on_progress, main.work + sum(trial.work for trial in others) + n_shots)
    meter.enter(
        "evaluate", Said(gettext_noop("Judging on {n_shots:,} distinct shots"), n_shots=n_shots)
    )
    fits = _main_fits(basis, main, meter)
    meter.enter(
        "fit", Said(gettext_noop("Fitting on all {n_shots:,} distinct shots"), n_shots=n_shots)
    )
    fitted = fit(basis.shots, basis.params, seed, meter, Said(gettext_noop("Final model")))
    meter.enter("compare", Said(gettext_noop("Judging under other protocols")))
    comparisons, failed = _compared(basis, others, meter)
    meter.enter("report", Said(gettext_noop("Writing the report")))
    result = _judged(basis, main, fits, meter)
    trained = _assembled(basis, fits, fitted, result, comparisons, (*unplanned, *failed))
    meter.finish(Said(gettext_noop("Done")))
    return trained


def _main_fits(basis: Basis, trial: Trial, meter: Meter) -> tuple[FoldFit, ...]:
    try:
        return cross_fit(trial.shots, trial.plans, basis.params, basis.seed, meter)
    except OneClassPart as exc:
        params = {"value": trial.protocol.name}
        raise NotTrainable([Problem("", "folds_not_trainable", None, params)]) from exc


def _compared(
    basis: Basis, trials: Sequence[Trial], meter: Meter
) -> tuple[tuple[ProtocolResult, ...], tuple[Problem, ...]]:
    results, failed = [], []
    for trial in trials:
        try:
            fits = cross_fit(trial.shots, trial.plans, basis.params, basis.seed, meter)
        except OneClassPart:
            failed.append(Problem(trial.protocol.name, "comparison_not_possible"))
            continue
        results.append(_judged(basis, trial, fits, meter))
    return tuple(results), tuple(failed)


def _judged(basis: Basis, trial: Trial, fits: Sequence[FoldFit], meter: Meter) -> ProtocolResult:
    message = Said(
        gettext_noop("Drawing intervals under the protocol {protocol}"),
        protocol=trial.protocol.name,
    )
    return evaluation.judge(
        trial.shots,
        fits,
        trial.protocol,
        seed=basis.seed,
        n_draws=basis.params.n_bootstraps,
        on_draw=lambda: meter.advance(0, message),
    )


@dataclass(frozen=True, eq=False)
class _Calling:
    """How the final model turns raw scores into calls, learned from out-of-fold scores."""

    rows: NDArray[np.intp]
    calibration: Calibrator
    probability: NDArray[np.float64]
    threshold: float
    confidence: ConfidenceRule

    @property
    def called(self) -> NDArray[np.bool_]:
        called: NDArray[np.bool_] = self.probability >= self.threshold
        return called


def _calling(shots: Shots, fits: Sequence[FoldFit], method: str) -> _Calling:
    rows = np.concatenate([one.fold.test for one in fits])
    raw = np.concatenate([one.raw for one in fits])
    labels = shots.labels[rows]
    calibration = FITS[method](raw, labels)
    probability = calibration.probability(raw)
    threshold = best_f1_threshold(labels, probability)
    error = expected_calibration_error(
        labels, probability, probability >= threshold, np.ones(len(rows))
    )
    rule = learn_rule(labels, probability, threshold, error)
    return _Calling(rows, calibration, probability, threshold, rule)


def _assembled(
    basis: Basis,
    fits: Sequence[FoldFit],
    fitted: Fitted,
    result: ProtocolResult,
    comparisons: tuple[ProtocolResult, ...],
    failed: tuple[Problem, ...],
) -> TrainedModel:
    matrix = basis.shots.matrix
    calling = _calling(basis.shots, fits, basis.params.calibration)
    warned = evaluation.figure_findings(result, comparisons)
    findings = (*basis.findings, *failed, *warned)
    return TrainedModel(
        params=basis.params,
        seed=basis.seed,
        signature=learned_signature(matrix),
        fitted=fitted,
        projection=fit_projection(fitted.imputer.fill(matrix)),
        calibration=calling.calibration,
        threshold=calling.threshold,
        confidence=calling.confidence,
        report=_report(basis, fits, fitted, result, comparisons, calling.threshold, findings),
        baseline=drift_baseline(
            matrix[calling.rows],
            FEATURE_NAMES,
            calling.probability,
            calling.called,
            seed=basis.seed,
        ),
    )


def _report(
    basis: Basis,
    fits: Sequence[FoldFit],
    fitted: Fitted,
    result: ProtocolResult,
    comparisons: tuple[ProtocolResult, ...],
    threshold: float,
    findings: tuple[Problem, ...],
) -> EvaluationReport:
    shots = basis.shots
    rows, scored = evaluation.out_of_fold(shots, fits)
    parts = evaluation.slices(
        scored, basis.slice_columns(rows), seed=basis.seed, n_draws=basis.params.n_bootstraps
    )
    worst = evaluation.worst(parts)
    columns = (*FEATURE_NAMES, *(f"Latent_{number + 1}" for number in range(basis.params.n_latent)))
    ranked = sorted(
        zip(columns, fitted.learner.importance().tolist(), strict=True), key=lambda item: -item[1]
    )
    return EvaluationReport(
        seed=basis.seed,
        params=basis.params.to_dict(),
        n_rows=len(basis.every),
        n_distinct=len(shots),
        n_groups=len(np.unique(shots.groups)),
        defect_share=float(shots.labels.mean()),
        threshold=threshold,
        result=result,
        comparisons=comparisons,
        confusion=evaluation.confusion(scored),
        calibration_curve=evaluation.curve(scored),
        operating_points=operating_points(scored.labels, scored.probability),
        folds=evaluation.fold_results(shots, fits),
        slices=parts,
        worst_slice=worst,
        importance=dict(ranked),
        checks=basis.checks,
        findings=(*findings, *evaluation.slice_findings(result, worst)),
    )
