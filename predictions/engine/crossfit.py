"""Score every shot by a model that has not seen it, calibration and threshold included.

Nested cross-fitting: a fold's model is fitted on the fold's training rows; its calibration and its
threshold come from inner folds of those rows alone. Imputation, scaling and autoencoder are fitted
with the model. So nothing a test row is judged by has seen it (Cawley and Talbot, JMLR 11 (2010)
2079).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.lib.coded import gettext_noop
from predictions.engine.calibration import FITS
from predictions.engine.calibrators import Calibrator
from predictions.engine.embedding import Embedding, fit_embedding
from predictions.engine.features import FEATURE_NAMES, FEATURE_SETS
from predictions.engine.imputer import Imputer, fit_imputer
from predictions.engine.learners.contract import Learner, Rows
from predictions.engine.learners.families import FAMILIES
from predictions.engine.parameters import TrainingParams
from predictions.engine.progress import Meter, Said
from predictions.engine.splits import By, Fold, Protocol, TooFewParts, grouped
from predictions.engine.threshold import best_f1_threshold

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]

PRODUCT = FEATURE_NAMES.index("Product_Type")


class OneClassPart(ValueError):
    """A part of the split that is fitted or validated on holds one class only."""


@dataclass(frozen=True, eq=False)
class Shots:
    """Labelled shots in production order.

    Attributes
    ----------
    matrix : float32 array, shape [n, 30]
    labels : bool array, shape [n]
    groups : int array, shape [n]
        Shots that agree in all but the counter share a number.
    molds : int array, shape [n], or None
        Number of each shot's mold, if known.
    """

    matrix: Matrix
    labels: NDArray[np.bool_]
    groups: NDArray[np.intp]
    molds: NDArray[np.intp] | None = None

    def at(self, rows: NDArray[np.intp]) -> "Shots":
        """Return some of the shots."""
        molds = None if self.molds is None else self.molds[rows]
        return Shots(self.matrix[rows], self.labels[rows], self.groups[rows], molds)

    def parts(self, by: By) -> NDArray[np.intp]:
        """Return what a protocol keeps together, int [n]."""
        if by == "product":
            return np.unique(self.matrix[:, PRODUCT], return_inverse=True)[1]
        if by == "mold":
            return np.zeros(len(self), dtype=np.intp) if self.molds is None else self.molds
        return self.groups

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """An outer fold and the inner folds of its training rows (positions within those rows)."""

    fold: Fold
    inner: tuple[Fold, ...]

    @property
    def work(self) -> int:
        """Rows fitted on, over all fits."""
        return len(self.fold.train) + sum(len(fold.train) for fold in self.inner)


@dataclass(frozen=True, eq=False)
class FoldFit:
    """What came out of one outer fold.

    Attributes
    ----------
    fold : Fold
    raw, probability : float64 arrays, shape [n_test]
        Log-odds, and calibrated probability.
    calibration : Platt or Isotonic
    threshold : float
        From validation rows of this fold's training part.
    """

    fold: Fold
    raw: Floats
    probability: Floats
    calibration: Calibrator
    threshold: float

    @property
    def called(self) -> NDArray[np.bool_]:
        """Whether each test row is called a defect."""
        called: NDArray[np.bool_] = self.probability >= self.threshold
        return called


@dataclass(frozen=True, eq=False)
class Fitted:
    """Imputation, latent features if there are any, and learner, fitted on the same rows.

    Attributes
    ----------
    imputer : Imputer
    embedding : Embedding or None
    family : str
        Key in `learners.families.FAMILIES`.
    learner : Learner
        Takes the features, then the latent features.
    """

    imputer: Imputer
    embedding: Embedding | None
    family: str
    learner: Learner

    def columns(self, matrix: Matrix) -> Matrix:
        """Return what the learner sees, float32 [n, 30 + n_latent]; NaN is imputed."""
        filled = self.imputer.fill(matrix)
        if self.embedding is None:
            return filled
        return np.column_stack([filled, self.embedding.latent(filled)])

    def raw(self, matrix: Matrix) -> Floats:
        """Return log-odds, float64 [n]; NaN is imputed."""
        return self.learner.raw(self.columns(matrix))


def plan(
    shots: Shots, protocol: Protocol, params: TrainingParams, seed: int, *, first_only: bool = False
) -> tuple[FoldPlan, ...]:
    """Return all folds of a protocol with their inner folds, of the same protocol.

    Where the training part holds one product or mold only, inner folds are grouped by shot: there
    is nothing else left to choose a threshold on.

    Parameters
    ----------
    shots : Shots
    protocol : Protocol
    params : TrainingParams
        Gives the numbers of folds.
    seed : int
        Inner folds of fold i use ``seed + i + 1``.
    first_only : bool
        Only the first fold, for a quick comparison.

    Raises
    ------
    TooFewParts
        If the protocol needs several products or molds and there is one.
    """
    folds = _split(shots, protocol, params.n_folds, seed)
    plans = []
    for number, fold in enumerate(folds[:1] if first_only else folds):
        part, inner_seed = shots.at(fold.train), seed + number + 1
        try:
            inner = _split(part, protocol, params.n_inner_folds, inner_seed)
        except TooFewParts:
            inner = grouped(part.labels, part.groups, params.n_inner_folds, inner_seed)
        plans.append(FoldPlan(fold, tuple(inner)))
    return tuple(plans)


def _split(shots: Shots, protocol: Protocol, n_folds: int, seed: int) -> list[Fold]:
    folds = protocol.split(shots.labels, shots.parts(protocol.by), n_folds, seed)
    if protocol.leaks:
        return folds
    # Two molds can hold shots of equal values: the test side gives them up.
    apart = [
        Fold(fold.train, fold.test[~np.isin(shots.groups[fold.test], shots.groups[fold.train])])
        for fold in folds
    ]
    return [fold for fold in apart if len(fold.test)]


def cross_fit(
    shots: Shots, plans: tuple[FoldPlan, ...], params: TrainingParams, seed: int, meter: Meter
) -> tuple[FoldFit, ...]:
    """Fit and score every outer fold.

    Raises
    ------
    OneClassPart
        If no inner fold, or an outer training part, holds both classes.
    """
    fits = []
    for number, fold_plan in enumerate(plans):
        name = Said(gettext_noop("Fold {number} of {count}"), number=number + 1, count=len(plans))
        fits.append(_fit_fold(shots, fold_plan, params, seed + number, meter, name))
    return tuple(fits)


def fit(shots: Shots, params: TrainingParams, seed: int, meter: Meter, name: str) -> Fitted:
    """Fit imputation, latent features and learner on the given shots.

    Raises
    ------
    OneClassPart
        If they hold one class only.
    """
    if shots.labels.all() or not shots.labels.any():
        raise OneClassPart(f"{name}: {len(shots)} shots of one class")
    imputer = fit_imputer(shots.matrix)
    filled = _kept(imputer.fill(shots.matrix), params.features)
    told = _Teller(meter, name, len(shots), params)
    embedding = None
    columns = filled
    if params.autoencoder_params is not None:
        embedding = fit_embedding(
            filled, shots.labels, params.autoencoder_params, seed=seed, on_epoch=told.epoch
        )
        columns = np.column_stack([filled, embedding.latent(filled)])
    family = FAMILIES[params.learner]
    rows = Rows(columns, shots.labels, shots.groups)
    learner = family.fit(rows, params.learner_params, seed, told.stage)
    return Fitted(imputer, embedding, family.name, learner)


def _kept(filled: Matrix, features: str) -> Matrix:
    """Return the columns with those that the learner may not see made constant.

    What never varies in training is never split on and scales to 0, so nothing else need know.
    """
    unseen = np.setdiff1d(np.arange(filled.shape[1]), FEATURE_SETS[features])
    kept = filled.copy()
    kept[:, unseen] = 0
    return kept


class _Teller:
    """Passes the progress of one fit on: half of it is the autoencoder's, if there is one."""

    def __init__(self, meter: Meter, name: str, n_shots: int, params: TrainingParams) -> None:
        self._meter = meter
        self._name = name
        self._n_shots = n_shots
        self._n_epochs = params.n_epochs
        self._learner_share = 0.5 if params.n_latent else 1.0

    def epoch(self, number: int, loss: float) -> None:
        """Tell of an epoch of the autoencoder."""
        share = (1 - self._learner_share) / self._n_epochs
        epoch = Said(gettext_noop("epoch {number} of {count}"), number=number, count=self._n_epochs)
        self._tell(share, epoch, {"validation_loss": loss})

    def stage(self, share: float, text: str, figures: dict[str, float]) -> None:
        """Tell of a stage of the learner."""
        self._tell(share * self._learner_share, text, figures)

    def _tell(self, share: float, text: str, figures: dict[str, float]) -> None:
        message = Said(
            gettext_noop("{part}: {text} on {n_shots:,} shots"),
            part=self._name,
            text=text,
            n_shots=self._n_shots,
        )
        known = {key: value for key, value in figures.items() if np.isfinite(value)}
        self._meter.advance(self._n_shots * share, message, known)


def _fit_fold(
    shots: Shots, fold_plan: FoldPlan, params: TrainingParams, seed: int, meter: Meter, name: str
) -> FoldFit:
    train, test = shots.at(fold_plan.fold.train), shots.at(fold_plan.fold.test)
    raw, labels = _inner_scores(train, fold_plan, params, seed, meter, name)
    calibration = FITS[params.calibration](raw, labels)
    threshold = best_f1_threshold(labels, calibration.probability(raw))
    scored = fit(train, params, seed, meter, name).raw(test.matrix)
    return FoldFit(fold_plan.fold, scored, calibration.probability(scored), calibration, threshold)


def _inner_scores(
    train: Shots, fold_plan: FoldPlan, params: TrainingParams, seed: int, meter: Meter, name: str
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return log-odds and labels of the training rows that an inner model had not seen."""
    raw: list[Floats] = []
    labels: list[NDArray[np.bool_]] = []
    for number, fold in enumerate(fold_plan.inner):
        part, validation = train.at(fold.train), train.at(fold.test)
        if part.labels.all() or not part.labels.any():
            left_out = gettext_noop("{part}: inner fold {number} holds one class only")
            meter.advance(len(part), Said(left_out, part=name, number=number + 1))
            continue
        inner_name = Said(
            gettext_noop("{part}, inner fold {number} of {count}"),
            part=name,
            number=number + 1,
            count=len(fold_plan.inner),
        )
        raw.append(fit(part, params, seed, meter, inner_name).raw(validation.matrix))
        labels.append(validation.labels)
    known = np.concatenate(labels) if labels else np.empty(0, dtype=bool)
    if known.all() or not known.any():
        raise OneClassPart(f"{name}: validation rows of one class")
    return np.concatenate(raw), known
