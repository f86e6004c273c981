"""Slash commands and buttons of Slack: who asks, what for, and what is answered.

A member of the workspace acts in the name of the account that its signed-in owner linked. Nothing
is done for anybody else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from monitoring.models import ChatAccount, ChatReply
from monitoring.services.alerting import answers, sealing, signatures, wording
from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import InvalidInput, PortalError, Refused
from portal.core.models import User
from portal.lib import clock

SALT = "millwright.chat-link"
LINK_LASTS_S = 600
LINK_PAGE = "/admin/monitoring/chataccount/link/"
VIA = "slack"
WORDS = {"ack": "acknowledge", "list": "status", "": "status"}


@dataclass(frozen=True)
class Member:
    """Somebody of a workspace."""

    team: str
    id: str
    name: str


def command(form: Mapping[str, str]) -> str:
    """Answer a slash command: ``status``, ``ack ID``, ``silence ID [MINUTES]``, ``link``."""
    member = Member(
        form.get("team_id", "")[:40], form.get("user_id", "")[:40], form.get("user_name", "")[:120]
    )
    words = form.get("text", "").split()
    action = WORDS.get(words[0].lower() if words else "", words[0].lower() if words else "status")
    with translation.override(settings.LANGUAGE_CODE):
        if action == "help":
            return _("status · ack ID · silence ID MINUTES · resolve ID · link")
        if action == "link":
            return _("To act in your name, open within ten minutes and sign in: %(url)s") % {
                "url": link_for(member)
            }
        return _carried_out(member, action, words[1:])


def button(payload: Mapping[str, Any]) -> None:
    """Do what a pressed button says, and leave the answer for the courier.

    Raises
    ------
    InvalidInput
        When the payload is none of a button of ours.
    """
    try:
        member = Member(
            str(payload["team"]["id"])[:40],
            str(payload["user"]["id"])[:40],
            str(payload["user"].get("name") or payload["user"]["id"])[:120],
        )
        pressed = payload["actions"][0]
        action, value = str(pressed["action_id"]), str(pressed.get("value", ""))
        reply_to = str(payload.get("response_url", ""))
    except (KeyError, IndexError, TypeError, AttributeError) as exc:
        raise InvalidInput(_("The payload is none of a button of the portal's.")) from exc
    with translation.override(settings.LANGUAGE_CODE):
        said = _carried_out(member, action, [value])
    if reply_to.startswith("https://"):
        ChatReply.objects.create(address=sealing.seal(reply_to), text=said)


def _carried_out(member: Member, action: str, words: list[str]) -> str:
    """Do something in the name of a member's account; what is refused is said as well."""
    try:
        minutes = int(words[1]) if len(words) > 1 else None
    except ValueError:
        return _("“%(seen)s” is no number of minutes.") % {"seen": words[1][:40]}
    try:
        return answers.perform(
            action,
            actor=actor_of(member),
            alert_id=words[0] if words else "",
            minutes=minutes,
        )
    except PortalError as exc:
        return str(exc)


def actor_of(member: Member) -> Actor:
    """Return the account that a member of the workspace acts for.

    Raises
    ------
    Refused
        When none is linked.
    """
    rows = ChatAccount.objects.filter(team=member.team, member=member.id, user__is_active=True)
    account = rows.select_related("user").first()
    if account is None:
        raise Refused(
            _("You are not known here yet. Open within ten minutes and sign in: %(url)s")
            % {"url": link_for(member)},
            code="not_linked",
        )
    return Actor.of_user(account.user, via=VIA)


def link_for(member: Member) -> str:
    """Return the address at which the owner of an account links it; it holds for ten minutes."""
    token = signing.dumps([member.team, member.id, member.name], salt=SALT)
    return f"{wording.link(LINK_PAGE)}?{urlencode({'token': token})}"


def member_of(token: str) -> Member:
    """Return whom a link was made for.

    Raises
    ------
    InvalidInput
        When the link is not ours, or older than ten minutes.
    """
    try:
        return Member(*signing.loads(token, salt=SALT, max_age=LINK_LASTS_S))
    except (signing.BadSignature, TypeError) as exc:
        raise InvalidInput(
            _("The link is not valid any more: ask for another in Slack."), code="bad_link"
        ) from exc


def link(*, token: str, user: User, actor: Actor) -> ChatAccount:
    """Let a member of the workspace act in the name of the signed-in person; a link holds once.

    Raises
    ------
    InvalidInput, Conflict
        When the link is not valid, or was used.
    """
    with audit.refusals(actor, "chat.link", f"user {user.get_username()}"):
        member = member_of(token)
        with transaction.atomic():
            signatures.remember("link", token)
            account, _new = ChatAccount.objects.update_or_create(
                team=member.team,
                member=member.id,
                defaults={"name": member.name, "user": user, "linked_at": clock.now()},
            )
            detail = {"team": member.team, "member": member.id, "name": member.name}
            audit.record(actor, "chat.link", f"user {user.get_username()}", detail=detail)
    return account


def unlink(*, account: ChatAccount, actor: Actor) -> None:
    """Let a member act no more; everybody may for their own account.

    Raises
    ------
    Refused
        When the account is another's and the actor may not remove it.
    """
    target = f"user {account.user.get_username()}"
    with audit.refusals(actor, "chat.unlink", target):
        if account.user_id != actor.user_id:
            actor.require("monitoring.delete_chataccount")
        with transaction.atomic():
            ChatAccount.objects.filter(pk=account.pk).delete()
            detail = {"team": account.team, "member": account.member, "name": account.name}
            audit.record(actor, "chat.unlink", target, detail=detail)


def payload_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Return what Slack sends as JSON inside a form.

    Raises
    ------
    InvalidInput
        When it is no JSON object.
    """
    try:
        payload = json.loads(form.get("payload", ""))
    except ValueError as exc:
        raise InvalidInput(_("The payload is no JSON.")) from exc
    if not isinstance(payload, dict):
        raise InvalidInput(_("The payload is no JSON."))
    return payload
