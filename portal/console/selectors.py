"""What the dashboard shows: reads that join the apps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from monitoring.models import DriftEvent
from monitoring.selectors import backups, dead_man, usage
from portal.core.models import Alert, ApiKey, User
from portal.lib import clock
from portal.registry import selectors as registry
from portal.registry.models import (
    Alias,
    AliasAssignment,
    AliasMove,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)
from portal.runs import selectors as runs_selectors
from portal.runs.models import DEAD_LETTER, Heartbeat, Queue, Run
from predictions.models import Dataset, Prediction
from predictions.selectors import RECORDED_FAMILY

#: A process beats every few seconds; a minute without one means that it is gone. Ours.
SILENT_AFTER = timedelta(minutes=1)
ROLES = ("worker", "beat", "recorder")
N_ROWS = 6

Person = User | AnonymousUser


@dataclass(frozen=True)
class Live:
    """One model, the version that answers now and the move that put it there."""

    model: RegisteredModel
    version: ModelVersion | None
    since: datetime | None
    move: AliasMove | None


@dataclass(frozen=True)
class Silence:
    """A kind of process that gives no sign of life, or a queue that no worker serves."""

    role: str
    last_seen: datetime | None = None
    queue: str = ""

    @property
    def queue_label(self) -> str:
        """What people call the queue."""
        return str(Queue(self.queue).label)


@dataclass(frozen=True)
class Progress:
    """How far the first ten minutes have come: import, train, ask, put live, call."""

    has_dataset: bool
    has_version: bool
    has_request: bool
    has_promoted: bool
    has_prediction: bool

    @property
    def is_complete(self) -> bool:
        return self.next_step == ""

    @property
    def next_step(self) -> str:
        """Return the first step that is open, empty when all are done."""
        steps = {
            "import": self.has_dataset,
            "train": self.has_version,
            "ask": self.has_request,
            "promote": self.has_promoted,
            "call": self.has_prediction,
        }
        return next((name for name, done in steps.items() if not done), "")


@dataclass(frozen=True)
class Overview:
    """Everything on the dashboard."""

    active: Sequence[Run]
    recent: Sequence[Run]
    waiting: Sequence[PromotionRequest]
    open_elsewhere: Sequence[PromotionRequest]
    live: Sequence[Live]
    alerts: Sequence[Alert]
    dead: Sequence[Run]
    silent: Sequence[Silence]
    datasets: Sequence[Dataset]
    machines: Sequence[usage.Course]
    backups: backups.Standing
    dead_man: dead_man.Standing
    progress: Progress

    @property
    def n_troubles(self) -> int:
        """How many things are wrong."""
        return len(self.alerts) + len(self.dead) + len(self.silent)


def overview(person: Person) -> Overview:
    """Return what runs, what waits for this person, what is live and what is wrong."""
    runs = Run.objects.select_related("started_by")
    waiting = list(waiting_for(person))
    return Overview(
        active=list(runs.active().order_by("-state", "created_at")[:N_ROWS]),
        recent=list(runs.exclude(finished_at=None).order_by("-finished_at")[:N_ROWS]),
        waiting=waiting,
        open_elsewhere=_open_elsewhere(waiting),
        live=live(),
        alerts=_other_alerts(),
        dead=runs_selectors.dead_letters(N_ROWS),
        silent=silent(),
        datasets=list(Dataset.objects.select_related("created_by")[:N_ROWS]),
        machines=usage.machines(),
        backups=backups.standing(),
        dead_man=dead_man.standing(),
        progress=progress(),
    )


def _other_alerts() -> list[Alert]:
    """Return the open alerts but for dead letters, which are listed as runs."""
    others = Alert.objects.open().exclude(key__startswith=DEAD_LETTER)
    return list(others.select_related("acknowledged_by")[:N_ROWS])


def waiting_for(person: Person) -> QuerySet[PromotionRequest]:
    """Return the requests this person may decide or apply now."""
    if not person.is_authenticated:
        return PromotionRequest.objects.none()
    return registry.waiting_for(person)


def n_waiting(person: Person) -> int:
    """Count the requests that wait for this person."""
    return waiting_for(person).count()


def n_open_alerts() -> int:
    """Count the alerts nobody has resolved or acknowledged."""
    return Alert.objects.open().filter(acknowledged_at=None).count()


def n_open_drifts() -> int:
    """Count the drift events that last and nobody has acknowledged."""
    return DriftEvent.objects.open().unseen().count()


def _open_elsewhere(mine: Sequence[PromotionRequest]) -> list[PromotionRequest]:
    """Return the live requests that wait for somebody else."""
    requests = PromotionRequest.objects.filter(state__in=PromotionRequest.LIVE_STATES)
    others = requests.exclude(pk__in=[request.pk for request in mine])
    return list(others.select_related("model", "candidate__model", "requested_by")[:N_ROWS])


def live() -> list[Live]:
    """Return every model with its champion, since when and put there by whom."""
    champions = AliasAssignment.objects.filter(alias=Alias.CHAMPION).select_related("version")
    by_model = {assignment.model_id: assignment for assignment in champions}
    moves = AliasMove.objects.filter(alias=Alias.CHAMPION).order_by("model_id", "-id")
    last = {move.model_id: move for move in moves.distinct("model_id")}
    return [
        _live(model, by_model.get(model.pk), last.get(model.pk))
        for model in RegisteredModel.objects.filter(retired_at__isnull=True)
    ]


def _live(
    model: RegisteredModel, assignment: AliasAssignment | None, move: AliasMove | None
) -> Live:
    if assignment is None:
        return Live(model, None, None, None)
    assignment.version.model = model
    return Live(model, assignment.version, assignment.since, move)


def silent() -> list[Silence]:
    """Return the kinds of process that must run and give no sign of life, and unserved queues."""
    last_seen = dict(Heartbeat.objects.order_by("at").values_list("role", "at"))
    limit = clock.now() - SILENT_AFTER
    gone = [
        Silence(role, last_seen.get(role))
        for role in ROLES
        if (seen := last_seen.get(role)) is None or seen < limit
    ]
    if any(silence.role == "worker" for silence in gone):
        return gone
    depths = runs_selectors.queue_depths(limit)
    return gone + [
        Silence("queue", queue=depth.queue)
        for depth in depths
        if not depth.n_workers and depth.n_queued
    ]


def progress() -> Progress:
    """Return how far the first ten minutes have come.

    Neither the generated demo counts nor what was made of something else than shots, such as the
    index of the knowledge base that the first start builds.
    """
    of_quality = {"model__family": RECORDED_FAMILY}
    moves = AliasMove.objects.filter(**of_quality, promotion__isnull=False)
    return Progress(
        has_dataset=Dataset.objects.filter(is_synthetic=False).exists(),
        has_version=ModelVersion.objects.filter(**of_quality, is_synthetic=False).exists(),
        has_request=PromotionRequest.objects.filter(**of_quality).exists(),
        has_promoted=moves.exists(),
        has_prediction=ApiKey.objects.exists() and Prediction.objects.exists(),
    )
