"""Buttons, slash commands, signed webhooks: done in somebody's name, once, and never approved."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from monitoring.courier.signing import sign
from monitoring.models import Channel, ChatAccount, ChatReply, Delivery, Silence, UsedNonce
from monitoring.services.alerting import channels, planning, sealing, sending, slack
from monitoring.services.alerting.courier import Courier
from portal.core.actors import Actor
from portal.core.alerts import raise_alert
from portal.core.models import Alert, AuditEntry, User
from portal.lib import clock
from tests.console.conftest import person, signed_in
from tests.monitoring.alerting.conftest import Receiver, rule, webhook

__all__ = ["person", "signed_in"]
pytestmark = pytest.mark.django_db
SECRET = "slack-signing-secret-of-the-tests"
MEMBER = {"team_id": "T1", "user_id": "U1", "user_name": "mina"}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def _app(settings: Any) -> None:
    settings.SLACK_SIGNING_SECRET = SECRET
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def linked(admin: User) -> ChatAccount:
    return ChatAccount.objects.create(team="T1", member="U1", name="mina", user=admin)


def from_slack(name: str, body: str, *, late_s: int = 0, secret: str = SECRET) -> Any:
    moment = str(int(clock.now().timestamp()) - late_s)
    text = f"v0:{moment}:{body}".encode()
    signature = "v0=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    headers = {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": signature}
    return Client(headers=headers).post(reverse(name), body, content_type=FORM)


def command(text: str, **words: Any) -> Any:
    body = urlencode(MEMBER | {"text": text, "trigger_id": str(UsedNonce.objects.count())})
    return from_slack("slack-command", body, **words)


def press(action: str, alert_id: str, reply_to: str = "") -> Any:
    payload = {
        "type": "block_actions",
        "team": {"id": "T1"},
        "user": {"id": "U1", "name": "mina"},
        "actions": [{"action_id": action, "value": alert_id}],
        "response_url": reply_to,
        "trigger_id": str(UsedNonce.objects.count()),
    }
    return from_slack("slack-button", urlencode({"payload": json.dumps(payload)}))


# --- Slack ----------------------------------------------------------------------------------------


def test_a_linked_member_acknowledges_with_a_button(linked: ChatAccount, admin: User) -> None:
    alert = raise_alert("disk.full", "critical", "No room.")
    assert press("acknowledge", str(alert.pk), "https://hooks.slack.com/x").status_code == 200
    alert.refresh_from_db()
    assert alert.acknowledged_by == admin
    assert "looks after" in ChatReply.objects.get().text
    assert "hooks.slack.com" not in ChatReply.objects.get().address


def test_a_button_silences_for_an_hour(linked: ChatAccount) -> None:
    alert = raise_alert("disk.full", "critical", "No room.")
    press("silence", str(alert.pk))
    silence = Silence.objects.get()
    assert (silence.keys, silence.made_via) == ("disk.full", "slack")
    assert (silence.ends_at - silence.starts_at).total_seconds() == pytest.approx(3600, abs=60)
    assert AuditEntry.objects.get(action="silence.create").via == "slack"


def test_slash_commands_tell_and_do(linked: ChatAccount) -> None:
    assert command("status").json()["text"] == "All is well: no alert is open."
    alert = raise_alert("disk.full", "critical", "No room.")
    told = command("").json()
    assert told["response_type"] == "ephemeral"
    short = str(alert.pk)[:8]
    assert f"{short} [Critical] No room." in told["text"]
    assert "looks after" in command(f"ack {short}").json()["text"]
    assert "silent until" in command(f"silence {short} 30").json()["text"]
    assert "no open alert" in command("ack 00000000").json()["text"]
    assert "too few or too many" in command(f"silence {short} 999999999999").json()["text"]
    assert "no number" in command(f"silence {short} soon").json()["text"]
    assert "is resolved" in command(f"resolve {short}").json()["text"]


@pytest.mark.parametrize("word", ["approve", "apply", "promote", "reject", "rollback"])
def test_nothing_is_approved_without_signing_in(linked: ChatAccount, word: str) -> None:
    assert "signed in" in command(f"{word} 3").json()["text"]


def test_who_is_not_linked_is_only_told_how(client: Client) -> None:
    alert = raise_alert("disk.full", "critical", "No room.")
    press("acknowledge", str(alert.pk), "https://hooks.slack.com/x")
    alert.refresh_from_db()
    assert alert.acknowledged_at is None
    assert "/chataccount/link/" in ChatReply.objects.get().text
    assert "No room." not in command("status").json()["text"]


def test_a_member_may_no_more_than_the_account(person: Callable[..., User]) -> None:
    ChatAccount.objects.create(team="T1", member="U1", name="kim", user=person("viewer"))
    alert = raise_alert("disk.full", "critical", "No room.")
    assert "permission" in command(f"ack {alert.pk}").json()["text"]
    assert "No room." in command("status").json()["text"]
    User.objects.update(is_active=False)
    assert "not known here" in command("status").json()["text"]


def test_the_owner_links_the_account_once(signed_in: Callable[..., Client]) -> None:
    address = slack.link_for(slack.Member("T1", "U1", "mina")).partition("8000")[2]
    browser = signed_in("operator")
    assert "Is “mina” in Slack you?" in browser.get(address).text
    assert Client().get(address).status_code == 302
    assert not ChatAccount.objects.exists()
    assert browser.post(address).status_code == 302
    assert ChatAccount.objects.get().user.username == "operator"
    assert signed_in("viewer").post(address).status_code == 409
    assert ChatAccount.objects.get().user.username == "operator"


def test_a_forged_link_links_nobody(signed_in: Callable[..., Client]) -> None:
    answer = signed_in("operator").post(slack.LINK_PAGE + "?token=x", follow=True)
    assert "not valid any more" in answer.text
    assert not ChatAccount.objects.exists()


def test_the_same_request_is_not_carried_out_twice(linked: ChatAccount) -> None:
    body = urlencode(MEMBER | {"text": "status"})
    moment = str(int(clock.now().timestamp()))
    text = f"v0:{moment}:{body}".encode()
    signature = "v0=" + hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    headers = {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": signature}
    answers = [
        Client(headers=headers).post(reverse("slack-command"), body, content_type=FORM)
        for _number in range(2)
    ]
    assert [one.status_code for one in answers] == [200, 409]
    assert answers[1].json()["code"] == "replayed"


def test_stale_forged_and_unsigned_requests_are_refused(linked: ChatAccount) -> None:
    assert command("status", late_s=301).json()["code"] == "stale_signature"
    assert command("status", late_s=-301).json()["code"] == "stale_signature"
    assert command("status", secret="another-secret-entirely").json()["code"] == "bad_signature"
    bare = Client().post(reverse("slack-command"), "text=status", content_type=FORM)
    assert bare.status_code == 403
    assert UsedNonce.objects.count() == 0


def test_without_an_app_nothing_is_answered(settings: Any) -> None:
    settings.SLACK_SIGNING_SECRET = ""
    assert command("status").status_code == 404


@pytest.mark.parametrize("body", ["payload=", "payload=[]", "payload=%7B%7D", "x"])
def test_a_senseless_payload_is_refused(body: str) -> None:
    assert from_slack("slack-button", body).status_code == 422


def test_messages_in_slack_have_buttons_and_replies_go_out(
    actor: Actor, receiver: Receiver, courier: Courier
) -> None:
    rule(webhook(actor, receiver, kind="slack"))
    alert = raise_alert("disk.full", "critical", "No <room> & no hope.")
    planning.turn()
    sending.turn(courier)
    sent = receiver.got[0].json
    (buttons,) = [one for one in sent["blocks"] if one["type"] == "actions"]
    pressed = [(one["action_id"], one["value"]) for one in buttons["elements"]]
    assert pressed == [("acknowledge", str(alert.pk)), ("silence", str(alert.pk))]
    assert "No &lt;room&gt; &amp; no hope." in json.dumps(sent)
    assert Delivery.objects.get().state == Delivery.State.DELIVERED
    ChatReply.objects.create(address=sealing.seal(f"{receiver.url}/reply"), text="Done.")
    sending.turn_replies(courier)
    assert receiver.got[1].json["text"] == "Done."
    assert not ChatReply.objects.exists()


# --- Signed webhooks ------------------------------------------------------------------------------


def post(channel: Channel, wanted: Any, *, nonce: str = "n" * 32, late_s: int = 0) -> Any:
    body = json.dumps(wanted).encode()
    moment = str(int(clock.now().timestamp()) - late_s)
    headers = {
        "X-Millwright-Timestamp": moment,
        "X-Millwright-Nonce": nonce,
        "X-Millwright-Signature": sign(sealing.unseal(channel.secret), moment, nonce, body),
    }
    address = reverse("webhook-action", args=[channel.pk])
    return Client(headers=headers).post(address, body, content_type="application/json")


@pytest.fixture
def answering(actor: Actor, receiver: Receiver, admin: User) -> Channel:
    return webhook(actor, receiver, acts_for=admin)


def test_a_program_acknowledges_with_its_signature(answering: Channel, admin: User) -> None:
    alert = raise_alert("disk.full", "critical", "No room.")
    wanted = {"action": "acknowledge", "alert": str(alert.pk)}
    answer = post(answering, wanted)
    assert (answer.status_code, json.loads(answer.content)["done"]) == (200, True)
    assert Alert.objects.get().acknowledged_by == admin
    again = post(answering, wanted)
    assert (again.status_code, json.loads(again.content)["code"]) == (409, "replayed")
    assert post(answering, wanted, nonce="m" * 32).status_code == 409  # acknowledged already


def test_what_is_signed_wrongly_does_nothing(answering: Channel, actor: Actor) -> None:
    alert = raise_alert("disk.full", "critical", "No room.")
    wanted = {"action": "acknowledge", "alert": str(alert.pk)}
    assert post(answering, wanted, late_s=400).status_code == 403
    assert post(answering, wanted, nonce="short").status_code == 403
    former = Channel.objects.get(pk=answering.pk)
    channels.renew_secret(channel=answering, reason="Leaked.", actor=actor)
    assert post(former, wanted).status_code == 403
    assert Alert.objects.get().acknowledged_at is None


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"action": "approve"}, 403),
        ({"action": "dance"}, 422),
        ({"action": 3}, 422),
        ({"action": "silence", "alert": "x", "minutes": "60"}, 422),
        ({"action": "status", "more": 1}, 422),
        ([], 422),
        ({"action": "status"}, 200),
    ],
)
def test_senseless_answers_are_refused(answering: Channel, wanted: Any, status: int) -> None:
    assert post(answering, wanted).status_code == status


def test_a_channel_that_acts_for_nobody_does_nothing(channel: Channel) -> None:
    answer = post(channel, {"action": "status"})
    assert (answer.status_code, json.loads(answer.content)["code"]) == (403, "acts_for_nobody")
