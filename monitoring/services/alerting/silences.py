"""Silences: nobody is told of some alerts for a while, because somebody works on it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from monitoring.models import Silence
from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput
from portal.lib import clock

#: A silence that nobody remembers hides what is wrong; ours.
LONGEST = timedelta(days=30)
ADD, CHANGE = "monitoring.add_silence", "monitoring.change_silence"


def create(
    *, keys: str, ends_at: datetime, reason: str, actor: Actor, starts_at: datetime | None = None
) -> Silence:
    """Silence the alerts whose keys begin so, from now or a time on.

    Parameters
    ----------
    keys
        Beginnings of keys, separated by white space; ``*`` for all.

    Raises
    ------
    Refused, InvalidInput
        When the actor may not, or a value makes no sense.
    """
    target = f"silence {' '.join(keys.split())}"
    with audit.refusals(actor, "silence.create", target):
        actor.require(ADD)
        begins = starts_at or clock.now()
        _check(keys, begins, ends_at, reason)
        with transaction.atomic():
            silence = Silence.objects.create(
                keys="\n".join(keys.split()),
                starts_at=begins,
                ends_at=ends_at,
                reason=reason.strip()[:300],
                made_by_id=actor.user_id,
                made_via=actor.via[:20],
            )
            detail = {"from": begins.isoformat(), "until": ends_at.isoformat()}
            audit.record(actor, "silence.create", target, reason=reason, detail=detail)
    return silence


def _check(keys: str, begins: datetime, ends_at: datetime, reason: str) -> None:
    problems = []
    if not keys.split():
        message = _("Name the alerts by the beginnings of their keys; * stands for all.")
        problems.append(FieldProblem("keys", "required", message))
    if ends_at <= max(begins, clock.now()):
        message = _("The silence ends before it begins, or has ended already.")
        problems.append(FieldProblem("ends_at", "invalid", message))
    elif ends_at - begins > LONGEST:
        message = _("The silence lasts for more than %(days)s days: make it shorter.")
        said = message % {"days": LONGEST.days}
        problems.append(FieldProblem("ends_at", "invalid", said))
    if not reason.strip():
        problems.append(FieldProblem("reason", "required", _("Say why nobody is to be told.")))
    if problems:
        raise InvalidInput(problems[0].message, problems=problems)


def end(*, silence: Silence, actor: Actor) -> None:
    """End a silence now; what still stands is told of.

    Raises
    ------
    Refused, Conflict
        When the actor may not, or it is over.
    """
    target = f"silence {' '.join(silence.keys.split())}"
    with audit.refusals(actor, "silence.end", target):
        actor.require(CHANGE)
        now = clock.now()
        with transaction.atomic():
            begun = Silence.objects.filter(pk=silence.pk, starts_at__lt=now, ends_at__gt=now)
            # One that has not begun ends where it would begin: it never held.
            to_come = Silence.objects.filter(pk=silence.pk, starts_at__gte=now)
            if not begun.update(ends_at=now) and not to_come.delete()[0]:
                raise Conflict(_("The silence is over already."), code="silence_over")
            audit.record(actor, "silence.end", target)
