"""Shots for a person who tries the portal out: a file to import, a body to send."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from portal.core.errors import NotFound
from portal.registry import selectors
from portal.registry.models import ModelVersion
from portal.runs import artifacts
from predictions.engine.features import FEATURE_NAMES
from predictions.engine.generator import generate
from predictions.engine.signature import Signature
from predictions.engine.tables import read_table
from predictions.engine.validate import validate
from predictions.services.models import MODEL_NAME

Shot = dict[str, float | None]

#: Digits that a sensor's number keeps; float32 holds no more.
DIGITS = 6


def csv(*, n_shots: int, seed: int) -> bytes:
    """Return generated shots with their outcome, as a file that can be imported."""
    return generate(n_shots, seed).to_csv()


def shot() -> Shot:
    """Return one real shot that the champion takes, from the rows it was judged on.

    Raises
    ------
    NotFound
        When the model has no champion, or none of those rows lies within what it takes.
    Corrupt
        When the evaluation set does not match its digest.
    """
    version = selectors.champion(MODEL_NAME)
    if version is None:
        raise NotFound(
            _("“%(model)s” has no champion yet: promote a version first.") % {"model": MODEL_NAME},
            code="no_champion",
        )
    signature = Signature.from_dict(version.signature)
    for row in _rows(version):
        example = _named(row)
        if validate([example], signature).is_valid:
            return example
    raise NotFound(
        _("No shot of the evaluation set of %(version)s lies within what it takes.")
        % {"version": version},
        code="no_example",
    )


def _rows(version: ModelVersion) -> Iterator[NDArray[np.float32]]:
    """Yield the rows that a version was judged on."""
    if version.evaluation_set is None:
        return
    with artifacts.open_verified(version.evaluation_set.artifact_id) as path:
        yield from read_table(path, check_ranges=False).matrix()


def _named(row: NDArray[np.float32]) -> Shot:
    """Return a row as a client sends it: names and short numbers, null where missing."""
    numbers: list[Any] = [
        None if np.isnan(value) else float(f"{value:.{DIGITS}g}") for value in row
    ]
    return dict(zip(FEATURE_NAMES, numbers, strict=True))
