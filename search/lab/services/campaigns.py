"""Making a campaign, pausing it, going on."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput
from portal.lib.hashing import digest_json
from portal.runs.models import Run, State
from search.lab.engine.matrix import Matrix
from search.lab.engine.problems import LabProblem
from search.lab.models import Campaign, CellResult

MAX_WORKERS = 16


def matrix(content: dict[str, Any]) -> Matrix:
    """Return the matrix that somebody asked for.

    Raises
    ------
    InvalidInput
        If it asks for what the lab does not have; names the field.
    """
    try:
        return Matrix(**content)
    except LabProblem as exc:
        message = _(exc.template).format(**exc.params)
        field = str(exc.params.get("field", ""))
        problems = [FieldProblem(field, exc.code, message)] if field else []
        raise InvalidInput(message, code=exc.code, problems=problems) from exc


@transaction.atomic
def create(
    *, plan: Matrix, name: str, actor: Actor, n_workers: int = 1, memory_mb: int = 0, seed: int = 0
) -> Campaign:
    """Write a campaign and its cells; whoever calls starts its run.

    Raises
    ------
    InvalidInput
        If the number of workers or the cap is out of bounds.
    """
    for field, value, low, high in (
        ("workers", n_workers, 1, MAX_WORKERS),
        ("max_memory", memory_mb, 0, 1 << 20),
    ):
        if not low <= value <= high:
            message = _("%(field)s is %(value)s: it must lie between %(low)s and %(high)s.") % {
                "field": field,
                "value": value,
                "low": low,
                "high": high,
            }
            raise InvalidInput(message, problems=[FieldProblem(field, "wrong_number", message)])
    campaign = Campaign.objects.create(
        name=name[:120] or _("Benchmark"),
        matrix=plan.to_dict(),
        seed=seed,
        n_workers=n_workers,
        memory_mb=memory_mb,
        created_by_id=actor.user_id,
    )
    CellResult.objects.bulk_create(
        CellResult(campaign=campaign, position=place, key=cell.key, cell=cell.to_dict())
        for place, cell in enumerate(plan.cells())
    )
    return campaign


def pause(*, campaign: Campaign) -> None:
    """Ask a campaign to rest after the cell in hand.

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


def ready_to_resume(*, campaign: Campaign) -> int:
    """Make a campaign ready for another run; returns the number of cells left.

    Raises
    ------
    Conflict
        If it is at work or has no cell left.
    """
    if is_active(campaign):
        raise Conflict(
            _("“%(name)s” is at work: wait for it or cancel it.") % {"name": campaign},
            code="running",
        )
    campaign.cells.filter(state=CellResult.State.FAILED).update(
        state=CellResult.State.WAITING, n_tries=0, error=""
    )
    repeat_damaged(campaign=campaign)
    left = campaign.cells.filter(state=CellResult.State.WAITING).count()
    if not left:
        raise Conflict(
            _("“%(name)s” has measured all of its cells.") % {"name": campaign}, code="complete"
        )
    Campaign.objects.filter(pk=campaign.pk).update(is_paused=False)
    return left


def repeat_damaged(*, campaign: Campaign) -> list[str]:
    """Put back the cells whose facts do not match their digest; returns their labels."""
    damaged = [
        row
        for row in campaign.cells.filter(state=CellResult.State.MEASURED)
        if digest_json(row.facts) != row.digest
    ]
    CellResult.objects.filter(pk__in=[row.pk for row in damaged]).update(
        state=CellResult.State.WAITING, facts={}, digest="", samples=None
    )
    return [row.what.label for row in damaged]


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
