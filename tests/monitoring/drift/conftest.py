"""A champion with a baseline, the process that counts, and a watch that knows what is quiet."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from django.utils import translation

from monitoring import dispatch
from monitoring.models import DriftPolicy, DriftWindow
from monitoring.selectors import drift as selectors
from monitoring.services.drift import cursor, learning
from monitoring.services.drift.following import Follower
from portal.core import keys
from portal.core.actors import Actor
from portal.core.models import User
from portal.registry.models import ModelVersion
from portal.runs import leases
from portal.runs.context import RunContext
from portal.runs.keeper import Keeper
from portal.runs.models import State
from tests.monitoring.drift import world

SYSTEM = Actor.system("tests")
#: What was learnt from the quiet windows, which are the same in every test.
_known: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Speak English, whatever the product's own language."""
    with translation.override("en"):
        yield


@pytest.fixture
def live(db: None) -> ModelVersion:
    """Give a champion with a baseline, watched as a whole with a window of 100."""
    version = world.version()
    world.put_live(version)
    DriftPolicy.objects.create(model=version.model, window=world.WINDOW, slicings=[])
    return version


@pytest.fixture
def follower() -> Follower:
    return Follower()


def drain(follower: Follower) -> int:
    """Count all that waits; return how many predictions that were."""
    n_counted = 0
    while (n := follower.turn().n_counted) > 0:
        n_counted += n
    return n_counted


def calibrate() -> None:
    """Learn for every window for which that is due, as a worker does."""
    for row in selectors.to_calibrate():
        run = dispatch.calibrate_drift(window=row, actor=SYSTEM)
        assert run is not None
        claimed = leases.claim(run.pk, worker="tests:1")
        assert claimed is not None
        learning.calibrate(RunContext(claimed, Keeper(claimed)), window_id=row.pk)
        leases.settle(claimed, leases.Outcome(State.SUCCEEDED))


@pytest.fixture
def watching(live: ModelVersion, follower: Follower) -> DriftWindow:
    """Give the window of the champion after twenty quiet windows, with thresholds learnt."""
    world.answer(live, world.shots(20 * world.WINDOW, np.random.default_rng(1)))
    drain(follower)
    rows = DriftWindow.objects.filter(version=live, slice="")
    if _known:
        with cursor.alone():
            rows.update(**_known)
    else:
        calibrate()
        _known.update(rows.values("calibration", "is_calibrated", "calibrated_at").get())
    return rows.get()


@pytest.fixture
def make_key(db: None) -> Callable[..., dict[str, str]]:
    """Give ``make_key("read", user=…)``: the headers of a caller whose key has these scopes."""

    def make(*scopes: str, user: User) -> dict[str, str]:
        _key, plain = keys.create_key(
            user=user, name="test", scopes=scopes, actor=Actor.system("test", via="command")
        )
        return {"Authorization": f"Bearer {plain}"}

    return make
