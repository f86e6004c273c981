"""The pages of drift: what they show, and what people do on them."""

import html
import re
from collections.abc import Callable

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from monitoring.models import DriftEvent, DriftPolicy, DriftWindow, RetrainingProposal
from monitoring.services.drift.following import Follower
from portal.registry.models import ModelVersion
from tests.monitoring.drift import world
from tests.monitoring.drift.conftest import drain
from tests.monitoring.drift.test_events import opened

pytestmark = pytest.mark.django_db

VIEW = (
    "monitoring.view_driftwindow",
    "monitoring.view_driftevent",
    "monitoring.view_retrainingproposal",
)
ACTS = (
    *VIEW,
    "monitoring.reset_drift",
    "monitoring.acknowledge_drift",
    "monitoring.settle_retraining",
    "monitoring.change_driftpolicy",
)


@pytest.fixture
def browser(db: None) -> Callable[..., Client]:
    """Give ``browser(*permissions)``: somebody signed in who reads English."""

    def make(*permissions: str) -> Client:
        client = Client(headers={"accept-language": "en"})
        client.force_login(world.person("somebody", *permissions))
        return client

    return make


def page(client: Client, name: str, *args: object, query: str = "") -> str:
    answer = client.get(reverse(f"admin:monitoring_{name}", args=args) + query)
    assert answer.status_code == 200, answer
    return answer.text


def test_a_watched_window_shows_its_pictures(
    watching: DriftWindow, follower: Follower, browser: Callable[..., Client]
) -> None:
    world.answer(watching.version, world.shots(150, np.random.default_rng(3), shift=3.0, hot=9.0))
    drain(follower)
    client = browser(*ACTS)

    shown = page(client, "driftwindow_change", watching.pk, query="?feature=Temp&days=1")

    assert shown.count('<rect class="mw-is"') == 20
    assert '<polyline class="mw-limit"' in shown
    assert 'id="feature"' in shown
    for word in ("severe", "reason to train anew", "Scores now, beside the baseline", "Temp"):
        assert word in shown
    assert reverse("admin:monitoring_driftwindow_reset", args=[watching.pk]) in shown


@pytest.mark.parametrize("n", [0, 40, 150])
def test_a_window_that_cannot_say_says_why(
    live: ModelVersion, follower: Follower, browser: Callable[..., Client], n: int
) -> None:
    if n:
        world.answer(live, world.shots(n, np.random.default_rng(3)))
        drain(follower)
        row = DriftWindow.objects.get()
    else:
        row = DriftWindow.objects.create(version=live, window=100)

    shown = page(browser(*VIEW), "driftwindow_change", row.pk)

    words = {0: "has no baseline", 40: "40 predictions of the 100", 150: "1 of 20 windows"}
    assert words[n] in shown


def test_lists_show_live_windows_first(
    watching: DriftWindow, browser: Callable[..., Client]
) -> None:
    former = world.version(name="former")
    DriftWindow.objects.create(version=former, window=100)
    client = browser(*VIEW)

    assert "former v1" not in page(client, "driftwindow_changelist")
    assert "former v1" in page(client, "driftwindow_changelist", query="?of=all")
    assert "Watching" in page(client, "driftwindow_changelist")


def test_an_event_is_acknowledged_on_its_page(
    live: ModelVersion, browser: Callable[..., Client]
) -> None:
    row = DriftWindow.objects.create(version=live, window=100)
    event = opened(row, columns={"Temp": 2.0})
    client = browser(*ACTS)
    assert "Temp" in page(client, "driftevent_changelist")
    shown = page(client, "driftevent_change", event.pk)
    assert "Without labels this is information" in shown
    assert "/admin/predictions/prediction/?at_from_0=" in shown

    address = reverse("admin:monitoring_driftevent_acknowledge", args=[event.pk])
    answer = client.post(address, {"cause": "A cold hall."}, follow=True)

    assert "A cold hall." in answer.text
    assert DriftEvent.objects.get().acknowledged_by is not None


# The library's filter of times makes naive ones, which Django takes for those of the portal's zone.
@pytest.mark.filterwarnings("ignore:DateTimeField Prediction.at received a naive:RuntimeWarning")
def test_the_link_of_an_event_leads_to_its_predictions(
    watching: DriftWindow, follower: Follower, browser: Callable[..., Client]
) -> None:
    ids = world.answer(watching.version, world.shots(150, np.random.default_rng(3), shift=3.0))
    drain(follower)
    client = browser(*VIEW, "predictions.view_prediction")
    event = DriftEvent.objects.filter(signal="score").get()

    link = re.search(r'href="([^"]+at_from_0[^"]+)"', page(client, "driftevent_change", event.pk))
    assert link is not None
    listed = client.get(html.unescape(link[1]))

    assert listed.status_code == 200
    assert str(ids[-1]) in listed.text


def test_a_window_begins_anew_with_a_reason(
    watching: DriftWindow, browser: Callable[..., Client]
) -> None:
    client = browser(*ACTS)
    address = reverse("admin:monitoring_driftwindow_reset", args=[watching.pk])

    assert "Its open events are closed" in client.get(address).text
    client.post(address, {"reason": "New alloy."})

    assert DriftWindow.objects.get(pk=watching.pk).n_kept == 0


def test_a_policy_is_changed_on_its_page(
    live: ModelVersion, browser: Callable[..., Client]
) -> None:
    row = DriftWindow.objects.create(version=live, window=100)
    address = reverse("admin:monitoring_driftwindow_policy", args=[row.pk])
    client = browser(*ACTS)
    given = {
        "window": 240,
        "false_alarms_per_month": 0.5,
        "score_detector": "psi",
        "column_detector": "kl",
        "slicings": ["line"],
        "labelled_window": 300,
        "cooldown_days": 3,
    }
    assert "A window of 250 is no multiple" in client.post(address, {**given, "window": 250}).text

    client.post(address, given)

    policy = DriftPolicy.objects.get()
    assert (policy.window, policy.score_detector, policy.slicings) == (240, "psi", ["line"])
    assert policy.retrains_on_loss is False


def test_a_proposal_is_dismissed_on_its_page(
    live: ModelVersion, browser: Callable[..., Client]
) -> None:
    proposal = RetrainingProposal.objects.create(model=live.model, version=live, reason="Drift.")
    client = browser(*ACTS)
    assert "Drift." in page(client, "retrainingproposal_changelist")
    assert "Train anew" in page(client, "retrainingproposal_change", proposal.pk)

    address = reverse("admin:monitoring_retrainingproposal_dismiss", args=[proposal.pk])
    client.post(address, {"reason": "Known cause."})

    proposal.refresh_from_db()
    assert (proposal.state, proposal.note) == ("dismissed", "Known cause.")
    assert "Train anew" not in page(client, "retrainingproposal_change", proposal.pk)


def test_who_only_looks_finds_no_buttons_and_no_way_round(
    live: ModelVersion, browser: Callable[..., Client]
) -> None:
    row = DriftWindow.objects.create(version=live, window=100)
    event = opened(row)
    client = browser(*VIEW)

    assert f"driftwindow/{row.pk}/reset" not in page(client, "driftwindow_change", row.pk)
    for name, key in (("driftwindow_reset", row.pk), ("driftevent_acknowledge", event.pk)):
        answer = client.post(reverse(f"admin:monitoring_{name}", args=[key]), {"reason": "x"})
        assert answer.status_code == 403
