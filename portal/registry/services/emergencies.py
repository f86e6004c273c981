"""When it burns: break-glass, rollback, quarantine and the way out of it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portal.core import alerts, audit, notices
from portal.core.actors import Actor
from portal.core.errors import Conflict, Refused
from portal.registry import families, selectors
from portal.registry.models import Alias, AliasAssignment, AliasMove, ModelVersion, RegisteredModel
from portal.registry.services.aliases import lock, move
from portal.registry.services.ground import void_live
from portal.registry.services.manifests import verify
from portal.registry.services.reasons import EMERGENCY_MIN_CHARS, checked_reason

logger = logging.getLogger(__name__)

State = ModelVersion.State
# Processes learn of a move within two seconds and finish what they have begun.
SWITCH = timedelta(seconds=5)


@dataclass(frozen=True)
class Rollback:
    """What a rollback did.

    Attributes
    ----------
    move
        The new line of history.
    bad
        The version taken off, now in quarantine.
    restored
        The version that is live again, with the threshold, signature and drift baseline bound to
        it.
    live_since, live_until
        When the bad version answered.
    affected
        What the family says of its answers in that time and the seconds of the switch (at least
        ``count``); None when it cannot say.
    """

    move: AliasMove
    bad: ModelVersion
    restored: ModelVersion
    live_since: datetime
    live_until: datetime
    affected: Mapping[str, Any] | None


def break_glass(*, version: ModelVersion, reason: str, actor: Actor) -> AliasMove:
    """Put a version live without gate or approval, in an emergency, for everyone to see.

    Raises
    ------
    Refused
        If the actor does not hold the permission of its own that this takes; no role has it.
    InvalidInput
        If the reason has less than twenty characters.
    Conflict
        If the version is quarantined, removed or live already.
    Corrupt
        If the version's files are damaged.
    """
    model = version.model
    with audit.refusals(actor, "alias.break_glass", version):
        actor.require("registry.break_glass")
        reason = checked_reason(reason, min_chars=EMERGENCY_MIN_CHARS)
        _check_usable(version)
        _load(version)

        def said() -> str:
            return _("%(name)s put %(version)s live without approval: %(reason)s") % {
                "name": actor.name,
                "version": version,
                "reason": reason,
            }

        with transaction.atomic(durable=True):
            lock(model)
            _check_usable(version)
            void_live(model, said(), actor)
            row = move(
                model=model,
                alias=Alias.CHAMPION,
                kind=AliasMove.Kind.BREAK_GLASS,
                to=version,
                actor=actor,
                reason=reason,
            )
            alerts.raise_alert(f"registry.break_glass.{model.name}.{row.pk}", "critical", said)
            audit.record(
                actor, "alias.break_glass", version, reason=reason, detail={"move": row.pk}
            )
    return row


def rollback(
    *, model: RegisteredModel, reason: str, actor: Actor, to: ModelVersion | None = None
) -> Rollback:
    """Go back to the previous champion, or to an earlier one, and quarantine the present one.

    The threshold, the signature and the drift baseline are part of the version that returns, so
    they return with it.

    Raises
    ------
    Refused
        If the actor may not roll back.
    InvalidInput
        Without a reason.
    Conflict
        If there is no champion, nothing to go back to, or `to` was never champion or is
        quarantined.
    Corrupt
        If a file of the version to go back to is damaged; go back to another one.
    """
    with audit.refusals(actor, "alias.rollback", model.name):
        actor.require("registry.rollback_model")
        return _rolled_back(model, _champion(model), to, reason, actor)


def rollback_automatically(*, bad: ModelVersion, reason: str, actor: Actor) -> Rollback:
    """Go back from a version that an app of the portal watched and found worse.

    The same as :func:`rollback`, to the last champion that is not in quarantine.

    Raises
    ------
    Refused
        For a person, who rolls back in their own name.
    Conflict
        If that version is not the champion any more, or there is nothing to go back to.
    Corrupt
        If a file of the version to go back to is damaged.
    """
    with audit.refusals(actor, "alias.rollback", bad.model.name):
        if actor.is_person:
            raise Refused(
                _("Only the portal itself goes back by itself; a person uses the rollback."),
                code="not_automatic",
            )
        return _rolled_back(bad.model, bad, None, reason, actor)


def _rolled_back(
    model: RegisteredModel,
    bad: ModelVersion,
    to: ModelVersion | None,
    reason: str,
    actor: Actor,
) -> Rollback:
    reason = checked_reason(reason)
    target = _target(model, to)
    _load(target)
    since = AliasAssignment.objects.get(model=model, alias=Alias.CHAMPION).since
    with transaction.atomic(durable=True):
        row = _go_back(model, bad, target, reason, actor)
    affected = _affected(bad, since, row.at + SWITCH, actor)
    return Rollback(row, bad, target, since, row.at, affected)


def _go_back(
    model: RegisteredModel, bad: ModelVersion, target: ModelVersion, reason: str, actor: Actor
) -> AliasMove:
    lock(model)
    if selectors.champion(model.name) != bad:
        raise Conflict(
            _("Somebody else moved the champion a moment ago; look again."), code="raced"
        )

    def said() -> str:
        return _("%(name)s rolled “%(model)s” back from v%(bad)d to v%(good)d: %(reason)s") % {
            "name": actor.name,
            "model": model.name,
            "bad": bad.number,
            "good": target.number,
            "reason": reason,
        }

    message = said()
    row = move(
        model=model,
        alias=Alias.CHAMPION,
        kind=AliasMove.Kind.ROLLBACK,
        to=target,
        actor=actor,
        reason=reason,
    )
    for held in AliasAssignment.objects.filter(version=bad):
        move(
            model=model,
            alias=Alias(held.alias),
            kind=AliasMove.Kind.ROLLBACK,
            to=None,
            actor=actor,
            reason=reason,
        )
    _set_state(bad, State.QUARANTINED, reason)
    void_live(model, message, actor)
    alerts.raise_alert(f"registry.rollback.{model.name}.{row.pk}", "critical", said)
    notices.send(
        kind="model.rolled_back",
        subject=message,
        url=f"/admin/registry/registeredmodel/{model.pk}/change/",
        severity="critical",
        key=f"model.rolled_back:{row.pk}",
    )
    detail = {"move": row.pk, "from": bad.number, "to": target.number, "quarantined": bad.digest}
    audit.record(actor, "alias.rollback", model.name, reason=reason, detail=detail)
    return row


def quarantine(*, version: ModelVersion, reason: str, actor: Actor) -> ModelVersion:
    """Bar a version from going live, and void a request for it.

    Raises
    ------
    Refused
        If the actor may not roll back models.
    InvalidInput
        Without a reason.
    Conflict
        If an alias points at it, or it is not ready.
    """
    with audit.refusals(actor, "version.quarantine", version):
        actor.require("registry.rollback_model")
        reason = checked_reason(reason)
        with transaction.atomic(durable=True):
            lock(version.model)
            if AliasAssignment.objects.filter(version=version).exists():
                raise Conflict(
                    _("%(version)s is in use; roll back or move the alias first.")
                    % {"version": version},
                    code="version_in_use",
                )
            _change_state(version, State.READY, State.QUARANTINED, reason)
            if version.promotions.filter(state__in=["open", "approved"]).exists():
                void_live(version.model, reason, actor)
            audit.record(actor, "version.quarantine", version, reason=reason)
    return version


def release(*, version: ModelVersion, reason: str, actor: Actor) -> ModelVersion:
    """Lift a quarantine: the version may be requested again, through the whole path.

    Raises
    ------
    Refused
        If the actor may not approve promotions.
    InvalidInput
        Without a reason.
    Conflict
        If the version is not quarantined.
    """
    with audit.refusals(actor, "version.release", version):
        actor.require("registry.approve_promotion")
        reason = checked_reason(reason)
        with transaction.atomic(durable=True):
            lock(version.model)
            _change_state(version, State.QUARANTINED, State.READY, reason)
            audit.record(actor, "version.release", version, reason=reason)
    return version


def _change_state(version: ModelVersion, before: State, after: State, reason: str) -> None:
    version.refresh_from_db(fields=["state", "state_reason"])
    if version.state != before:
        raise Conflict(
            _("%(version)s is %(state)s; only a version that is %(wanted)s can become %(after)s.")
            % {
                "version": version,
                "state": version.get_state_display(),
                "wanted": before.label,
                "after": after.label,
            },
            code=f"version_{version.state}",
        )
    _set_state(version, after, reason)


def _set_state(version: ModelVersion, state: State, reason: str) -> None:
    ModelVersion.objects.filter(pk=version.pk).update(state=state, state_reason=reason[:300])
    version.refresh_from_db(fields=["state", "state_reason"])


def _check_usable(version: ModelVersion) -> None:
    version.refresh_from_db(fields=["state", "state_reason"])
    if version.state != State.READY:
        raise Conflict(
            _("%(version)s is %(state)s and cannot go live: %(reason)s.")
            % {
                "version": version,
                "state": version.get_state_display(),
                "reason": version.state_reason or "-",
            },
            code=f"version_{version.state}",
        )
    if selectors.champion(version.model.name) == version:
        raise Conflict(
            _("%(version)s is the champion already.") % {"version": version},
            code="already_champion",
        )


def _champion(model: RegisteredModel) -> ModelVersion:
    champion = selectors.champion(model.name)
    if champion is None:
        raise Conflict(
            _("“%(model)s” has no champion; there is nothing to roll back.")
            % {"model": model.name},
            code="no_champion",
        )
    return champion


def _target(model: RegisteredModel, to: ModelVersion | None) -> ModelVersion:
    former = selectors.former_champions(model)
    if to is None and former:
        return former[0]
    if to is not None and to in former:
        return to
    known = ", ".join(f"v{version.number}" for version in former) or _("none")
    raise Conflict(
        _(
            "A rollback leads to a version that was champion before and is not in quarantine. For "
            "“%(model)s” these are: %(known)s."
        )
        % {"model": model.name, "known": known},
        code="no_rollback_target",
    )


def _load(version: ModelVersion) -> None:
    verify(version)
    families.get(version.model.family).warm(version)


def _affected(
    version: ModelVersion, since: datetime, until: datetime, actor: Actor
) -> Mapping[str, Any] | None:
    """Ask the family what the bad version answered; the rollback stands whatever comes of it."""
    family = families.get(version.model.family)
    if not isinstance(family, families.AnswersPredictions):
        return None
    try:
        affected = family.affected_predictions(version, since, until)
    except Exception:
        logger.exception("affected predictions of %s not listed", version)
        return None
    detail = {**affected, "since": since.isoformat(), "until": until.isoformat()}
    audit.record(actor, "alias.rollback.affected", version, detail=detail)
    if affected.get("count"):
        alerts.raise_alert(
            f"registry.affected.{version.model.name}.v{version.number}",
            "warning",
            lambda: (
                _("%(count)s predictions of %(version)s, now in quarantine, may be wrong.")
                % {"count": affected["count"], "version": version}
            ),
            str(affected.get("url", "")),
        )
    return affected
