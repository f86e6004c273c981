"""Events: how they begin, last, end, and what people say about them."""

from datetime import timedelta

import numpy as np
import pytest

from monitoring.models import DriftEvent, DriftWindow, RetrainingProposal
from monitoring.selectors import drift as selectors
from monitoring.services.drift import events, proposals
from monitoring.services.drift.following import Follower
from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput, Refused
from portal.core.models import Alert, AuditEntry, Notice
from portal.lib import clock
from portal.registry.models import ModelVersion
from tests.monitoring.drift import world
from tests.monitoring.drift.conftest import drain

pytestmark = pytest.mark.django_db

Signal, Level, Ending = DriftEvent.Signal, DriftEvent.Level, DriftEvent.Ending


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def operator() -> Actor:
    user = world.person("operator", "monitoring.acknowledge_drift", "monitoring.settle_retraining")
    return Actor.of_user(user, via="person")


def test_quiet_predictions_make_no_event(watching: DriftWindow, follower: Follower) -> None:
    world.answer(watching.version, world.shots(500, rng()))
    drain(follower)

    assert not DriftEvent.objects.exists()
    assert DriftWindow.objects.get(pk=watching.pk).state == DriftWindow.State.WATCHING


def test_a_moved_feature_is_named_and_is_information(
    watching: DriftWindow, follower: Follower
) -> None:
    world.answer(watching.version, world.shots(150, rng(), hot=12.0))
    drain(follower)

    event = DriftEvent.objects.get(signal=Signal.COLUMNS)
    assert list(event.columns) == ["Temp"]
    assert event.ratio > 1
    assert event.level == Level.CHANGE
    assert event.scale != "severe"
    assert not DriftEvent.objects.filter(signal=Signal.SCORE).exists()
    assert "Temp" in Notice.objects.filter(kind=events.FOUND).latest("pk").subject
    assert not Alert.objects.open().filter(key__startswith="monitoring.drift").exists()


def test_moved_scores_are_severe_and_alert(watching: DriftWindow, follower: Follower) -> None:
    world.answer(watching.version, world.shots(150, rng(), shift=3.0))
    drain(follower)

    event = DriftEvent.objects.get(signal=Signal.SCORE)
    assert (event.scale, event.detector) == ("severe", "kl")
    assert event.kl == pytest.approx(event.statistic)
    alert = Alert.objects.open().get(key=events.alert_key(event))
    assert alert.severity == Alert.Severity.INFO
    assert alert.url == f"/admin/monitoring/driftevent/{event.pk}/change/"


def test_scores_that_promise_worse_performance_raise_the_level(
    watching: DriftWindow, follower: Follower
) -> None:
    rows = world.shots(150, rng())
    rows[:, 0] = np.random.default_rng(1).uniform(0.2, 0.29, 150)
    world.answer(watching.version, rows)
    drain(follower)

    levels = dict(DriftEvent.objects.values_list("signal", "level"))
    assert levels[Signal.ESTIMATE] == levels[Signal.SCORE] == Level.SUSPECTED


def test_an_event_lasts_as_one_and_ends_when_it_is_calm(
    watching: DriftWindow, follower: Follower
) -> None:
    for _turn in range(3):
        world.answer(watching.version, world.shots(60, rng(), shift=3.0))
        drain(follower)
    event = DriftEvent.objects.get(signal=Signal.SCORE)
    assert event.closed_at is None
    assert event.n_looks > 20

    world.answer(watching.version, world.shots(400, rng()))
    drain(follower)

    event.refresh_from_db()
    assert event.ending == Ending.CALM
    assert not Alert.objects.open().filter(key=events.alert_key(event)).exists()
    assert not DriftEvent.objects.open().filter(signal=Signal.SCORE).exists()


def test_an_event_says_which_predictions_it_was_found_in(
    watching: DriftWindow, follower: Follower
) -> None:
    since = clock.now()
    world.answer(watching.version, world.shots(200, rng(), shift=3.0))
    drain(follower)

    event = DriftEvent.objects.filter(signal=Signal.SCORE).get()
    assert event.predictions_since <= event.predictions_until
    assert event.predictions_until >= since - timedelta(seconds=1)


def opened(window: DriftWindow, **fields: object) -> DriftEvent:
    at = clock.now()
    given: dict[str, object] = {
        "signal": Signal.COLUMNS,
        "level": Level.CHANGE,
        "scale": "slight",
        "detector": "psi",
        "statistic": 2.0,
        "threshold": 1.0,
        "opened_at": at,
        "last_at": at,
        "predictions_since": at,
        "predictions_until": at,
    }
    return DriftEvent.objects.create(window=window, **(given | fields))


@pytest.fixture
def plain(live: ModelVersion) -> DriftWindow:
    return DriftWindow.objects.create(version=live, window=world.WINDOW)


def test_an_event_names_the_farthest_features_first(plain: DriftWindow) -> None:
    event = opened(plain, columns={"Temp": 1.5, "Pressure": 4.0, "Mold": 2.0})
    event.refresh_from_db()

    assert event.farthest == [("Pressure", 4.0), ("Mold", 2.0), ("Temp", 1.5)]
    assert "Farthest: Pressure, Mold, Temp." in events.said_of(event)


def test_an_event_keeps_the_largest_ratio_of_each_feature(
    watching: DriftWindow, follower: Follower
) -> None:
    ratios = []
    for hot in (8.0, 25.0, 8.0):
        world.answer(watching.version, world.shots(100, rng(), hot=hot))
        drain(follower)
        ratios.append(DriftEvent.objects.get(signal=Signal.COLUMNS).columns["Temp"])

    assert ratios[0] < ratios[1] == ratios[2]


def test_acknowledging_says_who_and_why(plain: DriftWindow) -> None:
    event, actor = opened(plain), operator()

    events.acknowledge(event=event, cause="New alloy batch.", actor=actor)

    assert (event.cause, event.acknowledged_by_id) == ("New alloy batch.", actor.user_id)
    entry = AuditEntry.objects.latest("number")
    assert (entry.action, entry.reason) == ("drift.acknowledge", "New alloy batch.")


def test_acknowledging_takes_a_permission_and_a_cause(plain: DriftWindow) -> None:
    event = opened(plain)
    outsider = Actor.of_user(world.person("outsider"), via="person")

    with pytest.raises(Refused):
        events.acknowledge(event=event, cause="x", actor=outsider)
    with pytest.raises(InvalidInput, match="0 characters"):
        events.acknowledge(event=event, cause="  ", actor=operator())
    assert AuditEntry.objects.filter(action="drift.acknowledge", outcome="refused").count() == 2


def test_two_who_acknowledge_at_once_do_not_overwrite_each_other(plain: DriftWindow) -> None:
    event, actor = opened(plain), operator()
    same = DriftEvent.objects.get(pk=event.pk)
    events.acknowledge(event=event, cause="New alloy batch.", actor=actor)

    with pytest.raises(Conflict):
        events.acknowledge(event=same, cause="Cold morning.", actor=actor)


# --- Reason to train anew -------------------------------------------------------------------------
def test_five_events_in_seven_days_are_reason_to_train_anew(plain: DriftWindow) -> None:
    model, now = plain.version.model, clock.now()
    for day in range(4):
        at = now - timedelta(days=day)
        opened(plain, opened_at=at, closed_at=at, ending=Ending.CALM)
    opened(plain, opened_at=now - timedelta(days=8), closed_at=now, ending=Ending.CALM)
    assert not selectors.reason_to_retrain(model, now)

    opened(plain, signal=Signal.CLASSES)

    assert selectors.reason_to_retrain(model, clock.now())


def test_one_severe_event_is_reason_enough(plain: DriftWindow) -> None:
    opened(plain, signal=Signal.SCORE, scale="severe")

    reason = selectors.reason_to_retrain(plain.version.model, clock.now())

    assert (bool(reason), reason.is_confirmed) == (True, False)


def test_drift_proposes_and_does_not_train(watching: DriftWindow, follower: Follower) -> None:
    world.answer(watching.version, world.shots(150, rng(), shift=3.0))
    drain(follower)

    proposal = RetrainingProposal.objects.get()
    assert (proposal.state, proposal.run, proposal.is_confirmed) == ("open", None, False)
    assert {one["signal"] for one in proposal.evidence["events"]} >= {"score"}
    assert Alert.objects.open().filter(key=proposals.alert_key(proposal)).exists()


def test_nothing_is_proposed_twice_within_the_cooldown(plain: DriftWindow) -> None:
    model, now = plain.version.model, clock.now()
    opened(plain, scale="severe")
    proposal = proposals.consider(model=model, at=clock.now())
    assert proposal is not None
    assert proposals.consider(model=model, at=clock.now()) is None
    proposals.dismiss(proposal=proposal, note="Known cause.", actor=operator())

    assert proposals.consider(model=model, at=now + timedelta(days=6)) is None
    assert proposals.consider(model=model, at=now + timedelta(days=6, hours=25)) is None
    opened(plain, signal=Signal.SCORE, scale="severe", opened_at=now + timedelta(days=7, hours=1))
    assert proposals.consider(model=model, at=now + timedelta(days=8)) is not None


def test_dismissing_takes_a_reason_and_happens_once(plain: DriftWindow) -> None:
    opened(plain, scale="severe")
    proposal = proposals.consider(model=plain.version.model, at=clock.now())
    assert proposal is not None
    actor = operator()

    with pytest.raises(InvalidInput):
        proposals.dismiss(proposal=proposal, note=" ", actor=actor)
    proposals.dismiss(proposal=proposal, note="Known cause.", actor=actor)
    with pytest.raises(Conflict, match="decided by operator"):
        proposals.dismiss(proposal=proposal, note="Again.", actor=actor)
    assert not Alert.objects.open().filter(key=proposals.alert_key(proposal)).exists()
