"""The champion in a process: loaded verified, exchanged whole, kept when the next is damaged."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.core.files.storage import storages

from portal.core.actors import Actor
from portal.core.errors import Corrupt, Unavailable
from portal.core.models import Alert, User
from portal.lib import clock
from portal.registry import families, live
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from predictions.services import answering, records, serving
from predictions.services.models import MODEL_NAME
from predictions.services.serving import Champion
from tests.predictions.conftest import SmallModel
from tests.predictions.records import make_record
from tests.waiting import wait_for

Make = Callable[..., ModelVersion]
Shots = list[dict[str, float | None]]


@pytest.fixture
def move(transactional_db: None) -> Callable[[ModelVersion], None]:
    """Give ``move(version)``: makes a version champion, the first without and others with force."""
    user = User.objects.create(username="keeper")
    user.user_permissions.add(Permission.objects.get(codename="break_glass"))

    def make_champion(version: ModelVersion) -> None:
        if not version.model.moves.exists():
            system = Actor.system("test")
            registry.bootstrap_champion(version=version, reason="a test", actor=system)
            return
        actor = Actor.of_user(user, via="person")
        registry.break_glass(version=version, reason="a test of the exchange", actor=actor)

    return make_champion


@pytest.fixture
def holder(transactional_db: None) -> Iterator[Champion]:
    one = Champion(MODEL_NAME, serving.load)
    yield one
    one.stop()


def damage(version: ModelVersion) -> None:
    """Turn one bit in the middle of a version's serving form."""
    kept = version.version_artifacts.get(name=serving.SERVING_FORM).artifact
    path = Path(storages["artifacts"].path(kept.storage_name))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def test_without_a_champion_the_answer_says_how_to_get_one(holder: Champion) -> None:
    with pytest.raises(Unavailable, match="train a version, ask for its promotion"):
        holder.get()


def test_a_move_of_the_alias_reaches_the_process_within_two_seconds_and_fails_no_request(
    holder: Champion, make_version: Make, move: Callable[[ModelVersion], None], shots: Shots
) -> None:
    first, second = make_version(), make_version()
    move(first)
    assert holder.get().number == first.number
    answered: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            said = answering.answer(
                holder, shots[:1], principal="k", request_id="r", is_recorded=False
            )
            answered.append(said.model_version)

    asking = threading.Thread(target=ask)
    asking.start()
    move(second)
    wait_for(lambda: holder.get().number == second.number)
    stop.set()
    asking.join()

    # Word comes at once, and where it is lost two looks and a load take less than two seconds.
    assert 2 * live.POLL_S <= 1
    assert set(answered) <= {first.number, second.number}
    assert answered == sorted(answered)


def test_a_request_finishes_on_the_model_it_began_with(
    holder: Champion, make_version: Make
) -> None:
    first, second = make_version(), make_version()
    holder.take(first)

    begun = holder.get()
    holder.take(second)

    assert begun.number == first.number
    assert begun.model.predict(np.zeros((1, 30), dtype=np.float32))[0].shape == (1,)


def test_a_damaged_successor_leaves_the_old_one_answering_and_alerts(
    holder: Champion, make_version: Make, small_model: SmallModel
) -> None:
    holder.take(make_version())
    bad = make_version(small_model.data + b"\x00")
    damage(bad)

    holder.take(bad)

    assert holder.get().number == 1
    alert = Alert.objects.open().get(key=f"predictions.serving.{MODEL_NAME}")
    assert alert.severity == "critical"
    assert "roll back" in alert.message


def test_a_stopped_holder_does_not_try_a_damaged_version_again(
    holder: Champion, make_version: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "RETRY_S", 3600.0)
    before = set(threading.enumerate())
    holder.take(make_version(b"this is no model"))
    (timer,) = [
        one for one in set(threading.enumerate()) - before if isinstance(one, threading.Timer)
    ]

    holder.stop()

    wait_for(lambda: not timer.is_alive())


def test_taking_a_good_version_resolves_the_alert(
    holder: Champion, make_version: Make, small_model: SmallModel
) -> None:
    bad = make_version(b"this is no model")
    holder.take(bad)

    holder.take(make_version())

    assert not Alert.objects.open().filter(key__startswith="predictions.serving").exists()


def test_bytes_that_are_no_model_are_refused_by_the_family(make_version: Make) -> None:
    version = make_version(b"this is no model")

    with pytest.raises(Corrupt, match="cannot be loaded"):
        families.get("quality").warm(version)


def test_the_family_scores_a_version_on_its_frozen_set(make_version: Make) -> None:
    version = make_version()
    assert version.evaluation_set is not None

    scored = families.get("quality").score(version, version.evaluation_set)

    assert isinstance(scored, families.Scored)
    assert len(scored.y_true) == len(scored.probability) == len(scored.group_ids)
    assert scored.probability[scored.y_true == 1].mean() > scored.probability.mean()


def test_the_family_counts_the_answers_of_a_version(make_version: Make) -> None:
    version = make_version()
    family = families.get("quality")
    assert isinstance(family, families.AnswersPredictions)
    since = clock.now()
    records.insert([make_record(version_id=version.pk) for _ in range(3)])
    records.insert([make_record(version_id=version.pk + 1)])

    said = family.affected_predictions(version, since, clock.now())

    assert said["count"] == 3
    assert f"model_version={version.number}" in said["url"]
