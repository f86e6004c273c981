"""Carrying one message out: apprise shapes it for its kind and judges the answer.

The address is the administrator's own, not the one apprise would put together, so that a Slack-like
service of one's own works as well. What apprise cannot say is put into its request: buttons for
Slack, the whole document and a signature for programs.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.slack import NotifySlack
from apprise.plugins.workflows import NotifyWorkflows

from monitoring.courier import blocks, complaints
from monitoring.courier.orders import Order, Report
from monitoring.courier.session import GuardedSession, seconds_to_wait
from monitoring.courier.signing import signature

SENDER = "Millwright"
#: Answers after which the same message would be refused again.
FINAL = frozenset({400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422})
TYPES = {
    "critical": NotifyType.FAILURE,
    "warning": NotifyType.WARNING,
    "info": NotifyType.INFO,
}

Payload = dict[str, Any]
_thread = threading.local()


class Refused(Exception):
    """The order itself makes no sense; trying again is idle."""


class _Carrier(GuardedSession):
    """Sends what a plugin made to the address of the order, enriched for its kind."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order
        self.error: Exception | None = None

    def request(self, method: Any, url: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # all by name
        made = json.loads(kwargs.pop("data", None) or "{}")
        payload = ENRICH[self.order.kind](made, self.order.content)
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "User-Agent": SENDER,
            "Accept": "application/json",
            "Content-Type": "application/json; charset=utf-8",
            **signature(self.order, body),
        }
        try:
            return super().request(
                "POST",
                self.order.address,
                data=body,
                headers=headers,
                timeout=self.order.timeout_s,
            )
        except Exception as exc:
            self.error = exc
            raise


def session() -> GuardedSession:
    """Return the session of the message that this thread carries, in place of a fresh one."""
    carrier: GuardedSession = _thread.carrier
    return carrier


def carry(order: Order) -> Report:
    """Carry a message out, and report what became of it; raises nothing."""
    started = time.monotonic()
    try:
        report = CARRY[order.kind](order)
    except Refused as exc:
        report = Report(order.id, is_delivered=False, is_final=True, error=str(exc))
    except Exception as exc:  # noqa: BLE001 - whatever it is, the portal must hear of it
        report = Report(order.id, is_delivered=False, error=complaints.said(exc))
    return Report(**(report.to_dict() | {"duration_s": round(time.monotonic() - started, 3)}))


def _post(order: Order) -> Report:
    _check_http(order.address)
    plugin = PLUGINS[order.kind]()
    with _Carrier(order) as carrier:
        _thread.carrier = carrier
        is_taken = _notify(plugin, order)
    return _judged(order, carrier, is_taken=is_taken)


def _ping(order: Order) -> Report:
    _check_http(order.address)
    with GuardedSession() as session_:
        response = session_.request("GET", order.address, timeout=order.timeout_s)
    if response.ok:
        return Report(order.id, is_delivered=True, status_code=response.status_code)
    error = f"The receiver answers {response.status_code}."
    return Report(order.id, is_delivered=False, status_code=response.status_code, error=error)


def _reply(order: Order) -> Report:
    """Answer somebody of a chat alone, where its service says."""
    _check_http(order.address)
    with GuardedSession() as session_:
        response = session_.request(
            "POST", order.address, json=order.content, timeout=order.timeout_s
        )
    return Report(
        order.id,
        is_delivered=response.ok,
        is_final=response.status_code in FINAL,
        status_code=response.status_code,
    )


def _mail(order: Order) -> Report:
    plugin = Apprise.instantiate(order.address, asset=_asset(), suppress_exceptions=True)
    if plugin is None or plugin.__class__.__name__ != "NotifyEmail":
        raise Refused("The address is none of mail: enter mailtos://user:password@host?to=…")
    plugin.socket_connect_timeout = order.timeout_s
    with complaints.heard() as heard:
        if _notify(plugin, order):
            return Report(order.id, is_delivered=True)
    return Report(order.id, is_delivered=False, error=heard.said(order.address))


def _notify(plugin: NotifyBase, order: Order) -> bool:
    return bool(
        plugin.notify(
            title=order.content["subject"],
            body=order.content["text"],
            body_format=NotifyFormat.TEXT,
            notify_type=TYPES.get(order.content["severity"], NotifyType.INFO),
        )
    )


def _judged(order: Order, carrier: _Carrier, *, is_taken: bool) -> Report:
    code = carrier.status_code
    if is_taken:
        return Report(order.id, is_delivered=True, status_code=code)
    error = f"The receiver answers {code}." if code else "It was not sent."
    if carrier.error is not None:
        error = complaints.said(carrier.error)
    return Report(
        order.id,
        is_delivered=False,
        is_final=code in FINAL,
        status_code=code,
        retry_after_s=seconds_to_wait(carrier.retry_after),
        error=error,
    )


def _check_http(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise Refused("The address is none of the web: enter one that begins with https://.")


def _asset() -> AppriseAsset:
    return AppriseAsset(
        app_id=SENDER, app_desc=SENDER, app_url="", http_redirects=False, plugin_paths=[]
    )


# What a plugin is told of its own address: it needs one of the right form, and it is not used.
_SLACK = {"token_a": "T00000000", "token_b": "B00000000", "token_c": "X" * 24}
_TEAMS = {"workflow": "0" * 32, "signature": "0" * 43}

PLUGINS: dict[str, Callable[[], NotifyBase]] = {
    "slack": lambda: NotifySlack(**_SLACK, asset=_asset(), host="T00000000"),  # type: ignore[no-untyped-call]  # ships no types here
    "teams": lambda: NotifyWorkflows(**_TEAMS, asset=_asset(), host="localhost"),  # type: ignore[no-untyped-call]  # ships no types here
    "webhook": lambda: NotifyJSON(asset=_asset(), host="localhost", secure=True),  # type: ignore[no-untyped-call]  # ships no types here
}
ENRICH: dict[str, Callable[[Payload, Payload], Payload]] = {
    "slack": blocks.for_slack,
    "teams": blocks.for_teams,
    "webhook": lambda _made, content: content,
}
CARRY: dict[str, Callable[[Order], Report]] = {
    "slack": _post,
    "teams": _post,
    "webhook": _post,
    "mail": _mail,
    "ping": _ping,
    "reply": _reply,
}
