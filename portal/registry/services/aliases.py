"""Moving aliases: every way a version gets or loses a name goes through one row of history."""

from typing import NoReturn

from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput, Refused
from portal.registry import families, hooks, live, selectors
from portal.registry.models import (
    Alias,
    AliasMove,
    ModelVersion,
    PromotionRequest,
    RegisteredModel,
)
from portal.registry.services.reasons import checked_reason

MOVABLE = (Alias.CHALLENGER, Alias.SHADOW)


def lock(model: RegisteredModel) -> RegisteredModel:
    """Take the lock under which everything about a model's aliases and requests is decided."""
    return RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)


def move(
    *,
    model: RegisteredModel,
    alias: Alias,
    kind: AliasMove.Kind,
    to: ModelVersion | None,
    actor: Actor,
    reason: str,
    promotion: PromotionRequest | None = None,
) -> AliasMove:
    """Write one line of history; the database moves the alias with it. Call under :func:`lock`.

    Raises
    ------
    Conflict
        If the model is retired, the app that speaks for its family refuses an apply, or the
        database refuses the move: its message says which rule it breaks.
    """
    if RegisteredModel.objects.filter(pk=model.pk, retired_at__isnull=False).exists():
        raise Conflict(
            _("“%(model)s” is retired: nothing of it goes live any more.") % {"model": model.name},
            code="model_retired",
        )
    if alias == Alias.CHAMPION and to is not None:
        hooks.check(to, kind)
    try:
        with transaction.atomic():
            row = AliasMove.objects.create(
                model=model,
                alias=alias,
                kind=kind,
                from_version=selectors.current(model.name, alias),
                to_version=to,
                promotion=promotion,
                actor=actor.name,
                actor_id=actor.user_id,
                reason=reason,
            )
    except DatabaseError as exc:
        raise Conflict(
            _("The %(alias)s of “%(model)s” was not moved: %(error)s.")
            % {"alias": alias, "model": model.name, "error": str(exc).splitlines()[0]},
            code="move_refused",
        ) from exc
    if alias == Alias.CHAMPION:
        hooks.tell(row)
    live.publish_on_commit(model.name)
    return row


def bootstrap_champion(*, version: ModelVersion, reason: str, actor: Actor) -> AliasMove:
    """Put the first version of a model live without a request, for a first start.

    Raises
    ------
    Refused
        Unless the portal itself asks, the version is synthetic or of a model that starts itself,
        and the model never had a champion.
    Corrupt
        If the version's files are damaged.
    """
    model = version.model
    with audit.refusals(actor, "alias.bootstrap", version):
        if actor.is_person or not (version.is_synthetic or model.starts_itself):
            raise Refused(
                _(
                    "%(version)s cannot be put live without a promotion: only the portal itself "
                    "may do so, and only with a version trained on synthetic data or the first "
                    "of a model that starts itself. Ask for a promotion."
                )
                % {"version": version},
                code="bootstrap_refused",
            )
        families.get(model.family).warm(version)
        with transaction.atomic():
            lock(model)
            if AliasMove.objects.filter(model=model, alias=Alias.CHAMPION).exists():
                raise Refused(
                    _("“%(model)s” had a champion before; a new one needs a promotion.")
                    % {"model": model.name},
                    code="bootstrap_refused",
                )
            row = move(
                model=model,
                alias=Alias.CHAMPION,
                kind=AliasMove.Kind.BOOTSTRAP,
                to=version,
                actor=actor,
                reason=checked_reason(reason),
            )
            audit.record(actor, "alias.bootstrap", version, reason=reason)
    return row


def assign_alias(
    *,
    model: RegisteredModel,
    alias: str,
    version: ModelVersion | None,
    reason: str,
    actor: Actor,
) -> AliasMove:
    """Point the challenger or shadow alias at a version, or at none.

    Raises
    ------
    Refused
        For the champion, which only a promotion, a rollback or break-glass moves, and for an actor
        without the permission to ask for promotions.
    InvalidInput
        For an alias that does not exist or a missing reason.
    Conflict
        If the alias points there already, or the version cannot be used.
    """
    target = f"{model.name} {alias} → {version.number if version else None}"
    with audit.refusals(actor, "alias.assign", target):
        known = _movable(alias)
        actor.require("registry.request_promotion")
        reason = checked_reason(reason)
        with transaction.atomic():
            lock(model)
            if selectors.current(model.name, known) == version:
                raise Conflict(
                    _("The %(alias)s of “%(model)s” points there already; nothing to do.")
                    % {"alias": alias, "model": model.name},
                    code="alias_unchanged",
                )
            row = move(
                model=model,
                alias=known,
                kind=AliasMove.Kind.ASSIGNMENT,
                to=version,
                actor=actor,
                reason=reason,
            )
            audit.record(actor, "alias.assign", target, reason=reason)
    return row


def refuse_champion(*, model: RegisteredModel, actor: Actor) -> NoReturn:
    """Refuse to set the champion directly, whatever was sent, and record that somebody tried."""
    with audit.refusals(actor, "alias.assign", f"{model.name} {Alias.CHAMPION}"):
        raise _never_directly()


def _never_directly() -> Refused:
    return Refused(
        _(
            "The champion is never set directly: ask for a promotion, or roll back, or use "
            "break-glass in an emergency."
        ),
        code="champion_is_not_assignable",
    )


def _movable(alias: str) -> Alias:
    if alias == Alias.CHAMPION:
        raise _never_directly()
    if alias not in MOVABLE:
        raise InvalidInput(
            _("There is no alias “%(alias)s”; use one of %(known)s.")
            % {"alias": alias, "known": ", ".join(MOVABLE)},
            code="unknown_alias",
        )
    return Alias(alias)
