"""Who signed a request, when, and whether it was carried out before.

Slack: https://api.slack.com/docs/verifying-requests-from-slack (version 0). Programs: HMAC-SHA256
over version, time, nonce and body, as the courier signs what it sends.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from monitoring.courier.signing import sign
from monitoring.models import Channel, UsedNonce
from monitoring.services.alerting import sealing
from portal.core.errors import Conflict, NotFound, Refused
from portal.lib import clock

#: How far the clocks of both ends may be apart; Slack's own advice.
WINDOW_S = 300
#: Nonces are kept for longer than the window, in case the clock is set back.
KEPT = timedelta(days=1)
LONGEST_NONCE = 128
SHORTEST_NONCE = 16
SLACK = "slack"


def check_slack(headers: Mapping[str, str], body: bytes) -> None:
    """Let a request through that Slack signed and that was not seen before.

    Raises
    ------
    NotFound
        When the portal has no signing secret: nothing is answered then.
    Refused
        When time or signature are wrong.
    Conflict
        When the same request came before.
    """
    secret: str = settings.SLACK_SIGNING_SECRET
    if not secret:
        raise NotFound(_("No Slack app is set up: MILLWRIGHT_SLACK_SIGNING_SECRET is not set."))
    moment = _moment(headers.get("X-Slack-Request-Timestamp", ""))
    text = b":".join((b"v0", moment.encode(), body))
    expected = f"v0={hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()}"
    _compare(expected, headers.get("X-Slack-Signature", ""))
    remember(SLACK, expected)


def check_webhook(channel: Channel, headers: Mapping[str, str], body: bytes) -> None:
    """Let a request through that was signed with a channel's secret and not seen before.

    Raises
    ------
    Refused, Conflict
        As :func:`check_slack`.
    """
    moment = _moment(headers.get("X-Millwright-Timestamp", ""))
    nonce = headers.get("X-Millwright-Nonce", "")
    if not SHORTEST_NONCE <= len(nonce) <= LONGEST_NONCE:
        message = _("X-Millwright-Nonce has %(n)s characters; it must have %(least)s to %(most)s.")
        values = {"n": len(nonce), "least": SHORTEST_NONCE, "most": LONGEST_NONCE}
        raise Refused(message % values, code="bad_nonce")
    expected = sign(sealing.unseal(channel.secret), moment, nonce, body)
    _compare(expected, headers.get("X-Millwright-Signature", ""))
    remember(f"channel {channel.pk}", nonce)


def _moment(given: str) -> str:
    """Return the time of a request as it was signed, if it is near enough to now."""
    now = clock.now().timestamp()
    if not given.isdecimal() or abs(now - int(given[:20])) > WINDOW_S:
        message = _("The request was signed at another time than now; at most %(n)s s are allowed.")
        raise Refused(message % {"n": WINDOW_S}, code="stale_signature")
    return given


def _compare(expected: str, given: str) -> None:
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise Refused(_("The signature does not fit the request."), code="bad_signature")


def remember(source: str, nonce: str) -> None:
    """Note that something is used up.

    Raises
    ------
    Conflict
        When it is already.
    """
    UsedNonce.objects.filter(at__lt=clock.now() - KEPT).delete()
    digest = hashlib.sha256(nonce.encode()).hexdigest()
    try:
        with transaction.atomic():
            UsedNonce.objects.create(source=source[:60], nonce=digest)
    except IntegrityError as exc:
        raise Conflict(_("This request was carried out before."), code="replayed") from exc
