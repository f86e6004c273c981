"""What watchers of the stream of predictions are given."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from portal.lib.hashing import canonical_json
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from predictions import selectors
from predictions.services import feedback, records
from predictions.services.models import quality_model
from tests.predictions.conftest import SmallModel
from tests.predictions.records import make_record

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def test_recorded_predictions_come_in_the_order_of_their_ids(version_row: int) -> None:
    made = sorted((make_record(version_id=version_row) for _ in range(5)), key=lambda one: one.id)
    records.insert(made)
    ids = [UUID(bytes=one.id) for one in made]

    found = selectors.answered([ids[3], uuid4(), ids[0]])

    assert [one.id for one in found] == [ids[0], ids[3]]
    assert found[0].version_id == version_row
    assert json.loads(found[0].features) == {"Velocity_1": 0.144}
    assert (found[0].probability, found[0].is_defect, found[0].principal) == (0.25, False, "key:1")
    assert found[0].at_s == pytest.approx(made[0].at)


def test_a_version_without_a_baseline_has_none(version_row: int) -> None:
    assert selectors.drift_baseline(ModelVersion.objects.get(pk=version_row)) is None


def test_the_baseline_of_a_version_is_read_from_its_files(small_model: SmallModel) -> None:
    baseline = small_model.trained.baseline
    content = canonical_json(baseline.to_dict())
    version = registry.register_version(
        model=quality_model(),
        run=None,
        artifacts={"baseline.json": artifacts.save(content, "application/json")},
        evaluation_set=None,
        dataset_fingerprint="0" * 64,
        lineage={},
        signature={},
        evaluation={},
        settings={},
        card="",
        is_synthetic=True,
    )

    found = selectors.drift_baseline(version)

    assert found is not None
    assert found.scores == baseline.scores
    assert found.features == baseline.features


@pytest.fixture
def labelled(make_version: Callable[..., ModelVersion]) -> ModelVersion:
    """Ten predictions, an hour apart, every second with a label."""
    version = make_version()
    for hour in range(10):
        at = NOW - timedelta(days=2, hours=hour)
        made = make_record(version_id=version.pk, at=at.timestamp(), probability=hour / 10)
        records.insert([made])
        if hour % 2 == 0:
            said = {"prediction_id": str(UUID(bytes=made.id)), "label": "defect"}
            feedback.record([said], reported_by="key:1")
    return version


def test_labelled_predictions_come_once_they_are_old_enough(labelled: ModelVersion) -> None:
    found = selectors.matured(labelled, now=NOW, most=3)

    assert found.probability.tolist() == pytest.approx([0.4, 0.2, 0.0])
    assert found.is_defect.all()
    assert not found.called.any()
    assert found.coverage == pytest.approx(3 / 5)
    assert selectors.matured(labelled, now=NOW - timedelta(days=2), most=3).coverage is None
