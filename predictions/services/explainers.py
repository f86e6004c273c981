"""Explainers of versions in this process: loaded from verified files, proved, kept warm.

Everything here is numpy and the serving form: no training library comes into the web process.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from portal.core.errors import Conflict, Corrupt
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from predictions.engine.explanation import explainer, history
from predictions.engine.explanation.explainer import (
    Explainer,
    ExplanationForm,
    NotAdditive,
    UnreadableExplainer,
)
from predictions.engine.explanation.history import LabelledShots, UnreadableHistory
from predictions.engine.explanation.similar import ShotHistory
from predictions.engine.features import COUNTER_INDICES
from predictions.engine.serving import ServingModel
from predictions.models import Prediction
from predictions.services import serving
from predictions.services.models import FAMILY_NAME

Matrix = NDArray[np.float32]
T = TypeVar("T")

EXPLAINER_FORM = "explainer.npz"
HISTORY = "history.npz"
#: Versions kept warm in a process, about ten megabytes each; ours.
MOST_KEPT = 4


@dataclass(frozen=True, eq=False)
class Ready:
    """A version ready to explain what it answers."""

    model: ServingModel
    form: ExplanationForm
    explainer: Explainer

    def served(self, rows: Matrix) -> NDArray[np.float32]:
        """Return the probabilities that are answered for shots."""
        return self.model.predict(rows)[0]


@dataclass(frozen=True, eq=False)
class PastShots:
    """Labelled shots that a version learned from or was judged on, ready to be likened to."""

    shots: LabelledShots
    search: ShotHistory


class Kept(Generic[T]):
    """The last few versions' things, each made once however many threads ask.

    Parameters
    ----------
    make : callable
        Makes the thing of a version; what it raises goes to the one who asked.
    """

    def __init__(self, make: Callable[[ModelVersion], T]) -> None:
        self._make = make
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, version: ModelVersion) -> T:
        """Return a version's thing."""
        if (kept := self._kept.get(version.digest)) is not None:
            return kept
        with self._lock:
            if (kept := self._kept.get(version.digest)) is None:
                kept = self._kept[version.digest] = self._make(version)
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            return kept

    def forget(self) -> None:
        """Keep nothing."""
        self._kept.clear()


def ready(version: ModelVersion) -> Ready:
    """Return a version ready to explain.

    Raises
    ------
    Conflict
        When the version cannot be explained: of another family, too old, or removed.
    Corrupt
        When a file is damaged, or the explainer does not add up to what the version answers.
    """
    _check_offers(version, EXPLAINER_FORM)
    return _explainers.of(version)


def past_shots(version: ModelVersion) -> PastShots:
    """Return the labelled shots kept with a version.

    Raises
    ------
    Conflict, Corrupt
        As :func:`ready`.
    """
    _check_offers(version, HISTORY)
    return _histories.of(version)


def row_of(prediction: Prediction, model: ServingModel) -> Matrix:
    """Return what a version saw of a recorded shot, float32 [n_features] with NaN for null."""
    values = [prediction.features[name] for name in model.signature.names]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)


def without_counters(rows: Matrix) -> Matrix:
    """Return shots with the counter at 0, so that it has no say in who resembles whom."""
    alike = rows.copy()
    alike[..., COUNTER_INDICES] = 0
    return alike


def _check_offers(version: ModelVersion, name: str) -> None:
    if version.model.family != FAMILY_NAME:
        message = _("Predictions of %(version)s are not explained here: it is no quality model.")
        raise Conflict(message % {"version": version}, code="other_family")
    if version.state == ModelVersion.State.REMOVED:
        message = _("%(version)s was removed by retention; what was explained before is kept.")
        raise Conflict(message % {"version": version}, code="version_removed")
    if name not in version.artifact_digests:
        raise Conflict(
            _(
                "This is not available for %(version)s: it was trained before versions carried the "
                "file “%(name)s”. Train a new version."
            )
            % {"version": version, "name": name},
            code="not_available_for_version",
        )


def _make_ready(version: ModelVersion) -> Ready:
    held = serving.quality.held
    if held is None or held.version_id != version.pk:
        held = serving.load(version)
    try:
        form = explainer.from_bytes(registry.read_artifact(version, EXPLAINER_FORM))
        made = Ready(held.model, form, Explainer(form))
        made.explainer.check(made.served)
    except (UnreadableExplainer, NotAdditive) as exc:
        raise _unusable(version, exc) from exc
    return made


def _make_past_shots(version: ModelVersion) -> PastShots:
    try:
        shots = history.from_bytes(registry.read_artifact(version, HISTORY))
        return PastShots(shots, ShotHistory(without_counters(shots.rows)))
    except (UnreadableHistory, ValueError) as exc:
        raise _unusable(version, exc) from exc


def _unusable(version: ModelVersion, exc: Exception) -> Corrupt:
    return Corrupt(
        _("%(version)s cannot be explained: %(reason)s.") % {"version": version, "reason": exc},
        code="unexplainable",
    )


_explainers = Kept(_make_ready)
_histories = Kept(_make_past_shots)
