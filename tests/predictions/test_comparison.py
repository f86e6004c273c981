"""Versions side by side: counts, agreement on the same shots, and what became of them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.test import Client

from portal.lib import clock
from portal.registry.models import ModelVersion
from predictions import selectors
from predictions.models import Outcome, ShadowScore
from predictions.services import records
from tests.predictions.records import make_record

pytestmark = pytest.mark.django_db

N_SHOTS = 60


@pytest.fixture
def versions(make_version: Callable[..., ModelVersion]) -> tuple[ModelVersion, ModelVersion]:
    return make_version(), make_version()


@pytest.fixture
def shadowed(versions: tuple[ModelVersion, ModelVersion]) -> list[UUID]:
    """Give predictions of the first version that the second looked at two days ago.

    Of sixty shots every fourth turns out bad. The shadow knows which; the answers are noise. It
    refuses one shot more.
    """
    first, second = versions
    moment = clock.now() - timedelta(days=2)
    draw = np.random.default_rng(3)
    answered = draw.uniform(0.05, 0.45, N_SHOTS + 1).round(3)
    made = [
        make_record(
            version_id=first.pk,
            at=(moment + timedelta(minutes=number)).timestamp(),
            probability=float(probability),
            predicted_class="defect" if probability >= 0.4 else "ok",
            role="champion" if number % 3 else "fallback",
        )
        for number, probability in enumerate(answered)
    ]
    records.insert(made)
    ids = [UUID(bytes=record.id) for record in made]
    for number, identifier in enumerate(ids):
        is_bad = number % 4 == 0
        is_scored = number < N_SHOTS
        ShadowScore.objects.create(
            prediction_id=identifier,
            version=second,
            at=moment + timedelta(minutes=number),
            probability=(0.9 if is_bad else 0.1) if is_scored else None,
            predicted_class=("defect" if is_bad else "ok") if is_scored else "",
        )
    return ids


def report(ids: list[UUID]) -> None:
    for number, identifier in enumerate(ids):
        Outcome.objects.create(
            prediction_id=identifier,
            label="defect" if number % 4 == 0 else "ok",
            observed_at=clock.now(),
            is_current=True,
            agrees=True,
        )


def test_answers_are_counted_by_version_and_role(
    versions: tuple[ModelVersion, ModelVersion], shadowed: list[UUID]
) -> None:
    found = selectors.compare(versions[0].model, now=clock.now())

    counts = {(one.version.number, one.role): one.n_predictions for one in found.answered}
    assert counts == {(1, "champion"): 40, (1, "fallback"): 21}
    assert all(0 <= one.called_share <= 1 for one in found.answered)


def test_the_shadow_is_compared_with_the_answers_to_the_same_shots(
    versions: tuple[ModelVersion, ModelVersion], shadowed: list[UUID]
) -> None:
    (found,) = selectors.compare(versions[0].model, now=clock.now()).shadows

    assert (found.answered.number, found.shadow.number) == (1, 2)
    assert (found.n_shots, found.n_scored) == (N_SHOTS + 1, N_SHOTS)
    n_alike = round((found.agreement or 0) * N_SHOTS)
    assert n_alike == N_SHOTS - found.n_only_answered - found.n_only_shadow
    assert found.mean_absolute is not None
    assert found.largest is not None
    assert 0 < found.mean_absolute < found.largest < 1
    assert (found.n_labelled, found.quality) == (0, {})


def test_what_became_of_the_shots_judges_both_on_the_same(
    versions: tuple[ModelVersion, ModelVersion], shadowed: list[UUID]
) -> None:
    report(shadowed[:N_SHOTS])

    (found,) = selectors.compare(versions[0].model, now=clock.now()).shadows

    assert found.n_labelled == N_SHOTS
    f1, auc = found.quality["f1"], found.quality["roc_auc"]
    assert f1.shadow.value == auc.shadow.value == 1.0
    assert f1.answered.value is not None
    assert f1.answered.value < 0.6
    assert f1.difference.value == pytest.approx(1.0 - f1.answered.value)
    assert f1.difference.low is not None
    assert f1.difference.low > 0


def test_another_span_holds_nothing(
    versions: tuple[ModelVersion, ModelVersion], shadowed: list[UUID]
) -> None:
    long_ago = clock.now() - timedelta(days=90)

    found = selectors.compare(versions[0].model, now=clock.now(), until=long_ago)

    assert (found.answered, found.live, found.shadows) == ([], [], [])


def test_the_comparison_is_read_over_http(
    client: Client,
    versions: tuple[ModelVersion, ModelVersion],
    shadowed: list[UUID],
    make_key: Callable[..., dict[str, str]],
) -> None:
    report(shadowed[:N_SHOTS])
    address = f"/api/v1/models/{versions[0].model.name}/comparison/"
    headers = make_key("read")

    said: dict[str, Any] = client.get(address, headers=headers).json()
    wrong = client.get(f"{address}?since=yesterday", headers=headers)
    year_one = client.get(f"{address}?until=0001-01-01T00:00:00Z", headers=headers)
    span = "since=2026-03-02T00:00:00Z&until=2026-03-01T00:00:00Z"
    backwards = client.get(f"{address}?{span}", headers=headers)

    assert {row["role"] for row in said["answered"]} == {"champion", "fallback"}
    assert said["live"][0]["version"] == 1
    (row,) = said["shadows"]
    assert (row["answered_version"], row["shadow_version"]) == (1, 2)
    assert row["quality"]["f1"]["shadow"]["value"] == 1.0
    assert wrong.status_code == 422
    for answer, said_of in ((year_one, "outside the years 1970"), (backwards, "after “since”")):
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (422, "until")
        assert said_of in error["message"]
    assert client.get(address, headers=make_key("predict")).status_code == 403
