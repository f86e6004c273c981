"""Hyperparameters of the quality model as something that can be tuned."""

from pathlib import Path

import pytest

from portal.core.actors import Actor
from portal.lib import tunables
from portal.lib.tunables import NotMeasurable
from predictions.engine.generator import generate
from predictions.services import datasets
from predictions.services.quality_tunable import QualityParameters

SMALL = {
    "n_estimators": 30,
    "max_depth": 2,
    "learning_rate": 0.1,
    "subsample": 0.5,
    "max_features": 0.5,
    "min_samples_leaf": 10,
}


def measure(subject: str, folder: Path, seed: int = 1) -> tunables.Reading:
    return QualityParameters().measure(
        SMALL, subject, seconds=1, seed=seed, folder=folder, beat=lambda share, phase: None
    )


@pytest.mark.django_db
def test_hyperparameters_are_scored_on_the_shots_left_out(tmp_path: Path) -> None:
    path = tmp_path / "shots.csv"
    path.write_bytes(generate(700, 5).to_csv())
    dataset = datasets.import_dataset(source=path, name="Line", actor=Actor.system("test"))
    tunable = QualityParameters()
    assert [name for name, _title in tunable.subjects()] == [f"dataset-{dataset.pk}"]
    found = measure(f"dataset-{dataset.pk}", tmp_path)
    assert 0 < found.values["pr_auc"] <= 1
    assert found.facts["dataset"] == dataset.fingerprint
    again = measure(f"dataset-{dataset.pk}", tmp_path)
    assert again.values["pr_auc"] == pytest.approx(found.values["pr_auc"])


@pytest.mark.django_db
@pytest.mark.parametrize("subject", ["dataset-9999", "dataset-", "dataset-²", "shots"])
def test_a_data_set_that_is_gone_is_said(subject: str, tmp_path: Path) -> None:
    with pytest.raises(NotMeasurable, match="no data set"):
        measure(subject, tmp_path)


def test_what_a_training_refuses_is_refused() -> None:
    assert QualityParameters().problem(SMALL) == ""
    assert "max_depth" in QualityParameters().problem(SMALL | {"max_depth": 99})
    name, text = QualityParameters().exported(SMALL)
    assert name == "training-params.json"
    assert '"max_depth": 2' in text
