"""Made-up trials of RocksDB whose rates follow the dynamic model, 20 % under it."""

import itertools
from collections.abc import Iterator
from typing import Any

from portal.core.actors import Actor
from portal.lib import clock
from tuning.engine.putrate.dynamic import simulated
from tuning.models import Study, Trial
from tuning.services import put_inputs, studies

MIB = 1 << 20
BEFORE = {
    "seconds": 6.0,
    "spin_ns": 20_000.0,
    "foreign_load": 0.3,
    "write_bps": 16.0 * MIB,
    "read_bps": 16.0 * MIB,
}


def a_study(workload: str = "held-disk-synced") -> Study:
    """Return a new study of RocksDB."""
    return studies.create(target="rocksdb", workload=workload, actor=Actor.system("test"))


def configurations() -> Iterator[dict[str, Any]]:
    """Give eight configurations again and again."""
    crossed = itertools.product((2, 8), ("none", "lz4"), ("level", "universal"))
    yield from itertools.cycle(
        {"write_buffer_size": size, "compression": codec, "compaction_style": style}
        for size, codec, style in crossed
    )


def trials(study: Study, n: int, times: float = 0.8) -> list[Trial]:
    """Add complete trials to a study; their rate is so many times what the physics says."""
    first = study.trials.count()
    return [
        trial(study, first + place, changes, times)
        for place, changes in zip(range(n), configurations(), strict=False)
    ]


def trial(study: Study, number: int, changes: dict[str, Any], times: float = 0.8) -> Trial:
    """Add one complete trial."""
    made = Trial(
        study=study,
        number=number,
        state=Trial.State.COMPLETE,
        configuration=study.current | changes,
        facts={put_inputs.BEFORE: BEFORE},
        values={put_inputs.RATE: 1.0},
        finished_at=clock.now(),
    )
    given = put_inputs.of(made)
    assert given is not None
    made.values = {put_inputs.RATE: times * (1 + 0.01 * (number % 5)) * simulated(given).rate}
    made.save()
    return made
