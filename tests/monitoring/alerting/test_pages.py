"""Channels, rules, silences and the delivery log in the console."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from monitoring.models import AlertRule, Channel, Delivery, Silence
from monitoring.services.alerting import channels, planning, sealing, sending
from monitoring.services.alerting.courier import Courier
from portal.core.actors import Actor
from portal.core.alerts import raise_alert
from portal.core.models import AuditEntry
from tests.console.conftest import person, signed_in
from tests.monitoring.alerting.conftest import Receiver, rule

__all__ = ["person", "signed_in"]
pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
RULE = {
    "name": "night shift",
    "keys": "backup.\nmonitoring.drift",
    "least_severity": "warning",
    "opens_after_s": "30",
    "closes_after_s": "60",
    "cooldown": "15",
    "repeats_after": "240",
    "group_by": "kind",
    "group_wait_s": "10",
    "quiet_from": "22:00",
    "quiet_until": "06:00",
    "quiet_passes": "critical",
    "is_enabled": "on",
}


def test_a_channel_is_made_tried_and_its_result_is_seen(
    signed_in: SignedIn, receiver: Receiver, courier: Courier
) -> None:
    client = signed_in("administrator")
    form = {
        "name": "line 3",
        "kind": "webhook",
        "address": f"{receiver.url}/very-secret",
        "language": "en",
        "is_enabled": "on",
        "tells_all": "on",
    }
    made = client.post(reverse("admin:monitoring_channel_add"), form)
    channel = Channel.objects.get()
    assert sealing.unseal(channel.secret) in made.text
    assert [step.rule.name for step in channel.steps.all()] == ["line 3"]
    tried = client.post(reverse("admin:monitoring_channel_test", args=[channel.pk]), follow=True)
    assert "It is sent within seconds" in tried.text
    sending.turn(courier)
    delivery = Delivery.objects.get()
    page = client.get(reverse("admin:monitoring_delivery_change", args=[delivery.pk]))
    assert "Test of the channel" in page.text
    assert ">Delivered<" in page.text
    for address in ("channel_changelist", "delivery_changelist"):
        assert "very-secret" not in client.get(reverse(f"admin:monitoring_{address}")).text
    own = client.get(reverse("admin:monitoring_channel_change", args=[channel.pk]))
    assert "very-secret" not in own.text
    assert "works" in own.text
    assert "very-secret" not in str(list(AuditEntry.objects.values()))


def test_a_channel_is_changed_without_showing_or_losing_its_address(
    signed_in: SignedIn, channel: Channel
) -> None:
    before = sealing.unseal(channel.address)
    address = reverse("admin:monitoring_channel_edit", args=[channel.pk])
    client = signed_in("administrator")
    assert before not in client.get(address).text
    form = {"name": "line 4", "address": "", "language": "ko", "reason": "Moved."}
    assert client.post(address, form).status_code == 302
    channel.refresh_from_db()
    assert (channel.name, channel.language, channel.is_enabled) == ("line 4", "ko", False)
    assert sealing.unseal(channel.address) == before


@pytest.mark.parametrize(
    ("kind", "address", "said"),
    [
        ("webhook", "ftp://example.org/x", "ftp://"),
        ("slack", "hooks.slack.com", "scheme"),
        ("mail", "mailtos://me:pw@example.org", "recipient"),
        ("webhook", "https://[::1", "malformed"),
    ],
)
def test_a_senseless_address_is_refused_without_being_repeated(
    signed_in: SignedIn, kind: str, address: str, said: str
) -> None:
    form = {"name": "x", "kind": kind, "address": address, "language": "en"}
    answer = signed_in("administrator").post(reverse("admin:monitoring_channel_add"), form)
    assert said in answer.text
    assert not Channel.objects.exists()


def test_a_rule_is_made_changed_and_removed(signed_in: SignedIn, channel: Channel) -> None:
    client = signed_in("administrator")
    form = RULE | {
        "channels": [channel.pk],
        "second_after": "30",
        "second_channels": [channel.pk],
    }
    assert client.post(reverse("admin:monitoring_alertrule_add"), form).status_code == 302
    made = AlertRule.objects.get()
    assert [step.after_s for step in made.steps.all()] == [0, 1_800]
    assert (made.cooldown_s, made.repeats_after_s, made.tells_resolved) == (900, 14_400, False)
    page = client.get(reverse("admin:monitoring_alertrule_change", args=[made.pk]))
    assert "22:00 … 06:00" in page.text
    edit = reverse("admin:monitoring_alertrule_edit", args=[made.pk])
    assert 'value="30"' in client.get(edit).text
    changed = RULE | {"channels": [channel.pk], "name": "day", "reason": "Shorter."}
    assert client.post(edit, changed).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.steps.count()) == ("day", 1)
    remove = reverse("admin:monitoring_alertrule_remove", args=[made.pk])
    assert client.post(remove, {"reason": "Gone."}).status_code == 302
    assert not AlertRule.objects.exists()
    actions = AuditEntry.objects.values_list("action", flat=True)
    assert {"alert_rule.create", "alert_rule.change", "alert_rule.delete"} <= set(actions)


@pytest.mark.parametrize(
    "wrong",
    [{"channels": []}, {"quiet_until": ""}, {"cooldown": "99999999"}, {"second_channels": "own"}],
)
def test_a_senseless_rule_is_refused(
    signed_in: SignedIn, channel: Channel, wrong: dict[str, Any]
) -> None:
    given = {name: [channel.pk] if value == "own" else value for name, value in wrong.items()}
    form = RULE | {"channels": [channel.pk]} | given
    answer = signed_in("administrator").post(reverse("admin:monitoring_alertrule_add"), form)
    assert answer.status_code == 200
    assert not AlertRule.objects.exists()


def test_a_silence_is_made_from_an_alert_and_ended(signed_in: SignedIn, channel: Channel) -> None:
    rule(channel)
    client = signed_in("administrator")
    alert = raise_alert("disk.full", "critical", "No room.")
    page = client.get(reverse("admin:core_alert_change", args=[alert.pk]))
    add = reverse("admin:monitoring_silence_add")
    assert f"{add}?keys=disk.full" in page.text
    assert "disk.full" in client.get(f"{add}?keys=disk.full").text
    client.post(add, {"keys": "disk.full", "minutes": "30", "reason": "Being cleaned."})
    assert planning.turn() == 0
    silence = Silence.objects.get()
    assert (
        client.post(reverse("admin:monitoring_silence_end", args=[silence.pk])).status_code == 302
    )
    assert planning.turn() == 1
    told = client.get(reverse("admin:core_alert_change", args=[alert.pk]))
    assert "Who was told" in told.text


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_others_look_and_decide_nothing(
    signed_in: SignedIn, channel: Channel, actor: Actor, role: str
) -> None:
    one = rule(channel)
    sent = channels.send_test(channel=channel, actor=actor)
    client = signed_in(role)
    for name, row in (("channel", channel), ("alertrule", one), ("delivery", sent)):
        page = client.get(reverse(f"admin:monitoring_{name}_change", args=[row.pk]))
        assert page.status_code == 200
        assert "Remove</a>" not in page.text
    for name in ("channel", "alertrule", "silence"):
        assert client.get(reverse(f"admin:monitoring_{name}_add")).status_code == 403
    for act in ("edit", "remove", "renew_secret"):
        address = reverse(f"admin:monitoring_channel_{act}", args=[channel.pk])
        assert client.post(address, {"reason": "x"}).status_code == 403
    client.post(reverse("admin:monitoring_channel_test", args=[channel.pk]))
    assert Delivery.objects.count() == 1
