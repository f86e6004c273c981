"""The share of requests that a challenger answers: who may set it, and what it is now.

A challenger answers without having passed the gate, so a second person decides: not whoever
launched its training, and with a permission that those who assign aliases need not hold.
"""

import math
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput, Refused
from portal.registry import live, selectors
from portal.registry.models import Alias, ModelVersion, RegisteredModel
from portal.registry.services.reasons import checked_reason
from predictions.models import MOST_SHARE, TrafficSplit

PERMISSION = "predictions.split_traffic"


@dataclass(frozen=True)
class Traffic:
    """Who answers for a model at this moment.

    Attributes
    ----------
    model
    champion, challenger, shadow
        The versions the aliases point at.
    split
        The last decision on the share, whatever version it was for.
    """

    model: RegisteredModel
    champion: ModelVersion | None
    challenger: ModelVersion | None
    shadow: ModelVersion | None
    split: TrafficSplit | None

    @property
    def share(self) -> float:
        """What the challenger answers; 0 when the last decision was for another version."""
        if self.split is None or self.split.version != self.challenger:
            return 0.0
        return self.split.share


def of_model(model: RegisteredModel) -> Traffic:
    """Return who answers for a model now."""
    versions = {alias: selectors.current(model.name, alias) for alias in Alias}
    split = TrafficSplit.objects.filter(model=model).select_related("version").first()
    return Traffic(
        model,
        versions[Alias.CHAMPION],
        versions[Alias.CHALLENGER],
        versions[Alias.SHADOW],
        split,
    )


def last_split_id(model_name: str) -> int | None:
    """Return the number of the last decision on a model's share; it changes with every one."""
    splits = TrafficSplit.objects.filter(model__name=model_name)
    return splits.values_list("pk", flat=True).first()


def share_of(version: ModelVersion) -> float:
    """Return the share that was decided for a version, 0 when the last decision was for another."""
    split = TrafficSplit.objects.filter(model=version.model_id).first()
    return split.share if split is not None and split.version_id == version.pk else 0.0


def set_share(*, model: RegisteredModel, share: float, reason: str, actor: Actor) -> TrafficSplit:
    """Let the challenger answer a share of the requests, or no more.

    Parameters
    ----------
    model
        Whose challenger.
    share
        From 0 to 0.5.
    reason
        Kept in the audit log.
    actor
        Who decides.

    Raises
    ------
    Refused
        When the actor does not hold the permission, or launched the run the challenger came from.
    InvalidInput
        For a share outside, or without a reason.
    Conflict
        When there is no challenger, or it has this share already.
    """
    target = f"{model.name} {Alias.CHALLENGER}"
    with audit.refusals(actor, "traffic.split", target):
        actor.require(PERMISSION)
        reason = checked_reason(reason)
        _check(share)
        with transaction.atomic():
            RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)
            now = of_model(model)
            version = _challenger(now, share, actor)
            split = TrafficSplit.objects.create(
                model=model,
                version=version,
                share=share,
                reason=reason,
                set_by=actor.name,
                set_by_id=actor.user_id,
            )
            live.publish_on_commit(model.name)
            detail = {"version": version.number, "before": now.share, "after": share}
            audit.record(actor, "traffic.split", target, reason=reason, detail=detail)
    return split


def _check(share: float) -> None:
    if math.isfinite(share) and 0 <= share <= MOST_SHARE:
        return
    message = _("The share is %(seen)g: it must lie between 0 and %(most)g.") % {
        "seen": share,
        "most": MOST_SHARE,
    }
    raise InvalidInput(message, problems=[FieldProblem("challenger_share", "range", message)])


def _challenger(now: Traffic, share: float, actor: Actor) -> ModelVersion:
    version = now.challenger
    if version is None:
        raise Conflict(
            _("The model %(model)s has no challenger: point the alias at a version first.")
            % {"model": now.model.name},
            code="no_challenger",
        )
    if share == now.share:
        raise Conflict(
            _("The challenger of %(model)s has the share %(share)g already; nothing to do.")
            % {"model": now.model.name, "share": share},
            code="share_unchanged",
        )
    if share and actor.user_id in version.lineage.get("launcher_ids", []):
        raise Refused(
            _("%(name)s launched the training of %(version)s: a second person decides its share.")
            % {"name": actor.name, "version": version},
            code="own_version",
        )
    return version
