"""Quality models under the open inference protocol v2."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from portal.core.errors import Conflict, NotFound, PortalError
from portal.registry.models import AliasAssignment, ModelVersion
from predictions.engine.signature import Signature
from predictions.engine.validate import Validated, validate_matrix
from predictions.models import Prediction
from predictions.services import answering, serving, tensors
from predictions.services.answering import Answers, Caller
from predictions.services.explainers import Kept
from predictions.services.inference import Description, TensorKind
from predictions.services.models import FAMILY_NAME
from predictions.services.serving import Champion, Choice, Held
from predictions.services.tensors import BYTES, InferenceAnswer, InferenceRequest, Output, Tensor

#: The one tensor that holds all features, in the order of the metadata.
WHOLE = "features"
PLATFORM = "onnxruntime_onnx"
OUTPUTS = ("probability", "class", "confidence", "latent_features", "prediction_id")
_json = msgspec.json.Encoder().encode


class RowShots:
    """Shots as rows of numbers in a known order of features."""

    def __init__(self, rows: NDArray[np.float64], names: Sequence[str]) -> None:
        self._rows = rows
        self._names = names

    def __len__(self) -> int:
        return len(self._rows)

    def check(self, signature: Signature) -> Validated:
        """Check the shots against what a version takes."""
        rows = self._rows
        if signature.names != tuple(self._names):
            places = {name: place for place, name in enumerate(self._names)}
            rows = rows[:, [places[name] for name in signature.names]]
        return validate_matrix(rows, signature)

    def texts(self) -> Iterator[str]:
        """Yield each shot's features as JSON."""
        for row in self._rows.tolist():
            # NaN is null in JSON, as it was sent.
            yield _json(dict(zip(self._names, row, strict=True))).decode()


class QualityInference:
    """Answers tensors by the versions that a quality model's aliases point at."""

    family = FAMILY_NAME

    def __init__(self) -> None:
        self._champions = {serving.quality.model_name: serving.quality}
        self._named: Kept[Held] = Kept(serving.load)

    def served(self) -> tuple[str, ...]:
        """Return the portal's own model and every other that was asked for and has a champion.

        Whoever asks for a model that was never promoted must not make the server unready by it.
        """
        own = serving.quality.model_name
        followed = tuple(self._champions.items())
        return tuple(name for name, one in followed if name == own or one.has_champion)

    def stop(self) -> None:
        """Follow no model any more."""
        for champion in tuple(self._champions.values()):
            champion.stop()

    def is_ready(self, model_name: str, version: int | None) -> bool:
        """Whether the version, or the champion, would answer now."""
        champion = self._champion(model_name)
        champion.start()
        if version is None:
            return champion.held is not None
        try:
            self._version(champion, version)
        except PortalError:
            return False
        return True

    def describe(self, model_name: str, version: int | None) -> Description:
        """Describe a version, or the champion."""
        champion = self._champion(model_name)
        held = champion.get() if version is None else self._version(champion, version).held
        signature = held.model.signature
        n_latent = held.model.n_latent
        kinds = {"probability": "FP64", "latent_features": "FP64"}
        shapes = {"latent_features": (-1, n_latent)}
        return Description(
            versions=tuple(sorted({held.number, *_live_numbers(model_name)})),
            platform=PLATFORM,
            inputs=(TensorKind(WHOLE, "FP64", (-1, len(signature.names))),),
            outputs=tuple(
                TensorKind(name, kinds.get(name, BYTES), shapes.get(name, (-1,)))
                for name in OUTPUTS
            ),
            parameters={
                "feature_order": ",".join(signature.names),
                "max_rows": answering.MAX_INSTANCES,
                "threshold": held.model.threshold,
            },
        )

    def infer(
        self, model_name: str, version: int | None, request: InferenceRequest, caller: Caller
    ) -> InferenceAnswer:
        """Answer a request."""
        champion = self._champion(model_name)
        tensors.check_outputs(request, OUTPUTS)
        is_recorded = tensors.record_wanted(request)
        choose = champion.choose
        if version is not None:
            named = self._version(champion, version)
            choose = partial(_always, named)
        shots = _shots(request, (champion.get() if version is None else named.held).model.signature)
        answers = answering.respond(choose, shots, caller, is_recorded=is_recorded, place=WHOLE)
        return InferenceAnswer(
            model_name,
            answers.model_version,
            _outputs(answers),
            {"role": answers.role, "processing_time_ms": answers.processing_time_ms},
        )

    def _champion(self, model_name: str) -> Champion:
        champion = self._champions.get(model_name)
        if champion is None:
            champion = self._champions.setdefault(model_name, Champion(model_name, serving.load))
        return champion

    def _version(self, champion: Champion, number: int) -> Choice:
        role, share = Prediction.Role.NAMED.value, champion.challenger.share
        for held in (champion.held, champion.challenger.held):
            if held is not None and held.number == number:
                return Choice(held, role, share)
        return Choice(self._named.of(_live_version(champion.model_name, number)), role, share)


def _always(choice: Choice, _key: bytes) -> Choice:
    return choice


def _live_numbers(model_name: str) -> list[int]:
    aliases = AliasAssignment.objects.filter(model__name=model_name)
    return list(aliases.values_list("version__number", flat=True))


def _live_version(model_name: str, number: int) -> ModelVersion:
    """Return a version that an alias points at."""
    versions = ModelVersion.objects.select_related("model").filter(
        model__name=model_name, number=number
    )
    version = versions.filter(aliases__isnull=False).first()
    if version is not None:
        return version
    if not versions.exists():
        raise NotFound(
            _("“%(model)s” has no version %(number)d.") % {"model": model_name, "number": number}
        )
    live = ", ".join(map(str, sorted(set(_live_numbers(model_name))))) or "-"
    raise Conflict(
        _(
            "Version %(number)d of “%(model)s” is not live; live are: %(live)s. Point the alias "
            "challenger or shadow at it first."
        )
        % {"number": number, "model": model_name, "live": live},
        code="version_not_live",
    )


def _shots(request: InferenceRequest, signature: Signature) -> RowShots:
    """Return the rows of one whole tensor, or of one tensor for each feature."""
    by_name = {tensor.name: tensor for tensor in request.inputs}
    names = signature.names
    if WHOLE in by_name:
        if len(by_name) > 1:
            message = _("Send “%(whole)s” alone, or one tensor for each feature.")
            raise tensors.wrong("inputs", message % {"whole": WHOLE})
        return RowShots(_whole(by_name[WHOLE], len(names)), names)
    _check_names(by_name, names)
    columns = [_column(by_name[name]) for name in names]
    lengths = sorted({len(column) for column in columns})
    if len(lengths) > 1:
        message = _("The tensors have %(low)d to %(high)d rows: send the same number in each.")
        raise tensors.wrong("inputs", message % {"low": lengths[0], "high": lengths[-1]})
    return RowShots(np.column_stack(columns), names)


def _whole(tensor: Tensor, n_features: int) -> NDArray[np.float64]:
    if len(tensor.shape) != 2 or tensor.shape[1] != n_features:
        message = _("“%(whole)s” has the shape %(seen)s: it must be [n, %(count)d].")
        values = {"whole": WHOLE, "seen": str(list(tensor.shape))[:60], "count": n_features}
        raise tensors.wrong(f"{WHOLE}.shape", message % values)
    return tensor.values.reshape(tensor.shape)


def _column(tensor: Tensor) -> NDArray[np.float64]:
    if len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1):
        return tensor.values
    message = _("“%(name)s” has the shape %(seen)s: it must be [n] or [n, 1].")
    values = {"name": tensor.name, "seen": str(list(tensor.shape))[:60]}
    raise tensors.wrong(f"{tensor.name}.shape", message % values)


def _check_names(by_name: dict[str, Any], names: Sequence[str]) -> None:
    unknown = [name for name in by_name if name not in names]
    if unknown:
        message = _(
            "“%(seen)s” is not an input of this model: send “%(whole)s” alone, or one tensor for "
            "each feature."
        )
        raise tensors.wrong("inputs", message % {"seen": unknown[0][:60], "whole": WHOLE})
    missing = [name for name in names if name not in by_name]
    if missing:
        message = _("%(count)d features have no tensor: %(names)s.")
        values = {"count": len(missing), "names": ", ".join(missing)}
        raise tensors.wrong("inputs", message % values)


def _outputs(answers: Answers) -> list[Output]:
    rows = answers.answers
    n_rows = len(rows)
    latent = [value for row in rows for value in row.latent_features]
    return [
        Output("probability", "FP64", (n_rows,), [row.prediction.probability for row in rows]),
        Output("class", BYTES, (n_rows,), [row.prediction.label for row in rows]),
        Output("confidence", BYTES, (n_rows,), [row.prediction.confidence for row in rows]),
        Output("latent_features", "FP64", (n_rows, len(latent) // n_rows), latent),
        Output("prediction_id", BYTES, (n_rows,), [row.prediction_id or "" for row in rows]),
    ]
