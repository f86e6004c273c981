"""Signed requests from outside: Slack's commands and buttons, and programs that got a message."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from monitoring.models import Channel
from monitoring.services.alerting import answers, signatures, slack
from portal.core.actors import Actor
from portal.core.api import addresses
from portal.core.errors import FieldProblem, InvalidInput, NotFound, Refused
from portal.core.problems import Problem
from portal.core.request_context import current_request_id

#: What is sent here is small; more is not read.
MOST_BYTES = 65_536
TEXT_FIELDS = ("action", "alert", "reason")


def _body(request: HttpRequest) -> bytes:
    """Return the raw body, as it was signed."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MOST_BYTES:
        message = _("The body has more than %(n)s bytes.") % {"n": MOST_BYTES}
        raise InvalidInput(message, code="body_too_large")
    return request.body


def _too_often(request: HttpRequest) -> HttpResponse | None:
    wait_s = addresses.seconds_to_wait(request)
    if not wait_s:
        return None
    headers = {"Retry-After": str(wait_s)}
    detail = _("Too many requests; come back in %(n)s s.") % {"n": wait_s}
    return Problem(429, "throttled", detail, headers=headers).response()


@csrf_exempt
@require_POST
def slack_command(request: HttpRequest) -> HttpResponse:
    """Answer a slash command, to its sender alone."""
    if refused := _too_often(request):
        return refused
    body = _body(request)
    signatures.check_slack(request.headers, body)
    text = slack.command(QueryDict(body).dict())
    return JsonResponse({"response_type": "ephemeral", "text": text})


@csrf_exempt
@require_POST
def slack_button(request: HttpRequest) -> HttpResponse:
    """Do what a button says; the answer goes to the address that Slack gives for it."""
    if refused := _too_often(request):
        return refused
    body = _body(request)
    signatures.check_slack(request.headers, body)
    slack.button(slack.payload_of(QueryDict(body).dict()))
    return HttpResponse(status=200)


@csrf_exempt
@require_POST
def webhook_action(request: HttpRequest, channel_id: int) -> HttpResponse:
    """Do what a program asks that holds a channel's secret."""
    if refused := _too_often(request):
        return refused
    body = _body(request)
    channel = _channel(channel_id)
    signatures.check_webhook(channel, request.headers, body)
    said = answers.perform(actor=_actor(channel), **_wanted(body))
    return JsonResponse({"done": True, "text": said})


def _channel(channel_id: int) -> Channel:
    rows = Channel.objects.enabled().filter(pk=channel_id, kind=Channel.Kind.WEBHOOK)
    channel = rows.select_related("acts_for").first()
    if channel is None or not channel.secret:
        raise NotFound(_("There is no webhook channel %(id)s.") % {"id": channel_id})
    return channel


def _actor(channel: Channel) -> Actor:
    if channel.acts_for is None or not channel.acts_for.is_active:
        message = _("The channel “%(name)s” acts for nobody: choose an account on its page.")
        raise Refused(message % {"name": channel.name}, code="acts_for_nobody")
    return Actor(
        name=channel.acts_for.get_username(),
        via="webhook",
        user_id=channel.acts_for_id,
        request_id=current_request_id(),
    )


def _wanted(body: bytes) -> dict[str, Any]:
    """Return the action and its details from a body of JSON."""
    try:
        given = json.loads(body)
    except ValueError as exc:
        raise InvalidInput(_("The body is no JSON.")) from exc
    if not isinstance(given, dict):
        raise InvalidInput(_("The body is no JSON object."))
    unknown = sorted(set(given) - {*TEXT_FIELDS, "minutes"})
    if unknown:
        message = _("There is no field “%(seen)s”; there are action, alert, minutes and reason.")
        raise InvalidInput(message % {"seen": unknown[0][:40]})
    minutes = given.get("minutes")
    if minutes is not None and type(minutes) is not int:
        said = _("“minutes” is %(seen)s: give a whole number.")
        text = said % {"seen": str(minutes)[:40]}
        raise InvalidInput(text, problems=[FieldProblem("minutes", "invalid", text)])
    for name in TEXT_FIELDS:
        if not isinstance(given.get(name, ""), str):
            text = _("“%(name)s” must be a text.") % {"name": name}
            raise InvalidInput(text, problems=[FieldProblem(name, "invalid", text)])
    return {
        "action": given.get("action", ""),
        "alert_id": given.get("alert", ""),
        "minutes": minutes,
        "reason": given.get("reason", "")[:300].replace("\x00", ""),
    }
