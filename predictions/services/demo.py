"""The demonstration: generated shots, one version trained on them, the first champion.

Each step looks first whether it is done, so a demonstration that was interrupted goes on.
"""

import tempfile
from pathlib import Path

from django.utils.translation import gettext as _

from portal.core.actors import Actor
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import Alias, ModelVersion
from portal.runs.models import Run, State
from predictions.engine.generator import generate
from predictions.models import Dataset
from predictions.services.datasets import import_dataset
from predictions.services.models import MODEL_NAME

ACTOR = Actor.system("demonstration")
N_SHOTS = 6_000
SEED = 7
#: A first start shall not take long: fewer trees and folds than a training that somebody asks for.
PARAMS = {
    "n_estimators": 100,
    "n_folds": 3,
    "n_inner_folds": 2,
    "n_bootstraps": 200,
    "compare": False,
}


def ensure_dataset(*, n_shots: int = N_SHOTS, seed: int = SEED) -> Dataset:
    """Return the demonstration's data set, generated and imported now if it was not."""
    shots = generate(n_shots, seed)
    known = Dataset.objects.filter(source_name=shots.file_name, is_synthetic=True, copy_of=None)
    if (dataset := known.first()) is not None:
        return dataset
    with tempfile.TemporaryDirectory(prefix="millwright-demo-") as folder:
        path = Path(folder) / shots.file_name
        shots.write_csv(path)
        return import_dataset(
            source=path,
            name=_("Demonstration: %(count)d generated shots") % {"count": n_shots},
            actor=ACTOR,
        )


def has_had_champion() -> bool:
    """Whether the model ever had a champion, so that nothing is left to be done."""
    return selectors.last_move_id(MODEL_NAME, Alias.CHAMPION) is not None


def training_of(dataset: Dataset) -> Run | None:
    """Return a training of the data set that is under way or has succeeded."""
    runs = Run.objects.filter(parameters__dataset=dataset.pk, parameters__model=MODEL_NAME)
    return runs.filter(state__in=[State.QUEUED, State.RUNNING, State.SUCCEEDED]).first()


def crown(run: Run) -> ModelVersion:
    """Make the version of a run the first champion."""
    version = ModelVersion.objects.select_related("model").get(run=run)
    registry.bootstrap_champion(
        version=version, reason=_("First start with generated data."), actor=ACTOR
    )
    return version
