"""Answer shots: choose the version, check, predict, record, and only then answer."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import msgspec
import numpy as np
import structlog
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.core.errors import FieldProblem, InvalidInput
from predictions.engine.signature import Signature
from predictions.engine.validate import Validated, validate
from predictions.models import Prediction
from predictions.services import counts, prediction_ids, quarantining, recording
from predictions.services.engine_errors import field_problems
from predictions.services.records import Record
from predictions.services.serving import Champion, Choice, Held

log = structlog.get_logger(__name__)

#: Shots in one batch request.
MAX_INSTANCES = 10_000
#: Probabilities and latent features are answered to a millionth, about their float32 precision.
DECIMALS = 6

_DEFECT, _OK = Prediction.Label.DEFECT.value, Prediction.Label.OK.value
_json = msgspec.json.Encoder().encode


class Verdict(msgspec.Struct, rename={"label": "class"}, frozen=True, gc=False):
    """The prediction proper."""

    label: str
    probability: float
    confidence: str


class Answer(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is said of one shot; `prediction_id` is None when nothing was recorded."""

    prediction_id: str | None
    prediction: Verdict
    latent_features: list[float]


class Answers(msgspec.Struct, frozen=True):
    """What is said of all shots of a request, all by one version."""

    answers: list[Answer]
    processing_time_ms: float
    model_version: int
    role: str = Prediction.Role.CHAMPION.value


@dataclass(frozen=True)
class Named:
    """The caller's own name of a request, such as its Idempotency-Key.

    A repetition is answered by the same version, under the same identifiers, so it is recorded
    once even when the process died between the record and the answer.

    Attributes
    ----------
    name
        Unique for the principal.
    since
        When it was first used, in seconds since 1970.
    is_second
        Whether that first attempt died, perhaps after it was recorded.
    """

    name: str
    since: float
    is_second: bool = False


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes
    ----------
    principal
        The key or person.
    request_id
        Of the request, for the record.
    named
        The caller's own name of the request, if it has one.
    """

    principal: str
    request_id: str
    named: Named | None = None

    @property
    def name(self) -> bytes:
        """The caller's own name of the request, unique in the portal; empty without one."""
        return f"{self.principal} {self.named.name}".encode() if self.named else b""


class Shots(Protocol):
    """What was sent, whatever its form."""

    def __len__(self) -> int:
        """Return the number of shots."""
        ...

    def check(self, signature: Signature) -> Validated:
        """Check the shots against what a version takes."""
        ...

    def texts(self) -> Iterator[str]:
        """Yield each shot's features as JSON, for the record."""
        ...


class NamedShots:
    """Shots as mappings of feature names to numbers."""

    def __init__(self, instances: Sequence[Mapping[str, Any]]) -> None:
        self._instances = instances

    def __len__(self) -> int:
        return len(self._instances)

    def check(self, signature: Signature) -> Validated:
        """Check the shots against what a version takes."""
        return validate(self._instances, signature)

    def texts(self) -> Iterator[str]:
        """Yield each shot's features as JSON."""
        for instance in self._instances:
            yield _json(instance).decode()


def answer(
    champion: Champion,
    instances: Sequence[Mapping[str, Any]],
    *,
    principal: str,
    request_id: str,
    is_recorded: bool = True,
    is_batch: bool = True,
) -> Answers:
    """Answer shots by the champion, or by its challenger where that has a share.

    Parameters
    ----------
    champion
        The model that answers.
    instances
        Features by name, one mapping a shot; at least one, at most `MAX_INSTANCES`.
    principal, request_id
        As in :class:`Caller`.
    is_recorded
        Whether the answer must be durable before it is given.
    is_batch
        Whether problems name the position of the shot.

    Raises
    ------
    InvalidInput
        Naming each feature, the value seen and the rule.
    Unavailable
        When there is no model, or the answer could not be recorded.
    """
    return respond(
        champion.choose,
        NamedShots(instances),
        Caller(principal, request_id),
        is_recorded=is_recorded,
        place="instances" if is_batch else None,
    )


def respond(
    choose: Callable[[bytes], Choice],
    shots: Shots,
    caller: Caller,
    *,
    is_recorded: bool,
    place: str | None,
) -> Answers:
    """Answer shots by the version that is chosen for them.

    Parameters
    ----------
    choose
        Takes what names the request and returns who answers it.
    shots
        At least one, at most `MAX_INSTANCES`.
    caller
        Who asks.
    is_recorded
        Whether the answer must be durable before it is given.
    place
        What problems call the list of shots; None when there is one alone.

    Raises
    ------
    InvalidInput, Unavailable
        As :func:`answer`.
    """
    started = time.perf_counter()
    _check_count(len(shots))
    named = caller.named
    at = round(named.since if named else time.time(), 6)  # microseconds, as the table keeps them
    ids = _ids(caller, len(shots), at) if is_recorded else []
    if named and named.is_second and (earlier := _earlier(ids)):
        return earlier
    choice = choose(caller.name or (ids[0] if ids else os.urandom(8)))
    try:
        choice, answers = _by(choice, shots, place)
    except RefusedShots as exc:
        quarantining.shots(exc, shots, caller.principal, caller.request_id)
        raise
    if is_recorded:
        latency_ms = round((time.perf_counter() - started) * 1000, 3)
        answers = _recorded(answers, shots, ids, at, choice, caller, latency_ms)
    spent_s = time.perf_counter() - started
    labels = (one.prediction.label for one in answers)
    counts.answered(choice.held.model_name, choice.role, labels, spent_s, n=len(answers))
    return Answers(answers, round(spent_s * 1000, 3), choice.held.number, choice.role)


def _ids(caller: Caller, count: int, at: float) -> list[bytes]:
    if caller.named is None:
        return prediction_ids.new_ids(count, at)
    return prediction_ids.repeated_ids(count, at, caller.name)


def _earlier(ids: Sequence[bytes]) -> Answers | None:
    """Return what an attempt that died after its record would have answered."""
    wanted = [UUID(bytes=identifier) for identifier in ids]
    rows = Prediction.objects.select_related("version").in_bulk(wanted)
    if not ids or len(rows) < len(ids):
        return None
    answers = [
        Answer(
            str(pk),
            Verdict(rows[pk].predicted_class, rows[pk].probability, rows[pk].confidence),
            rows[pk].latent,
        )
        for pk in wanted
    ]
    first = rows[wanted[0]]
    return Answers(answers, first.latency_ms, first.version.number, first.role)


def _by(choice: Choice, shots: Shots, place: str | None) -> tuple[Choice, list[Answer]]:
    """Let the chosen version answer; what a challenger cannot, the champion does."""
    champion = choice.stand_in()
    if champion is None:
        return choice, _predict(choice.held, shots, place)
    try:
        return choice, _predict(choice.held, shots, place)
    except Exception as exc:  # noqa: BLE001 - whatever is wrong with a challenger, the champion answers
        log.warning("challenger_fell_back", version=choice.held.number, error=str(exc)[:300])
        return champion, _predict(champion.held, shots, place)


def _check_count(count: int) -> None:
    if 0 < count <= MAX_INSTANCES:
        return
    message = _("There are %(count)d instances: send 1 to %(most)d at once.") % {
        "count": count,
        "most": MAX_INSTANCES,
    }
    raise InvalidInput(message, problems=[FieldProblem("instances", "count", message)])


def _predict(held: Held, shots: Shots, place: str | None) -> list[Answer]:
    model = held.model
    validated = shots.check(model.signature)
    if validated.n_problems:
        raise _invalid(validated, place, held.model_name)
    probability, latent = model.predict(validated.matrix)
    calls = model.decide(probability).tolist()
    rounded = np.round(probability.astype(np.float64), DECIMALS).tolist()
    latents = np.round(latent.astype(np.float64), DECIMALS).tolist()
    confidences = model.confidence.levels(probability)
    rows = zip(calls, rounded, confidences, latents, strict=True)
    return [
        Answer(None, Verdict(_DEFECT if called else _OK, value, confidence), numbers)
        for called, value, confidence, numbers in rows
    ]


def _recorded(
    answers: Sequence[Answer],
    shots: Shots,
    ids: Sequence[bytes],
    at: float,
    choice: Choice,
    caller: Caller,
    latency_ms: float,
) -> list[Answer]:
    """Make answers durable and give each its identifier."""
    version_id = choice.held.version_id
    recording.record(
        [
            Record(
                identifier,
                version_id,
                at,
                text,
                one.prediction.probability,
                one.prediction.label,
                one.prediction.confidence,
                _json(one.latent_features).decode(),
                latency_ms,
                caller.principal,
                caller.request_id,
                choice.role,
                choice.share,
            )
            for identifier, text, one in zip(ids, shots.texts(), answers, strict=True)
        ]
    )
    return [
        Answer(prediction_ids.text(identifier), one.prediction, one.latent_features)
        for identifier, one in zip(ids, answers, strict=True)
    ]


class RefusedShots(InvalidInput):
    """Shots that break rules of the version that was asked."""

    def __init__(
        self,
        message: str,
        problems: Sequence[FieldProblem],
        model_name: str,
        validated: Validated,
    ) -> None:
        super().__init__(message, code="invalid_features", problems=problems)
        self.model_name = model_name
        self.validated = validated


def _invalid(validated: Validated, place: str | None, model_name: str) -> RefusedShots:
    problems = field_problems(validated.problems)
    if place is not None:
        problems = [
            FieldProblem(_place(place, problem.row, problem.field), listed.code, listed.message)
            for problem, listed in zip(validated.problems, problems, strict=True)
        ]
    message = ngettext(
        "%(count)d value breaks a rule; nothing was predicted. The errors name each.",
        "%(count)d values break a rule; nothing was predicted. The errors name each.",
        validated.n_problems,
    ) % {"count": validated.n_problems}
    return RefusedShots(message, problems, model_name, validated)


def _place(whole: str, row: int | None, field: str) -> str:
    place = whole if row is None else f"{whole}[{row}]"
    return f"{place}.{field}" if field else place
