"""The end of a model: nothing of it is live or goes live again, its history stays."""

from django.db import transaction

from portal.core import audit
from portal.core.actors import Actor
from portal.lib import clock
from portal.registry import selectors
from portal.registry.models import Alias, AliasMove, RegisteredModel
from portal.registry.services.aliases import lock, move
from portal.registry.services.ground import void_live
from portal.registry.services.reasons import checked_reason


def retire(*, model: RegisteredModel, reason: str, actor: Actor) -> RegisteredModel:
    """Take every alias of a model away for good; a second call changes nothing.

    What a model stands for is known to its app, so the app decides who may do this. Requests that
    wait become void; versions and their files go by retention, rollback targets like the others.

    Parameters
    ----------
    model
        What ends.
    reason
        Why; it stands in the history.
    actor
        Who ends it.

    Raises
    ------
    InvalidInput
        Without a reason.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        locked = lock(model)
        if locked.retired_at is not None:
            return locked
        void_live(locked, reason, actor)
        for alias in Alias:
            if selectors.current(locked.name, alias) is not None:
                move(
                    model=locked,
                    alias=alias,
                    kind=AliasMove.Kind.RETIREMENT,
                    to=None,
                    actor=actor,
                    reason=reason,
                )
        locked.retired_at = clock.now()
        locked.save(update_fields=["retired_at"])
        audit.record(actor, "model.retire", locked.name, reason=reason)
    return locked
