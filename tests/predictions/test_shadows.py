"""A version in the shadow scores what others answered, and nobody waits for it."""

import json
import threading
import time
from collections.abc import Callable

import pytest
import redis
from django.contrib.auth.models import Permission

from portal.core.actors import Actor
from portal.core.models import Alert, User
from portal.registry import services as registry
from portal.registry.models import Alias, ModelVersion
from predictions.models import Prediction, ShadowScore
from predictions.services import records, shadows
from predictions.services.recorder import Recorder
from predictions.services.recording import record
from predictions.services.shadows import Shadows
from tests.predictions.records import make_record
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db

Make = Callable[..., ModelVersion]
Shots = list[dict[str, float | None]]
Answered = Callable[..., list[records.Record]]


@pytest.fixture
def point(db: None) -> Callable[[ModelVersion], None]:
    """Give ``point(version)``: puts a version into the shadow."""
    user = User.objects.create(username="pointer")
    user.user_permissions.add(Permission.objects.get(codename="request_promotion"))

    def assign(version: ModelVersion) -> None:
        registry.assign_alias(
            model=version.model,
            alias=Alias.SHADOW,
            version=version,
            reason="a test",
            actor=Actor.of_user(user, via="person"),
        )

    return assign


@pytest.fixture
def answered(shots: Shots) -> Answered:
    """Give ``answered(version, 3)``: records of that many answers of now."""

    def make(version: ModelVersion, count: int, **changes: object) -> list[records.Record]:
        return [
            make_record(
                version_id=version.pk,
                features=json.dumps(shots[number % len(shots)]),
                **({"at": round(time.time(), 6)} | changes),
            )
            for number in range(count)
        ]

    return make


def score_all(one: Shadows) -> None:
    while one.turn():
        pass


def test_what_others_answered_is_scored_by_the_shadow_once(
    make_version: Make, point: Callable[[ModelVersion], None], answered: Answered
) -> None:
    first, second = make_version(), make_version()
    point(second)
    records.insert(answered(first, 5))
    one = Shadows()

    score_all(one)
    score_all(Shadows())

    scores = ShadowScore.objects.all()
    assert len(scores) == 5
    assert {score.version_id for score in scores} == {second.pk}
    assert set(scores.values_list("prediction", flat=True)) == set(
        Prediction.objects.values_list("pk", flat=True)
    )
    assert all(0 <= (score.probability or 0) <= 1 for score in scores)
    assert {score.predicted_class for score in scores} <= {"defect", "ok"}


def test_what_the_shadow_itself_or_another_model_answered_is_left_alone(
    make_version: Make, point: Callable[[ModelVersion], None], answered: Answered, version_row: int
) -> None:
    version = make_version()
    point(version)
    records.insert([*answered(version, 2), make_record(version_id=version_row)])

    score_all(Shadows())

    assert not ShadowScore.objects.exists()


def test_what_was_answered_before_the_shadow_came_is_left_alone(
    make_version: Make, point: Callable[[ModelVersion], None], answered: Answered
) -> None:
    first, second = make_version(), make_version()
    records.insert(answered(first, 2, at=time.time() - 60))
    point(second)

    score_all(Shadows())

    assert not ShadowScore.objects.exists()


def test_a_page_is_a_part_and_many_rows_of_one_moment_are_all_scored(
    make_version: Make,
    point: Callable[[ModelVersion], None],
    answered: Answered,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadows, "PAGE", 10)
    first, second = make_version(), make_version()
    point(second)
    records.insert(answered(first, 35, at=round(time.time(), 6)))
    one = Shadows()

    sizes = [one.turn() for _ in range(5)]

    assert sizes == [10, 10, 10, 5, 0]
    assert ShadowScore.objects.count() == 35


def test_a_row_that_comes_late_through_the_stream_is_scored(
    make_version: Make,
    point: Callable[[ModelVersion], None],
    answered: Answered,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = make_version(), make_version()
    point(second)
    late = answered(first, 1)
    one = Shadows()
    monkeypatch.setattr(shadows, "OVERLAP", -shadows.LOOK_BACK)  # it is past everything at once
    score_all(one)
    record(late)
    recorder = Recorder("test", one.came_late)
    while not Prediction.objects.exists():
        recorder.turn()

    score_all(one)

    assert ShadowScore.objects.count() == 1


def test_a_shot_that_the_shadow_refuses_is_kept_without_a_probability(
    make_version: Make, point: Callable[[ModelVersion], None], answered: Answered, shots: Shots
) -> None:
    first, second = make_version(), make_version()
    point(second)
    odd = make_record(version_id=first.pk, features=json.dumps(shots[0] | {"Velocity_1": 1e6}))
    records.insert([*answered(first, 2), odd])

    score_all(Shadows())

    refused = ShadowScore.objects.get(probability=None)
    assert refused.prediction_id.bytes == odd.id
    assert refused.predicted_class == ""
    assert ShadowScore.objects.count() == 3


def test_a_damaged_shadow_alerts_and_recording_goes_on(
    make_version: Make,
    point: Callable[[ModelVersion], None],
    answered: Answered,
    redis_client: redis.Redis,
) -> None:
    first, bad = make_version(), make_version(b"this is no model")
    point(bad)
    record(answered(first, 1))
    one = Shadows()
    recorder = Recorder("test", one.came_late)
    while not Prediction.objects.exists():
        recorder.turn()

    n_scored = one.turn()

    assert n_scored == 0
    alert = Alert.objects.open().get(key__startswith="predictions.shadow.")
    assert "take it out of the shadow" in alert.message


@pytest.mark.django_db(transaction=True)
def test_of_two_recorders_one_scores(
    make_version: Make, point: Callable[[ModelVersion], None], answered: Answered
) -> None:
    first, second = make_version(), make_version()
    point(second)
    stop = threading.Event()
    both = [Shadows(), Shadows()]
    for one in both:
        one.start(stop)
    try:
        records.insert(answered(first, 20))
        wait_for(lambda: ShadowScore.objects.count() == 20, 30)
        followers = [len(one._followers) for one in both]
    finally:
        stop.set()
        for one in both:
            one.join(30)

    assert sorted(followers) == [0, 1]
