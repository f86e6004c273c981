"""Starting, stopping and repeating runs."""

import secrets
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from portal.core import alerts, audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput, NotFound
from portal.lib import clock
from portal.lib.hashing import canonical_json
from portal.runs import events, kinds, leases, messages
from portal.runs.models import Queue, Run, State

SEED_BITS = 31  # what every library takes
MOST_SEED = (1 << SEED_BITS) - 1
NUL = b"\\u0000"  # as JSON spells it; Postgres keeps no such text


def enqueue(
    *,
    kind: str,
    actor: Actor,
    parameters: dict[str, Any] | None = None,
    seed: int | None = None,
    title: str = "",
    parent: Run | None = None,
    dataset_fingerprint: str = "",
    overlap_key: str = "",
    not_before: datetime | None = None,
    via_detail: str = "",
    queue: str = "",
    priority: int = 0,
) -> Run:
    """Write a queued run in the caller's transaction; its message goes out on commit.

    Parameters
    ----------
    kind
        A registered kind of work.
    actor
        Who or what starts it; recorded on the run.
    parameters
        Plain JSON without NaN or infinity.
    seed
        For every random draw of the work; drawn here when not given.
    overlap_key
        Runs that share a key never work at the same time.
    not_before
        The earliest start.
    queue
        Another queue than the kind's own.
    priority
        Of the runs that wait in a queue, those of the lowest number go first: 0 to 9.

    Raises
    ------
    NotFound
        When the kind is unknown.
    InvalidInput
        When the parameters are not plain JSON, or there is no such queue.
    """
    known = kinds.get(kind)
    run = Run(
        kind=kind,
        queue=_queue(queue or known.queue),
        title=title[:200],
        parameters=plain_parameters(parameters or {}),
        seed=draw_seed() if seed is None else seed,
        parent=parent,
        max_attempts=known.max_attempts,
        dataset_fingerprint=dataset_fingerprint,
        overlap_key=overlap_key[:200],
        not_before=not_before,
        started_by_id=actor.user_id,
        started_via=_via(actor),
        started_via_detail=(via_detail or actor.key_prefix)[:200],
        request_id=actor.request_id,
    )
    return _store(run, actor, priority)


def checked_seed(given: int | None) -> int | None:
    """Return a seed that every library takes, or None.

    Raises
    ------
    InvalidInput
        When it is negative or has more than 31 bits.
    """
    if given is not None and not 0 <= given <= MOST_SEED:
        message = _("The seed is %(seen)d; give a whole number from 0 to %(most)d.") % {
            "seen": given,
            "most": MOST_SEED,
        }
        raise InvalidInput(message, problems=[FieldProblem("seed", "range", message)])
    return given


def draw_seed() -> int:
    """Return the seed of a run that nobody gave one."""
    return secrets.randbits(SEED_BITS)


def _store(run: Run, actor: Actor, priority: int = 0) -> Run:
    with transaction.atomic():
        run.save(force_insert=True)
        events.state_event(run.pk, State.QUEUED, actor=actor.name)
    if run.not_before is None or run.not_before <= clock.now():
        transaction.on_commit(partial(messages.send, run.pk, run.queue, priority), robust=True)
    return run


def plain_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters of a run, or raise :class:`InvalidInput` if they are no plain JSON."""
    message = _("The parameters are not plain JSON (%(reason)s).")
    try:
        plain = canonical_json(parameters)
    except (TypeError, ValueError) as exc:
        raise InvalidInput(message % {"reason": exc}) from exc
    if NUL in plain:
        raise InvalidInput(message % {"reason": _("a text holds the character NUL")})
    return parameters


def _queue(name: str) -> Queue:
    try:
        return Queue(name)
    except ValueError as exc:
        raise InvalidInput(
            _("There is no queue “%(seen)s”; the queues are: %(known)s.")
            % {"seen": name, "known": ", ".join(Queue.values)}
        ) from exc


def _via(actor: Actor) -> str:
    if actor.via in Run.Via.values:
        return actor.via
    return Run.Via.PERSON if actor.is_person else Run.Via.SYSTEM


def _found(run_id: UUID | str) -> Run:
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise NotFound(_("There is no run %(run)s.") % {"run": run_id})
    return run


def cancel(*, run_id: UUID | str, actor: Actor, reason: str = "") -> Run:
    """Cancel a queued run at once, or ask a running one to stop.

    A running run stops at its next progress point, or is killed after the grace period.
    Asking twice changes nothing.

    Raises
    ------
    NotFound
        When there is no such run.
    Refused
        When the actor neither started the run nor holds the permission.
    Conflict
        When the run is over.
    """
    run = _found(run_id)
    with audit.refusals(actor, "run.cancel", f"run {run.pk}"):
        _require(actor, run, "runs.cancel_run")
        with transaction.atomic():
            _stop(run, actor, reason)
            _record(actor, "run.cancel", run, reason=reason)
    return _found(run_id)


def _stop(run: Run, actor: Actor, reason: str) -> None:
    message = reason or _("Cancelled by %(name)s.") % {"name": actor.name}
    stopped = leases.Outcome(State.CANCELLED, error_code="cancelled", error_message=message)
    if leases.change(Run.objects.queued().filter(pk=run.pk), run.pk, stopped):
        return
    wanted = Run.objects.running().filter(pk=run.pk, cancel_requested_at__isnull=True)
    if wanted.update(cancel_requested_at=Now(), cancel_requested_by=actor.name[:150]):
        asked = _("%(name)s asked the run to stop.") % {"name": actor.name}
        events.log_event(run.pk, asked, reason=reason)
    elif not Run.objects.filter(pk=run.pk).active().exists():
        raise Conflict(_("The run is over; there is nothing to cancel."), code="run_over")


def retry(*, run_id: UUID | str, actor: Actor) -> Run:
    """Start a run again that failed, errored or was cancelled: a new run that names the old one.

    What is over stays as it is; the new run has the same kind, parameters and seed.

    Raises
    ------
    NotFound
        When there is no such run.
    Refused
        When the actor neither started the run nor holds the permission.
    Conflict
        When the run succeeded, is not over, or is being retried already.
    """
    old = _found(run_id)
    with audit.refusals(actor, "run.retry", f"run {old.pk}"):
        _require(actor, old, "runs.retry_run")
        return _retried(old, actor)


def _retried(old: Run, actor: Actor) -> Run:
    if not old.is_terminal or old.state == State.SUCCEEDED:
        message = _("The run is “%(state)s”; only failed, errored or cancelled runs are retried.")
        raise Conflict(message % {"state": old.get_state_display()}, code="not_retryable")
    new = Run(
        kind=old.kind,
        queue=old.queue,
        title=old.title,
        parameters=old.parameters,
        seed=old.seed,
        parent=old.parent,
        retry_of=old,
        max_attempts=kinds.get(old.kind).max_attempts,
        dataset_fingerprint=old.dataset_fingerprint,
        overlap_key=old.overlap_key,
        started_by_id=actor.user_id,
        started_via=_via(actor),
        started_via_detail=actor.key_prefix,
        request_id=actor.request_id,
    )
    try:
        with transaction.atomic():
            _store(new, actor)
            alerts.resolve_alert(leases.alert_key(old.pk))
            _record(actor, "run.retry", old, detail={"new_run": str(new.pk)})
    except IntegrityError as exc:
        raise Conflict(_("The run is being retried already."), code="retry_active") from exc
    return new


def dismiss(*, run_id: UUID | str, actor: Actor, reason: str) -> Run:
    """Say that a dead letter needs nothing more: its alert ends, the run stays as it is.

    Raises
    ------
    NotFound
        When there is no such run.
    Refused
        When the actor neither started the run nor holds the permission to retry it.
    InvalidInput
        Without a reason.
    Conflict
        When the run is no dead letter, or was retried or dismissed already.
    """
    run = _found(run_id)
    with audit.refusals(actor, "run.dismiss", f"run {run.pk}"):
        _require(actor, run, "runs.retry_run")
        if not reason.strip():
            raise InvalidInput(_("Say why nothing more is to be done about this run."))
        with transaction.atomic():
            if not alerts.resolve_alert(leases.alert_key(run.pk)):
                raise Conflict(
                    _("The run is no dead letter, or was retried or dismissed already."),
                    code="no_dead_letter",
                )
            _record(actor, "run.dismiss", run, reason=reason)
    return run


def _record(actor: Actor, action: str, run: Run, **words: Any) -> None:
    """Put what a person or key did to a run into the audit log."""
    if actor.is_person:
        audit.record(actor, action, f"run {run.pk}", **words)


def _require(actor: Actor, run: Run, permission: str) -> None:
    """Whoever started a run may stop and repeat it; the portal itself may as well."""
    own = actor.user_id is not None and actor.user_id == run.started_by_id
    if actor.is_person and not own:
        actor.require(permission)
