"""A plant for the tests of retraining: shots in order, a weak champion that knows the first."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from django.db import transaction

from portal.core.actors import Actor
from portal.registry import services as registry
from portal.registry.models import ModelVersion
from portal.runs import leases
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import Run
from predictions import dispatch
from predictions.engine import tables
from predictions.engine.generator import generate
from predictions.engine.shot_table import ShotTable
from predictions.models import Dataset
from predictions.services import datasets, retraining, training
from predictions.services.models import MODEL_NAME, quality_model
from tests.predictions.conftest import SMALL

ACTOR = Actor.system("test")
#: Shots the champion knows of, and those of the whole plant.
KNOWN, ALL = 600, 3_000
#: How the champion is trained, so that whatever learns more is surely better; and how that is.
WEAK = {**SMALL, "n_estimators": 10, "max_depth": 1}
BETTER = {**SMALL, "n_estimators": 60, "max_depth": 4, "learning_rate": 0.1}
SEED = 11


class Died(BaseException):
    """Stands for a worker that is gone: nothing in the product catches it."""


class Dying(RunContext):
    """A context whose worker dies right after the first result that makes a condition true."""

    def __init__(self, run: Run, is_time: Callable[[], bool]) -> None:
        super().__init__(run, Keeper(run))
        self._is_time = is_time

    @contextmanager
    def fenced(self) -> Iterator[Run]:
        with super().fenced() as run:
            yield run
        if self._is_time():
            raise Died

    def portion(self, low: float, high: float) -> RunContext:
        return self


def real(table: ShotTable) -> ShotTable:
    """Return generated shots that say neither so nor when, as if a plant had made them."""
    data = table.data
    for name in ("Source", "Made_At"):
        data = data.set_column(table.names.index(name), name, pa.nulls(table.n_rows, pa.string()))
    return ShotTable(data, table.source)


def shots(start: int, stop: int, *, seed: int = SEED) -> ShotTable:
    """Return some shots of the plant; shuffled, so that every part is like every other."""
    order = np.random.default_rng(seed).permutation(ALL)
    return real(generate(ALL, seed, copied_share=0.0).table().take(order[start:stop]))


def imported(table: ShotTable, folder: Path, name: str) -> Dataset:
    path = folder / f"{name}.parquet"
    tables.write_parquet(table, path)
    return datasets.import_dataset(source=path, name=name, actor=ACTOR)


def claimed(run: Run) -> Run:
    """Take a run as a worker does, the one before it having died."""
    Run.objects.filter(pk=run.pk).update(state="queued", lease_expires_at=None)
    taken = leases.claim(run.pk, worker="tests:1")
    assert taken is not None
    return taken


def context(run: Run) -> RunContext:
    taken = claimed(run)
    return RunContext(taken, Keeper(taken))


def start(**wish: Any) -> Run:
    given: dict[str, Any] = {"actor": ACTOR, "params": BETTER, **wish}
    with transaction.atomic():
        run = dispatch.retrain(**given)
        Run.objects.filter(pk=run.pk).update(seed=SEED)
    return run


def retrained(**wish: Any) -> dict[str, Any]:
    """Retrain in this process and return what became of it."""
    run = start(**wish)
    said = retraining.retrain(context(run), retraining.Wish.of(run.parameters))
    end(run)
    return said


def end(run: Run) -> None:
    """Settle a run, so that the next of its overlap key may work."""
    Run.objects.filter(pk=run.pk).update(
        state="succeeded", finished_at=run.created_at, lease_expires_at=None
    )


def make_champion(dataset: Dataset, params: Mapping[str, Any] = WEAK) -> ModelVersion:
    """Train a version on a data set and put it live, as a first start does."""
    run = dispatch.train(dataset=dataset, actor=ACTOR, params=params, seed=1)
    training.train(context(run), model_name=MODEL_NAME, dataset_id=dataset.pk, params=params)
    end(run)
    version = ModelVersion.objects.get(run=run)
    fireman = _fireman()
    registry.break_glass(version=version, reason="the first version of the tests", actor=fireman)
    return version


def _fireman() -> Actor:
    from django.contrib.auth.models import Permission  # noqa: PLC0415 - Django must be set up

    from portal.core.models import User  # noqa: PLC0415 - as above

    user, _new = User.objects.get_or_create(username="fireman")
    user.user_permissions.add(
        Permission.objects.get(content_type__app_label="registry", codename="break_glass")
    )
    return Actor.of_user(user, via="person")


def allow_auto_apply() -> None:
    model = quality_model()
    model.gate_policy = {"auto_apply": True}
    model.save(update_fields=["gate_policy"])
