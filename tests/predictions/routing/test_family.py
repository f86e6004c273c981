"""Versions of the routing family in the registry: loaded, judged, promoted, rolled back."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission

from portal.core.actors import Actor
from portal.core.errors import Corrupt
from portal.core.models import Alert, User
from portal.lib import clock
from portal.registry import families, selectors
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from predictions.engine.routing.storage import dump
from predictions.engine.routing.voting import Blend, Rule
from predictions.models import RoutingPrediction
from predictions.services.answering import Caller
from predictions.services.routing import answering, datasets, serving
from predictions.services.routing.answering import Wanted
from predictions.services.routing.models import MODEL_NAME, routing_model
from tests.predictions.routing.conftest import SmallModel

Make = Callable[..., ModelVersion]
FAMILY = "routing"


def person(name: str, *codenames: str) -> Actor:
    user = User.objects.create_user(name)
    rights = Permission.objects.filter(content_type__app_label="registry", codename__in=codenames)
    user.user_permissions.set(rights)
    return Actor.of_user(user, via="person")


@pytest.fixture
def weak(small_model: SmallModel) -> bytes:
    """Give a model that takes its neighbours' vote and believes nothing of its own."""
    decider = dataclasses.replace(
        small_model.model.decider, blend=Blend(0.0, 0.0, 0.0), rule=Rule(1.0, 0.01, 0.0)
    )
    return dump(dataclasses.replace(small_model.model, decider=decider))


def test_a_version_scores_the_items_of_its_frozen_set(
    make_version: Make, small_model: SmallModel
) -> None:
    version = make_version()
    assert version.evaluation_set is not None

    scored = families.get(FAMILY).score(version, version.evaluation_set)

    assert isinstance(scored, families.RowScores)
    assert scored.learnt is not None
    assert not scored.learnt.any()
    exact, ones = scored.parts["exact_operations"]
    assert len(exact) == len(scored.group_ids) == small_model.unseen.n_rows
    assert scored.lookup is not None
    assert exact.sum() / ones.sum() > scored.lookup["exact_operations"][0].mean()


def test_items_that_a_version_learnt_from_prove_nothing(
    make_version: Make, small_model: SmallModel, plant: Any
) -> None:
    items, routings = plant
    few = items.take(np.arange(40))
    frozen = registry.freeze_evaluation_set(
        model=routing_model(),
        artifact=datasets.save(few, routings.of(few.codes())),
        n_rows=40,
        dataset_fingerprint="2" * 64,
    )

    scored = families.get(FAMILY).score(make_version(), frozen)

    assert isinstance(scored, families.RowScores)
    assert scored.learnt is not None
    known = np.isin(sorted(few.codes()), small_model.model.known.codes)
    assert (scored.learnt == known).all()
    assert known.any()


def test_a_damaged_version_does_not_warm(make_version: Make) -> None:
    with pytest.raises(Corrupt, match="cannot be loaded"):
        families.get(FAMILY).warm(make_version(b"this is no model"))


def test_a_version_is_promoted_and_rolled_back_as_any_other(
    make_version: Make, weak: bytes, small_model: SmallModel
) -> None:
    first, better = make_version(weak), make_version()
    registry.bootstrap_champion(version=first, reason="test", actor=Actor.system("test"))
    asker = person("asker", "request_promotion")
    decider = person("decider", "approve_promotion", "apply_promotion", "rollback_model")

    request = registry.request_promotion(version=better, reason="knows more items", actor=asker)
    report = request.gate.report
    assert report["against"] == "champion"
    assert report["comparisons"][0]["name"] == "exact_operations"
    assert report["comparisons"][0]["gain"] > 0
    assert request.gate.outcome in {"passed", "inconclusive"}
    reason = "enough items were looked at"
    registry.approve(request_id=request.pk, digest=request.digest, reason=reason, actor=decider)
    registry.apply(request_id=request.pk, digest=request.digest, actor=decider)

    assert selectors.champion(MODEL_NAME) == better
    registry.rollback(model=better.model, reason="the wrong plant", actor=decider)
    assert selectors.champion(MODEL_NAME) == first


def test_the_first_version_is_held_against_looking_up(make_version: Make) -> None:
    version = make_version()
    asker = person("asker", "request_promotion")

    request = registry.request_promotion(version=version, reason="the first", actor=asker)

    assert request.gate.report["against"] == "lookup"
    assert request.gate.report["n_positives"] is None


def test_a_champion_that_cannot_be_loaded_leaves_the_one_before(
    champion: ModelVersion, make_version: Make
) -> None:
    serving.routing.take(make_version(b"this is no model"))

    held = serving.routing.held
    assert held is not None
    assert held.number == champion.number
    assert Alert.objects.filter(
        key="predictions.serving.item-routing", severity="critical"
    ).exists()


def test_the_registry_is_told_what_a_version_answered(
    champion: ModelVersion, items: list[dict[str, Any]]
) -> None:
    before = clock.now() - timedelta(minutes=1)
    answering.answer(serving.routing, items[:2], Wanted(), Caller("key:1", "r1"))
    family = families.get(FAMILY)
    assert isinstance(family, families.AnswersPredictions)
    assert isinstance(family, families.Serves)

    told = family.affected_predictions(champion, before, clock.now() + timedelta(minutes=1))

    assert told["count"] == RoutingPrediction.objects.count() == 2
    assert "model_version=1" in told["url"]
    assert family.held(MODEL_NAME) == champion.number
    assert family.held("another") is None


PROGRAM = """
import sys
import portal.wsgi
from predictions.services.routing import family, serving
from predictions.engine.routing import judging, storage
heavy = {"sklearn", "torch", "pandas", "scipy", "onnx", "skops", "matplotlib"}
model = storage.load(open(sys.argv[1], "rb").read())
model.propose({"item_name": "Pin"})
print(sorted(heavy & set(sys.modules)), flush=True)
import os
os._exit(0)
"""


def test_proposing_and_judging_load_no_training_library(
    child_environment: dict[str, str], small_model: SmallModel, tmp_path: Any
) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(small_model.data)

    done = subprocess.run(  # noqa: S603 - the words are ours
        [sys.executable, "-c", PROGRAM, str(path)],
        env=child_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stdout.strip() == "[]", done.stdout + done.stderr
