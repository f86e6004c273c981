"""Making a campaign, pausing it, going on."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput, NotFound
from portal.core.models import Alert
from portal.runs import artifacts
from portal.runs import services as runs
from portal.runs.models import Run, State
from search.lab import selectors
from search.lab.engine.matrix import GRAPHS, PROFILES, Matrix
from search.lab.engine.problems import LabProblem, MatrixProblem
from search.lab.models import Campaign, CellResult
from search.lab.selectors import Line
from search.lab.services import own, parameters, problems, targets

MAX_WORKERS = 16
MAX_CLIENTS = 64
MAX_TRIES = 10
MAX_PASSES = 50


@dataclass(frozen=True)
class Wishes:
    """How a campaign is run, beside what it measures.

    Attributes
    ----------
    n_workers : int
        Indexes built at once at most; 0 for as many as cores and free memory allow.
    memory_mb : int
        Cap of each build and measurement; 0 for none.
    seed : int
        Of texts, vectors and filters.
    clients : sequence of int
        Numbers of clients whose throughput is measured.
    n_passes : int
        How often a cell is measured, each time in a process of its own; intervals that state what a
        repetition would give need two at least.
    max_tries : int
        How often a pass that other work disturbed is measured, before it is kept as disturbed.
    """

    n_workers: int = 1
    memory_mb: int = 0
    seed: int = 0
    clients: Sequence[int] = (1, 2, 4)
    n_passes: int = 5
    max_tries: int = 3


def matrix(axes: Mapping[str, Any], *, profile: str = "full", collection: str = "") -> Matrix:
    """Return the matrix that somebody asked for.

    Parameters
    ----------
    axes : mapping
        What is chosen; what is left out has the profile's values.
    profile : str
        ``quick`` or ``full``.
    collection : str
        Whose passages are the corpus instead of generated ones; it has a size of its own.

    Raises
    ------
    InvalidInput
        If it asks for what the lab does not have, or for a recall that the questions cannot show;
        names the field.
    NotFound
        If there is no such collection.
    """
    if profile not in PROFILES:
        raise problems.invalid_input(
            MatrixProblem(
                "unknown_choice",
                field="profile",
                value=repr(profile)[:80],
                allowed=", ".join(PROFILES),
            )
        )
    content = PROFILES[profile].to_dict() | dict(axes)
    if collection:
        if "scales" in axes:
            message = _(
                "“scales” is given together with a collection, which has a size of its own: "
                "leave one of them out."
            )
            raise InvalidInput(message, problems=[FieldProblem("scales", "one_of", message)])
        content["scales"] = [own.expected_passages(collection)]
    try:
        plan = Matrix(**content)
    except LabProblem as exc:
        raise problems.invalid_input(exc) from exc
    parameters.check(plan)
    if plan.recall is not None and not set(GRAPHS).isdisjoint(plan.engines):
        targets.check(plan.recall, plan.scales[0] if collection else None)
    return plan


def wanted_workers(*, is_parallel: bool, n_workers: int | None) -> int:
    """Return how many builds at once somebody asked for; 0 for as many as fit.

    Raises
    ------
    InvalidInput
        If a number is given for builds that are not to be parallel.
    """
    if is_parallel:
        return n_workers or 0
    if n_workers is not None:
        message = _(
            "“workers” is %(value)s, and indexes are built one after another: ask for parallel "
            "builds too, or leave it out."
        ) % {"value": n_workers}
        raise InvalidInput(message, problems=[FieldProblem("workers", "needs_parallel", message)])
    return 1


def check(wishes: Wishes) -> None:
    """Refuse wishes that are out of bounds.

    Raises
    ------
    InvalidInput
        Names the field.
    """
    bounds = [
        ("workers", wishes.n_workers, 0, MAX_WORKERS),
        ("max_memory_mb", wishes.memory_mb, 0, 1 << 20),
        ("seed", wishes.seed, 0, (1 << 63) - 1),
        ("passes", wishes.n_passes, 1, MAX_PASSES),
        ("tries", wishes.max_tries, 1, MAX_TRIES),
        ("clients", len(wishes.clients), 1, MAX_CLIENTS),
        *(("clients", one, 1, MAX_CLIENTS) for one in wishes.clients),
    ]
    for field, value, low, high in bounds:
        if not low <= value <= high:
            message = _("%(field)s is %(value)s: it must lie between %(low)s and %(high)s.") % {
                "field": field,
                "value": str(value)[:40],
                "low": low,
                "high": high,
            }
            raise InvalidInput(message, problems=[FieldProblem(field, "wrong_number", message)])


@transaction.atomic
def create(
    *,
    plan: Matrix,
    name: str,
    actor: Actor,
    wishes: Wishes | None = None,
    collection: str = "",
    baseline: Campaign | None = None,
) -> Campaign:
    """Write a campaign and its cells; whoever calls starts its run.

    Parameters
    ----------
    collection : str
        Whose passages are the corpus; empty for generated ones.
    baseline : Campaign or None
        The one it will be compared with.

    Raises
    ------
    InvalidInput
        If a wish is out of bounds; names the field.
    """
    wishes = wishes or Wishes()
    check(wishes)
    campaign = Campaign.objects.create(
        name=name.strip()[:120] or _("Benchmark"),
        matrix=plan.to_dict(),
        collection=collection,
        baseline=baseline,
        seed=wishes.seed,
        n_workers=wishes.n_workers,
        memory_mb=wishes.memory_mb,
        clients=sorted(set(wishes.clients)),
        n_passes=wishes.n_passes,
        max_tries=wishes.max_tries,
        created_by_id=actor.user_id,
    )
    CellResult.objects.bulk_create(
        CellResult(campaign=campaign, position=place, key=cell.key, cell=cell.to_dict())
        for place, cell in enumerate(plan.cells())
    )
    return campaign


def repeat(*, campaign: Campaign) -> Campaign:
    """Write the same campaign anew, to be compared with this one; whoever calls starts its run."""
    made = create(
        plan=campaign.plan,
        name=campaign.name,
        actor=Actor.system("lab"),
        wishes=Wishes(
            n_workers=campaign.n_workers,
            memory_mb=campaign.memory_mb,
            seed=campaign.seed,
            clients=campaign.clients,
            n_passes=campaign.n_passes,
            max_tries=campaign.max_tries,
        ),
        collection=campaign.collection,
        baseline=campaign,
    )
    Campaign.objects.filter(pk=made.pk).update(corpus=campaign.corpus)
    return made


def set_scale(*, campaign: Campaign, scale: int) -> None:
    """Write the size of a collection into the cells, once it is known to the passage."""
    if campaign.matrix["scales"] == [scale]:
        return
    rows = list(campaign.cells.all())
    for row in rows:
        cell = replace(row.what, scale=scale)
        row.cell, row.key = cell.to_dict(), cell.key
    CellResult.objects.bulk_update(rows, ["cell", "key"])
    campaign.matrix = campaign.matrix | {"scales": [scale]}
    campaign.save(update_fields=["matrix"])


def get(number: UUID | str) -> Campaign:
    """Return a campaign.

    Raises
    ------
    NotFound
        If there is none of that number.
    """
    found = Campaign.objects.select_related("run", "created_by").filter(pk=number).first()
    if found is None:
        raise NotFound(
            _("There is no campaign %(number)s: the list of benchmarks shows those there are.")
            % {"number": number},
            code="no_campaign",
        )
    return found


@transaction.atomic
def pause(*, campaign: Campaign) -> None:
    """Ask a campaign to rest; the build or pass in hand is given up. Asking twice changes nothing.

    One whose run still waits for a worker rests at once.

    Raises
    ------
    Conflict
        If it is not at work.
    """
    if not is_active(campaign):
        raise Conflict(
            _("“%(name)s” is not at work, so there is nothing to pause.") % {"name": campaign},
            code="not_running",
        )
    Campaign.objects.filter(pk=campaign.pk).update(is_paused=True)
    run = Run.objects.queued().filter(pk=str(campaign.run_id)).first()
    if run is not None:  # once a worker has it, it looks for itself
        with suppress(Conflict):
            runs.cancel(
                run_id=run.pk, actor=Actor.system("lab"), reason=_("The campaign was paused.")
            )


def cancel(*, campaign: Campaign, actor: Actor) -> None:
    """Ask the run of a campaign to stop; what is measured stays.

    Raises
    ------
    Conflict
        If it is not at work.
    """
    if not is_active(campaign):
        raise Conflict(
            _("“%(name)s” is not at work, so there is nothing to cancel.") % {"name": campaign},
            code="not_running",
        )
    runs.cancel(run_id=UUID(str(campaign.run_id)), actor=actor)
    Campaign.objects.filter(pk=campaign.pk).update(is_paused=False)


def ready_to_resume(*, campaign: Campaign) -> int:
    """Make a campaign ready for another run; returns the number of cells left.

    Damaged cells count where no other is left; they are put back by the run, which says so.

    Raises
    ------
    Conflict
        If it is at work or has no cell left.
    """
    if is_active(campaign):
        raise Conflict(
            (
                _("“%(name)s” was asked to rest and has not come to it yet: resume it once it has.")
                if campaign.is_paused
                else _("“%(name)s” is at work: wait for it or cancel it.")
            )
            % {"name": campaign},
            code="running",
        )
    campaign.cells.filter(state=CellResult.State.FAILED).update(
        state=CellResult.State.WAITING, n_tries=0, error=""
    )
    left = campaign.cells.filter(state=CellResult.State.WAITING).count() or len(_damaged(campaign))
    if not left:
        raise Conflict(
            _("“%(name)s” has measured all of its cells.") % {"name": campaign}, code="complete"
        )
    Campaign.objects.filter(pk=campaign.pk).update(is_paused=False)
    return left


def repeat_damaged(*, campaign: Campaign) -> list[str]:
    """Put back the cells that are damaged or lack facts; returns their labels.

    For the run alone, which says so in its log.
    """
    damaged = _damaged(campaign)
    CellResult.objects.filter(pk__in=[row.pk for row in damaged]).update(
        state=CellResult.State.WAITING, facts={}, digest="", samples=None
    )
    return [row.what.label for row in damaged]


def _damaged(campaign: Campaign) -> list[CellResult]:
    rows = campaign.cells.filter(state=CellResult.State.MEASURED)
    return [row for row in rows if selectors.is_damaged(row)]


def has_more(campaign: Campaign, lines: Sequence[Line]) -> bool:
    """Whether a campaign that is over has cells to be measured again.

    Reads no samples: those who do, as a report does, open an alert on what is damaged or lost.
    """
    if any(
        line.state == CellResult.State.FAILED
        or (line.state == CellResult.State.MEASURED and not line.p50)
        for line in lines
    ):
        return True
    stored = campaign.cells.filter(state=CellResult.State.MEASURED)
    keys = [f"{artifacts.ALERT}{one}" for one in stored.values_list("samples_id", flat=True)]
    return Alert.objects.open().filter(key__in=keys).exists()


def is_active(campaign: Campaign) -> bool:
    """Whether a run works or waits for the campaign."""
    run = Run.objects.filter(pk=str(campaign.run_id)).first() if campaign.run_id else None
    return run is not None and run.state in {State.QUEUED, State.RUNNING}


def postgres() -> str:
    """Return the connection string that pgvector is measured on: this portal's own server."""
    database: dict[str, Any] = settings.DATABASES["default"]
    words = {
        "host": database.get("HOST"),
        "port": database.get("PORT"),
        "user": database.get("USER"),
        "password": database.get("PASSWORD"),
        "dbname": database.get("NAME"),
        "application_name": "millwright-lab",
    }
    return " ".join(f"{name}={_quoted(value)}" for name, value in words.items() if value)


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
