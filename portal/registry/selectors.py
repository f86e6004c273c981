"""Reads over models, versions and their history."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypedDict

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django_stubs_ext import Annotations, WithAnnotations

from portal.core.actors import Actor
from portal.core.models import User
from portal.registry.models import (
    Alias,
    AliasAssignment,
    AliasMove,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)


@dataclass(frozen=True)
class LiveAt:
    """What an alias pointed at in a moment, and how it came there.

    Attributes
    ----------
    version
        The version that was live.
    since, until
        From when, and to when; `until` is None while it still is.
    move
        The line of history that put it there: actor, kind, reason, request.
    """

    version: ModelVersion
    since: datetime
    until: datetime | None
    move: AliasMove


class Until(TypedDict):
    """What :func:`history` adds to a move: when a later one ended it."""

    until: datetime | None


MoveUntil = Annotated[AliasMove, Annotations[Until]]


def current(model_name: str, alias: Alias) -> ModelVersion | None:
    """Return the version an alias of a model points at now."""
    assignment = (
        AliasAssignment.objects.filter(model__name=model_name, alias=alias)
        .select_related("version__model")
        .first()
    )
    return assignment.version if assignment else None


def champion(model_name: str) -> ModelVersion | None:
    """Return the version that is live for a model."""
    return current(model_name, Alias.CHAMPION)


def last_move_id(model_name: str, alias: Alias) -> int | None:
    """Return the id of the last line in an alias's history; it changes when the alias moves."""
    return (
        AliasMove.objects.filter(model__name=model_name, alias=alias)
        .order_by("-id")
        .values_list("id", flat=True)
        .first()
    )


def history(
    model: RegisteredModel, alias: Alias | None = None
) -> "QuerySet[WithAnnotations[AliasMove, Until]]":
    """Return a model's alias moves, newest first, each with ``until`` if a later one ended it."""
    later = AliasMove.objects.filter(
        model=OuterRef("model"), alias=OuterRef("alias"), id__gt=OuterRef("id")
    ).order_by("id")
    moves = AliasMove.objects.filter(model=model).annotate(until=Subquery(later.values("at")[:1]))
    if alias is not None:
        moves = moves.filter(alias=alias)
    return moves.select_related("from_version__model", "to_version__model", "promotion").order_by(
        "-id"
    )


def live_at(model: RegisteredModel, at: datetime, alias: Alias = Alias.CHAMPION) -> LiveAt | None:
    """Return what was live in a moment, since when and put there by whom, in one query."""
    move = history(model, alias).filter(at__lte=at).first()
    if move is None or move.to_version is None:
        return None
    return LiveAt(version=move.to_version, since=move.at, until=move.until, move=move)


def former_champions(model: RegisteredModel) -> list[ModelVersion]:
    """Return the versions that were champion before the present one, the latest first, each once.

    Versions in quarantine or removed by retention are left out: nothing goes back to them.
    """
    moves = (
        AliasMove.objects.filter(model=model, alias=Alias.CHAMPION)
        .select_related("to_version__model")
        .order_by("-id")
    )
    versions = {move.to_version_id: move.to_version for move in moves if move.to_version}
    now = champion(model.name)
    return [
        version
        for version in versions.values()
        if version.state == ModelVersion.State.READY and version != now
    ]


def waiting_for(user: User) -> QuerySet[PromotionRequest]:
    """Return the live requests that this person may decide or apply now, the oldest first."""
    actor = Actor.of_user(user, via="person")
    decide = Q(state=PromotionRequest.State.OPEN) & ~(
        Q(requested_by=user)
        | Q(evidence__lineage__launcher_ids__contains=[user.pk])
        | Q(decisions__decided_by=user)
    )
    wanted = Q(pk__in=[])
    if actor.holds("registry.approve_promotion"):
        wanted |= decide
    if actor.holds("registry.apply_promotion"):
        wanted |= Q(state=PromotionRequest.State.APPROVED)
    return (
        PromotionRequest.objects.filter(wanted)
        .select_related("model", "candidate__model", "champion__model", "requested_by", "gate")
        .order_by("created_at")
    )


def removable(
    before: datetime, only: ModelVersion | None = None, family: str = ""
) -> list[ModelVersion]:
    """Return the versions made before a moment that nothing refers to, for retention.

    Spared are versions an alias points at, candidate and champion of live requests, and the last
    former champions of each model that is not retired, as many as it keeps rollback targets.
    """
    live = PromotionRequest.objects.filter(state__in=PromotionRequest.LIVE_STATES)
    old = (
        ModelVersion.objects.filter(created_at__lt=before)
        .exclude(state=ModelVersion.State.REMOVED)
        .exclude(pk__in=AliasAssignment.objects.values("version"))
        .exclude(pk__in=live.values("candidate"))
        .exclude(pk__in=live.filter(champion__isnull=False).values("champion"))
        .select_related("model")
        .order_by("pk")
    )
    if only is not None:
        old = old.filter(pk=only.pk)
    if family:
        old = old.filter(model__family=family)
    models = {version.model_id: version.model for version in old}
    spared = {
        version.pk
        for one in models.values()
        if one.retired_at is None
        for version in former_champions(one)[: one.n_rollback_targets]
    }
    return [version for version in old if version.pk not in spared]
