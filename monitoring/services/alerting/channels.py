"""Channels: made, changed and tried by administrators; their addresses are shown to nobody."""

import secrets
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from monitoring.models import Channel, Delivery
from monitoring.services.alerting import sealing, wording
from monitoring.services.alerting.writing import deliver
from portal.core import audit
from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput
from portal.core.models import User
from portal.lib import clock

MAIL_SCHEMES = frozenset({"mailto", "mailtos"})
WEB_SCHEMES = frozenset({"https", "http"})
SECRET_BYTES = 32
HIDDEN = "…"
ADD, CHANGE, DELETE = (f"monitoring.{verb}_channel" for verb in ("add", "change", "delete"))


@dataclass(frozen=True)
class Wanted:
    """What an administrator enters for a channel.

    Attributes
    ----------
    address
        Where messages go; empty keeps the one there is.
    acts_for
        The account in whose name a program answers by webhook; None when none may.
    """

    name: str
    kind: str
    language: str
    address: str = ""
    is_enabled: bool = True
    acts_for: User | None = None


def create(*, wanted: Wanted, actor: Actor) -> tuple[Channel, str]:
    """Make a channel.

    Returns
    -------
    tuple
        The channel, and the secret that signs what a webhook is sent and sends: shown once.

    Raises
    ------
    Refused, InvalidInput, Conflict
        When the actor may not, the address makes no sense, or the name is taken.
    """
    with audit.refusals(actor, "channel.create", f"channel {wanted.name}"):
        actor.require(ADD)
        secret = new_secret() if wanted.kind == Channel.Kind.WEBHOOK else ""
        channel = Channel(kind=Channel.Kind(wanted.kind), secret=_sealed(secret))
        _fill(channel, wanted, actor)
        with transaction.atomic():
            _save(channel)
            audit.record(actor, "channel.create", f"channel {channel.name}", detail=_seen(channel))
    return channel, secret


def change(*, channel: Channel, wanted: Wanted, reason: str, actor: Actor) -> Channel:
    """Change a channel; its kind stays.

    Raises
    ------
    Refused, InvalidInput, Conflict
        As :func:`create`.
    """
    target = f"channel {channel.name}"
    with audit.refusals(actor, "channel.change", target):
        actor.require(CHANGE)
        with transaction.atomic():
            row = Channel.objects.select_for_update().get(pk=channel.pk)
            before = _seen(row)
            _fill(row, wanted, actor)
            row.blocked_until = None  # what was wrong may be mended: try at once
            _save(row)
            detail = {"before": before, "after": _seen(row)}
            audit.record(actor, "channel.change", target, reason=reason, detail=detail)
    return row


def renew_secret(*, channel: Channel, reason: str, actor: Actor) -> str:
    """Give a webhook another secret, and return it; the former holds no longer.

    Raises
    ------
    Refused, InvalidInput
        When the actor may not, or the channel is no webhook.
    """
    target = f"channel {channel.name}"
    with audit.refusals(actor, "channel.renew_secret", target):
        actor.require(CHANGE)
        if channel.kind != Channel.Kind.WEBHOOK:
            raise InvalidInput(_("Only webhooks have a secret."))
        secret = new_secret()
        with transaction.atomic():
            Channel.objects.filter(pk=channel.pk).update(secret=_sealed(secret))
            audit.record(actor, "channel.renew_secret", target, reason=reason)
    return secret


def delete(*, channel: Channel, reason: str, actor: Actor) -> None:
    """Remove a channel with its log; rules tell it nothing any more.

    Raises
    ------
    Refused
        When the actor may not.
    """
    target = f"channel {channel.name}"
    with audit.refusals(actor, "channel.delete", target):
        actor.require(DELETE)
        with transaction.atomic():
            detail = _seen(channel)
            Channel.objects.filter(pk=channel.pk).delete()
            audit.record(actor, "channel.delete", target, reason=reason, detail=detail)


def send_test(*, channel: Channel, actor: Actor) -> Delivery:
    """Write a message that shows whether a channel works; a sender takes it within seconds.

    Raises
    ------
    Refused, Conflict
        When the actor may not, or the channel is not in use.
    """
    target = f"channel {channel.name}"
    with audit.refusals(actor, "channel.test", target):
        actor.require(CHANGE)
        if not channel.is_enabled:
            message = _("The channel “%(name)s” is not in use: nothing is sent through it.")
            raise Conflict(message % {"name": channel.name}, code="channel_off")
        with transaction.atomic():
            Channel.objects.filter(pk=channel.pk).update(blocked_until=None)
            written = wording.of_test(channel.name, channel.language)
            delivery = deliver(channel, written)
            audit.record(actor, "channel.test", target, detail={"delivery": str(delivery.pk)})
    return delivery


def new_secret() -> str:
    """Return a fresh secret for signatures."""
    return secrets.token_urlsafe(SECRET_BYTES)


def _sealed(secret: str) -> str:
    return sealing.seal(secret) if secret else ""


def _fill(channel: Channel, wanted: Wanted, actor: Actor) -> None:
    channel.name = wanted.name.strip()
    channel.language = wanted.language
    channel.is_enabled = wanted.is_enabled
    channel.acts_for = wanted.acts_for if channel.kind == Channel.Kind.WEBHOOK else None
    channel.changed_by, channel.changed_at = actor.name, clock.now()
    if wanted.address.strip() or not channel.address:
        address = checked(channel.kind, wanted.address)
        channel.address, channel.shown = sealing.seal(address), masked(address)


def _save(channel: Channel) -> None:
    try:
        with transaction.atomic():
            channel.save()
    except IntegrityError as exc:
        message = _("There is already a channel “%(name)s”: choose another name.")
        said = message % {"name": channel.name}
        problem = FieldProblem("name", "taken", said)
        raise Conflict(said, code="name_taken", problems=[problem]) from exc


def _seen(channel: Channel) -> dict[str, object]:
    """Return what the audit log may know of a channel."""
    return {
        "kind": channel.kind,
        "address": channel.shown,
        "language": channel.language,
        "is_enabled": channel.is_enabled,
        "acts_for": channel.acts_for.get_username() if channel.acts_for else None,
    }


def checked(kind: str, address: str) -> str:
    """Return an address that fits the kind of channel.

    Raises
    ------
    InvalidInput
        When it does not; the message does not repeat the address, which may be a secret.
    """
    address = address.strip()
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise _bad(_("The address is malformed: it needs a scheme and a host."))
    wanted = MAIL_SCHEMES if kind == Channel.Kind.MAIL else WEB_SCHEMES
    if parts.scheme not in wanted:
        message = _("The address begins with “%(seen)s”; this kind of channel takes %(known)s.")
        known = ", ".join(f"{one}://" for one in sorted(wanted))
        raise _bad(message % {"seen": f"{parts.scheme}://", "known": known})
    if kind == Channel.Kind.MAIL and "to" not in dict(parse_qsl(parts.query)):
        raise _bad(_("The address names no recipient: end it with ?to=somebody@example.org."))
    return address


def _bad(message: str) -> InvalidInput:
    return InvalidInput(message, problems=[FieldProblem("address", "invalid", message)])


def masked(address: str) -> str:
    """Return as much of an address as anybody may see: scheme, host, recipients."""
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port else ""
    shown = f"{parts.scheme}://{parts.hostname}{port}"
    if parts.scheme in MAIL_SCHEMES:
        shown += f" → {dict(parse_qsl(parts.query)).get('to', '')}"
    elif parts.path.strip("/") or parts.query:
        shown += f"/{HIDDEN}"
    return shown[:200]
