"""Start the runs of studies."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.core.errors import Conflict
from portal.runs import services as runs
from portal.runs.models import Run
from tuning import tasks
from tuning.models import Study
from tuning.services import machine, put_fits, studies


def start(*, target: str, actor: Actor, **asked: Any) -> Study:
    """Make a study and start its run; a second one on the same target waits for the first.

    Parameters
    ----------
    asked
        As of :func:`tuning.services.studies.create`.

    Raises
    ------
    InvalidInput
        If something is asked for that the target does not have.
    OutOfSpace
        If the disk is nearly full.
    """
    machine.require_room()
    with transaction.atomic():
        study = studies.create(target=target, actor=actor, **asked)
        _run(study, actor)
    return study


@transaction.atomic
def resume(*, study: Study, actor: Actor) -> Run:
    """Start another run for a study that rested, was cancelled or failed.

    Raises
    ------
    Conflict
        If it is at work or done.
    """
    study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    studies.ready_to_resume(study=study)
    return _run(study, actor)


def cancel(*, study: Study, actor: Actor, reason: str = "") -> Run:
    """Stop a study now; what was measured stays, and it can be resumed.

    Raises
    ------
    Conflict
        If it is not at work.
    """
    if study.run is None or study.run.is_terminal:
        raise Conflict(
            _("“%(name)s” is not at work, so there is nothing to cancel.") % {"name": study},
            code="not_running",
        )
    runs.cancel(run_id=study.run.pk, actor=actor, reason=reason)
    study.run.refresh_from_db()
    return study.run


def fit_put_rate(*, actor: Actor) -> Run:
    """Start a fit of the put-rate model.

    Raises
    ------
    Conflict
        If there are not enough trials, or a fit is at work.
    """
    put_fits.require_enough()
    return runs.enqueue(
        kind=tasks.FIT_PUT_RATE,
        actor=actor,
        parameters={},
        title=_("Fit of the put-rate model"),
        overlap_key=tasks.FIT_PUT_RATE,
    )


def _run(study: Study, actor: Actor) -> Run:
    run = runs.enqueue(
        kind=tasks.STUDY,
        actor=actor,
        parameters={"study": str(study.pk)},
        title=_("Study “%(name)s”") % {"name": study.name},
        overlap_key=f"{tasks.STUDY}:{study.target}",
    )
    Study.objects.filter(pk=study.pk).update(run=run)
    study.run = run
    return run
