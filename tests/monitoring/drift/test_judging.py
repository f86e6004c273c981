"""Labels that come late: a loss is confirmed, and only then a training may start by itself."""

from datetime import timedelta

import numpy as np
import pytest

from monitoring.models import DriftEvent, DriftPolicy, DriftWindow, RetrainingProposal
from monitoring.services.drift import judging, proposals
from monitoring.services.drift.following import Follower
from portal.core.actors import Actor
from portal.core.models import Alert
from portal.lib import clock
from portal.registry.models import ModelVersion
from portal.runs.models import Run
from predictions.models import Outcome
from predictions.services import feedback
from tests.monitoring.drift import world
from tests.monitoring.drift.conftest import drain

pytestmark = pytest.mark.django_db


@pytest.fixture
def labelled_window(live: ModelVersion) -> None:
    DriftPolicy.objects.update(labelled_window=200, retrains_on_loss=False)


def produce(version: ModelVersion, n: int, *, wrong: float = 0.0, seed: int = 3) -> None:
    """Record predictions of two days ago whose labels follow them, but for a share turned round."""
    rng = np.random.default_rng(seed)
    rows = world.shots(n, rng)
    at = clock.now() - timedelta(days=2)
    ids = world.answer(version, rows, at=at.timestamp())
    defect = (rng.random(n) < rows[:, 0]) ^ (rng.random(n) < wrong)
    told = [
        {"prediction_id": str(one), "label": "defect" if is_defect else "ok"}
        for one, is_defect in zip(ids, defect, strict=True)
    ]
    feedback.record(told, reported_by="key:1")
    # An hour later; how late labels come decides which predictions are old enough.
    Outcome.objects.filter(prediction__in=ids).update(recorded_at=at + timedelta(hours=1))


def judged(version: ModelVersion) -> judging.Judgement:
    drain(Follower())
    row = DriftWindow.objects.whole().select_related("version__model").get(version=version)
    return judging.judge(row, clock.now())


def test_labels_that_agree_confirm_nothing(live: ModelVersion, labelled_window: None) -> None:
    produce(live, 300)

    found = judged(live)

    assert (found.n, found.is_loss) == (200, False)
    assert found.coverage == pytest.approx(1.0)
    assert found.brier is not None
    assert found.f1 is not None
    row = DriftWindow.objects.whole().get(version=live)
    assert row.judged is not None
    assert row.judged["brier"] == pytest.approx(found.brier)
    assert not DriftEvent.objects.exists()


def test_too_few_labels_are_not_enough(live: ModelVersion, labelled_window: None) -> None:
    produce(live, 150)

    found = judged(live)

    assert (found.n, found.needed, found.brier, found.is_loss) == (150, 200, None, False)


def test_labels_that_disagree_confirm_a_loss(live: ModelVersion, labelled_window: None) -> None:
    produce(live, 300, wrong=0.4)

    found = judged(live)

    assert found.is_loss
    event = DriftEvent.objects.get(signal=DriftEvent.Signal.LOSS)
    assert event.level == DriftEvent.Level.CONFIRMED
    assert event.ratio > 1
    alert = Alert.objects.open().get(key=f"monitoring.drift.{event.window_id}.loss")
    assert alert.severity == Alert.Severity.CRITICAL
    proposal = RetrainingProposal.objects.get()
    assert (proposal.is_confirmed, proposal.state, proposal.run) == (True, "open", None)


def test_what_is_open_is_confirmed_with_it(live: ModelVersion, labelled_window: None) -> None:
    produce(live, 300, wrong=0.4)
    drain(Follower())
    row = DriftWindow.objects.whole().get(version=live)
    at = clock.now()
    change = DriftEvent.objects.create(
        window=row,
        signal="score",
        level="change",
        scale="severe",
        detector="kl",
        statistic=2.0,
        threshold=1.0,
        opened_at=at,
        last_at=at,
        predictions_since=at,
        predictions_until=at,
    )

    judged(live)

    change.refresh_from_db()
    assert change.level == DriftEvent.Level.CONFIRMED


def test_a_loss_is_told_once_and_ends_with_better_labels(
    live: ModelVersion, labelled_window: None
) -> None:
    produce(live, 300, wrong=0.4)
    judged(live)
    judged(live)
    assert DriftEvent.objects.count() == 1
    assert RetrainingProposal.objects.count() == 1

    produce(live, 400, seed=4)
    judged(live)

    assert DriftEvent.objects.get().ending == DriftEvent.Ending.CALM


def test_a_confirmed_loss_starts_a_training_where_the_policy_says_so(
    live: ModelVersion, labelled_window: None
) -> None:
    DriftPolicy.objects.update(retrains_on_loss=True)
    RetrainingProposal.objects.create(model=live.model, version=live, reason="Drift.")
    produce(live, 300, wrong=0.4)

    judged(live)

    proposal = RetrainingProposal.objects.get()
    assert (proposal.state, proposal.is_confirmed) == ("started", True)
    assert proposal.run is not None
    assert (proposal.run.kind, proposal.run.started_via) == ("predictions.retrain", "drift")


def test_a_person_accepts_a_proposal(live: ModelVersion) -> None:
    proposal = RetrainingProposal.objects.create(model=live.model, version=live, reason="Drift.")
    user = world.person("operator", "monitoring.settle_retraining")

    run = proposals.accept(
        proposal=proposal, note="Before the audit.", actor=Actor.of_user(user, via="person")
    )

    assert (run.started_by_id, run.parameters["model"]) == (user.pk, world.MODEL)
    assert Run.objects.get().pk == run.pk
    assert (proposal.state, proposal.settled_by) == ("started", "operator")
