"""Fixtures of this part: versions without a run, some with a real small model behind them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from django.utils import translation

from portal.core import keys
from portal.core.actors import Actor
from portal.core.models import User
from portal.registry import services as registry
from portal.registry.models import ModelVersion, RegisteredModel
from portal.runs import artifacts
from predictions.engine import export
from predictions.engine.explanation import history
from predictions.engine.explanation.explainer import form_of
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate
from predictions.engine.parameters import TrainingParams
from predictions.engine.tables import ShotTable
from predictions.engine.training import TrainedModel, train
from predictions.services import datasets, explainers, serving
from predictions.services.models import quality_model

#: Quick enough for every test that needs a model, good enough to be better than chance.
SMALL = {
    "n_estimators": 20,
    "max_depth": 3,
    "n_folds": 2,
    "n_inner_folds": 2,
    "n_bootstraps": 20,
    "compare": False,
}


@dataclass(frozen=True)
class SmallModel:
    """A trained model with its serving form and shots that it never saw."""

    trained: TrainedModel
    data: bytes
    unseen: ShotTable
    explainer: bytes
    history: bytes


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Speak English, whatever the product's own language."""
    with translation.override("en"):
        yield


@pytest.fixture
def version_row(db: None) -> int:
    """Give the key of a version that nothing was trained for."""
    model = RegisteredModel.objects.create(name="stand-in", family="quality", title="Stand-in")
    version = ModelVersion.objects.create(
        model=model, number=1, dataset_fingerprint="0" * 64, digest="0" * 64
    )
    return version.pk


@pytest.fixture(scope="session")
def small_model() -> SmallModel:
    """Give one small model for the whole test run."""
    table = generate(900, 3).table()
    trained = train(table, TrainingParams.from_dict(SMALL), seed=3)
    unseen = generate(400, 4).table()
    labels = table.labels()
    assert labels is not None
    return SmallModel(
        trained,
        export.export(trained, unseen.matrix()).data,
        unseen,
        form_of(trained, table.matrix()).to_bytes(),
        history.latest(table.matrix(), labels).to_bytes(),
    )


@pytest.fixture
def make_version(db: None, small_model: SmallModel) -> Callable[..., ModelVersion]:
    """Give ``make_version(data=None)``: registers the small model, or other bytes, as a version.

    `explainer` replaces its own; empty, it carries the serving form alone, as the first ones did.
    """

    def make(data: bytes | None = None, *, explainer: bytes | None = None) -> ModelVersion:
        model = quality_model()
        rows = datasets.save_parquet(small_model.unseen)
        trained = small_model.trained
        files = {serving.SERVING_FORM: artifacts.save(data or small_model.data, "test/onnx")}
        explainer = small_model.explainer if explainer is None else explainer
        if explainer:
            files[explainers.EXPLAINER_FORM] = artifacts.save(explainer, "test/npz")
            files[explainers.HISTORY] = artifacts.save(small_model.history, "test/npz")
        return registry.register_version(
            model=model,
            run=None,
            artifacts=files,
            evaluation_set=registry.freeze_evaluation_set(
                model=model, artifact=rows, n_rows=400, dataset_fingerprint="1" * 64
            ),
            dataset_fingerprint="0" * 64,
            lineage={},
            signature=trained.signature.to_dict(),
            evaluation=trained.report.to_dict(),
            settings={},
            card="",
            is_synthetic=True,
        )

    return make


@pytest.fixture
def champion(make_version: Callable[..., ModelVersion]) -> Iterator[ModelVersion]:
    """Give a version that is champion and held by this process."""
    version = make_version()
    registry.bootstrap_champion(version=version, reason="test", actor=Actor.system("test"))
    serving.quality.take(version)
    yield version
    serving.quality.stop()


@pytest.fixture
def shots(small_model: SmallModel) -> list[dict[str, float | None]]:
    """Give shots as a client sends them, all within the small model's signature."""
    signature = small_model.trained.signature
    matrix = small_model.unseen.matrix()
    low, high = (np.array([getattr(f, end) for f in signature.features]) for end in ("low", "high"))
    good = matrix[((matrix >= low) & (matrix <= high)).all(axis=1)]
    return [dict(zip(FEATURE_NAMES, row, strict=True)) for row in good.round(4).tolist()]


@pytest.fixture
def make_key(db: None) -> Callable[..., dict[str, str]]:
    """Give ``make_key("predict")``: the headers of a caller whose key has these scopes.

    A new account may do everything, so that the scopes decide.
    """

    def make(*scopes: str, username: str = "caller") -> dict[str, str]:
        user, _created = User.objects.get_or_create(
            username=username, defaults={"is_superuser": True}
        )
        _key, plain = keys.create_key(
            user=user, name="test", scopes=scopes, actor=Actor.system("test", via="command")
        )
        return {"Authorization": f"Bearer {plain}"}

    return make
