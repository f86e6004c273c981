"""Who answers besides the champion: the challenger's share, and the version in the shadow."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.test import Client

from portal.core.actors import Actor
from portal.core.errors import Conflict, InvalidInput, Refused
from portal.core.models import Alert, AuditEntry, User
from portal.registry import services as registry
from portal.registry.models import Alias, ModelVersion
from predictions.models import Prediction, TrafficSplit
from predictions.services import answering, explanations, recording, serving, stream, traffic
from predictions.services.answering import Caller, Named
from predictions.services.recorder import Recorder
from predictions.services.serving import Champion, Held
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

Make = Callable[..., ModelVersion]
Shots = list[dict[str, float | None]]
People = Callable[..., Actor]


@pytest.fixture(autouse=True)
def fresh_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_redis_paused_until", 0.0)
    monkeypatch.setattr(recording, "tail", recording.Tail())


@pytest.fixture
def person(db: None) -> People:
    """Give ``person("registry.request_promotion")``: somebody with these permissions."""

    def make(*permissions: str, username: str = "decider") -> Actor:
        user, _created = User.objects.get_or_create(username=username)
        for name in permissions:
            app_label, codename = name.split(".")
            wanted = Permission.objects.get(content_type__app_label=app_label, codename=codename)
            user.user_permissions.add(wanted)
        return Actor.of_user(user, via="person")

    return make


@pytest.fixture
def point(person: People) -> Callable[[str, ModelVersion], None]:
    """Give ``point("challenger", version)``: points an alias at a version."""
    actor = person("registry.request_promotion", username="pointer")

    def assign(alias: str, version: ModelVersion) -> None:
        registry.assign_alias(
            model=version.model, alias=alias, version=version, reason="a test", actor=actor
        )

    return assign


@pytest.fixture
def challenger(
    champion: ModelVersion, make_version: Make, point: Callable[[str, ModelVersion], None]
) -> Iterator[ModelVersion]:
    """Give a challenger beside the champion, without a share yet."""
    version = make_version()
    point(Alias.CHALLENGER, version)
    yield version
    serving.quality.challenger.stop()


@pytest.fixture
def give(challenger: ModelVersion, person: People) -> Callable[[float], None]:
    """Give ``give(0.3)``: lets the challenger answer that share in this process."""

    def share(value: float) -> None:
        traffic.set_share(
            model=challenger.model, share=value, reason="a test", actor=person(traffic.PERMISSION)
        )
        serving.quality.challenger.take(challenger)

    return share


def ask(shots: Shots, name: str = "", *, is_recorded: bool = True) -> answering.Answers:
    return answering.respond(
        serving.quality.choose,
        answering.NamedShots(shots),
        Caller("key:1", "r", Named(name, time.time()) if name else None),
        is_recorded=is_recorded,
        place="instances",
    )


def broken(held: Held) -> Held:
    """Return a version whose session fails on every shot."""

    class Failing:
        def run(self, *_given: Any) -> Any:
            raise RuntimeError("the session is gone")

    return replace(held, model=replace(held.model, session=Failing()))


def name_of_the_challenger_s() -> str:
    """Return a client id whose requests the challenger answers."""
    names = (f"request-{number}" for number in range(1000))
    return next(
        name for name in names if serving.quality.challenger.wants(f"key:1 {name}".encode())
    )


def record_all() -> None:
    recorder = Recorder("test")
    while recorder.turn() or stream.waiting():
        pass


# --- the share ------------------------------------------------------------------------------------
def test_the_database_refuses_a_share_above_one_half(make_version: Make) -> None:
    version = make_version()
    words = {"model": version.model, "version": version, "reason": "test", "set_by": "nobody"}
    TrafficSplit.objects.create(share=0.5, **words)

    with pytest.raises(IntegrityError, match="predictions_split_share"), transaction.atomic():
        TrafficSplit.objects.create(share=0.51, **words)


def test_without_a_share_the_champion_answers_everything(
    champion: ModelVersion, challenger: ModelVersion, shots: Shots
) -> None:
    serving.quality.challenger.take(challenger)

    said = [ask(shots[:1], is_recorded=False) for _ in range(20)]

    assert {one.model_version for one in said} == {champion.number}
    assert {one.role for one in said} == {"champion"}


def test_the_challenger_answers_about_its_share(
    challenger: ModelVersion, give: Callable[[float], None]
) -> None:
    give(0.2)
    names = [f"key:1 request-{number}".encode() for number in range(4000)]

    share = np.mean([serving.quality.challenger.wants(name) for name in names])

    assert abs(share - 0.2) < 0.03  # more than four standard deviations


def test_the_same_client_id_is_answered_by_the_same_version_in_every_process(
    challenger: ModelVersion, give: Callable[[float], None], shots: Shots
) -> None:
    give(0.5)
    other = Champion(serving.quality.model_name, serving.load)
    other._settle(serving.quality.held, "")
    other.challenger.take(challenger)
    names = [f"request-{number}" for number in range(40)]

    here = [ask(shots[:1], name, is_recorded=False).model_version for name in names]
    again = [ask(shots[:1], name, is_recorded=False).model_version for name in names]
    there = [other.choose(f"key:1 {name}".encode()).held.number for name in names]

    assert here == again == there
    assert len(set(here)) == 2


def test_a_batch_is_answered_by_one_version(give: Callable[[float], None], shots: Shots) -> None:
    give(0.5)

    said = [ask(shots[:5], f"batch-{number}") for number in range(12)]
    record_all()

    assert {one.role for one in said} == {"champion", "challenger"}
    for one in said:
        ids = [str(row.prediction_id) for row in one.answers]
        versions = Prediction.objects.filter(pk__in=ids).values_list("version__number", flat=True)
        assert set(versions) == {one.model_version}


def test_the_decision_is_recorded_with_each_prediction(
    challenger: ModelVersion, give: Callable[[float], None], shots: Shots
) -> None:
    give(0.5)

    for number in range(20):
        ask(shots[:1], f"request-{number}")
    record_all()

    rows = Prediction.objects.all()
    assert {row.challenger_share for row in rows} == {0.5}
    for row in rows:
        assert (row.role == "challenger") == (row.version_id == challenger.pk)


def test_a_prediction_of_the_challenger_is_explained_by_the_challenger(
    challenger: ModelVersion, give: Callable[[float], None], shots: Shots
) -> None:
    give(0.5)
    said = ask(shots[:1], name_of_the_challenger_s())
    record_all()
    row = Prediction.objects.get(pk=str(said.answers[0].prediction_id))

    told = explanations.of_prediction(row)

    assert row.version_id == challenger.pk
    assert told.probability == pytest.approx(row.probability, abs=1e-5)


def test_a_challenger_that_fails_on_a_shot_leaves_the_answer_to_the_champion(
    champion: ModelVersion,
    give: Callable[[float], None],
    shots: Shots,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(0.5)
    held = serving.quality.challenger.held
    assert held is not None
    name = name_of_the_challenger_s()
    monkeypatch.setattr(serving.quality.challenger, "_held", broken(held))

    said = ask(shots[:1], name)
    record_all()

    assert (said.model_version, said.role) == (champion.number, "fallback")
    assert Prediction.objects.get().role == "fallback"


def test_a_shot_that_only_the_challenger_refuses_is_answered_by_the_champion(
    champion: ModelVersion,
    give: Callable[[float], None],
    shots: Shots,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(0.5)
    held = serving.quality.challenger.held
    assert held is not None
    first, *others = held.model.signature.features
    narrow = replace(held.model.signature, features=(replace(first, allowed=(-1.0,)), *others))
    strict = replace(held, model=replace(held.model, signature=narrow))
    monkeypatch.setattr(serving.quality.challenger, "_held", strict)

    said = ask(shots[:1], name_of_the_challenger_s(), is_recorded=False)

    assert (said.model_version, said.role) == (champion.number, "fallback")


def test_a_damaged_challenger_answers_nothing_and_alerts(
    champion: ModelVersion,
    make_version: Make,
    point: Callable[[str, ModelVersion], None],
    person: People,
    shots: Shots,
) -> None:
    bad = make_version(b"this is no model")
    point(Alias.CHALLENGER, bad)
    traffic.set_share(model=bad.model, share=0.5, reason="a test", actor=person(traffic.PERMISSION))
    try:
        serving.quality.challenger.take(bad)
        said = [ask(shots[:1], is_recorded=False).model_version for _ in range(10)]
    finally:
        serving.quality.challenger.stop()

    assert set(said) == {champion.number}
    alert = Alert.objects.open().get(key__endswith=".challenger")
    assert "the champion answers its share" in alert.message


def test_a_challenger_that_became_champion_is_no_longer_told_apart(
    champion: ModelVersion, shots: Shots
) -> None:
    held = serving.quality.held
    serving.quality.challenger._settle(held, "")
    serving.quality.challenger.share = 0.5
    try:
        said = {ask(shots[:1], str(n), is_recorded=False).role for n in range(20)}
    finally:
        serving.quality.challenger.stop()

    assert said == {"champion"}


@pytest.mark.django_db(transaction=True)
def test_a_share_and_its_end_reach_a_process_within_seconds(
    make_version: Make, point: Callable[[str, ModelVersion], None], person: People
) -> None:
    first, second = make_version(), make_version()
    registry.bootstrap_champion(version=first, reason="test", actor=Actor.system("test"))
    point(Alias.CHALLENGER, second)
    holder = Champion(first.model.name, serving.load)
    try:
        holder.get()
        words: Any = {
            "model": first.model,
            "reason": "a test",
            "actor": person(traffic.PERMISSION),
        }
        traffic.set_share(share=0.4, **words)
        wait_for(lambda: holder.challenger.held is not None, 20)
        assert holder.challenger.share == 0.4
        traffic.set_share(share=0, **words)
        wait_for(lambda: holder.challenger.held is None, 20)
    finally:
        holder.stop()


# --- who may set it -------------------------------------------------------------------------------
def test_the_share_is_for_one_version_and_ends_when_the_alias_moves(
    challenger: ModelVersion,
    give: Callable[[float], None],
    make_version: Make,
    point: Callable[[str, ModelVersion], None],
) -> None:
    give(0.3)
    assert traffic.share_of(challenger) == 0.3

    point(Alias.CHALLENGER, make_version())

    assert traffic.of_model(challenger.model).share == 0.0


def test_a_share_takes_its_own_permission_and_the_refusal_is_recorded(
    challenger: ModelVersion, person: People
) -> None:
    operator = person("registry.request_promotion", username="operator")

    with pytest.raises(Refused, match="split_traffic"):
        traffic.set_share(model=challenger.model, share=0.1, reason="mine", actor=operator)

    assert AuditEntry.objects.filter(action="traffic.split", outcome="refused").exists()


def test_whoever_launched_the_training_does_not_decide_the_share(
    champion: ModelVersion, point: Callable[[str, ModelVersion], None], person: People
) -> None:
    actor = person(traffic.PERMISSION)
    version = ModelVersion.objects.create(
        model=champion.model,
        number=champion.number + 1,
        dataset_fingerprint="0" * 64,
        digest="0" * 64,
        lineage={"launcher_ids": [actor.user_id]},
    )
    point(Alias.CHALLENGER, version)

    with pytest.raises(Refused, match="a second person"):
        traffic.set_share(model=version.model, share=0.1, reason="mine", actor=actor)


@pytest.mark.parametrize("share", [-0.1, 0.51, float("nan"), float("inf")])
def test_a_share_outside_is_refused(challenger: ModelVersion, person: People, share: float) -> None:
    with pytest.raises(InvalidInput, match=r"between 0 and 0\.5"):
        traffic.set_share(
            model=challenger.model, share=share, reason="x", actor=person(traffic.PERMISSION)
        )


def test_without_a_challenger_there_is_nothing_to_share(
    champion: ModelVersion, person: People
) -> None:
    with pytest.raises(Conflict, match="no challenger"):
        traffic.set_share(
            model=champion.model, share=0.1, reason="x", actor=person(traffic.PERMISSION)
        )


def test_the_share_is_seen_and_set_over_http(
    client: Client, challenger: ModelVersion, make_key: Callable[..., dict[str, str]]
) -> None:
    headers = make_key("read", "promote")
    caller = User.objects.get(username="caller")
    caller.user_permissions.add(Permission.objects.get(codename="split_traffic"))
    address = f"/api/v1/models/{challenger.model.name}/traffic/"
    body = json.dumps({"challenger_share": 0.25, "reason": "a first look"})

    before = client.get(address, headers=headers).json()
    answer = client.patch(address, body, content_type="application/json", headers=headers)

    assert before["challenger_share"] == 0.0
    assert before["challenger"] == challenger.number
    assert answer.status_code == 200
    assert answer.json()["challenger_share"] == 0.25
    assert AuditEntry.objects.get(action="traffic.split").detail["after"] == 0.25
