"""What the put-rate models may know of a trial: written down right before it is measured."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portal.lib.hashing import canonical_json, sha256_bytes
from tuning.engine import device, host
from tuning.engine.contract import preset, workload_parameters
from tuning.engine.options import Value
from tuning.engine.problems import TuningError
from tuning.engine.putrate.contract import Observation
from tuning.engine.putrate.inputs import PutInputs, inputs
from tuning.engine.rocksdb.catalogue import MIB
from tuning.engine.rocksdb.workloads import SHARES
from tuning.models import Study, Trial
from tuning.services import targets

if TYPE_CHECKING:
    from tuning.engine.device import Probe

TARGET, RATE, BEFORE = "rocksdb", "sustainable_rate", "before"
#: A fit looks at so many of the latest trials at most; ours.
MOST_TRIALS = 400
_SPIN_S, _BESIDE_S = 0.3, 0.7
_PROBE_MIB, _PROBE_S = 32, 0.3


def before(study: Study, seconds: float, folder: Path) -> dict[str, Any]:
    """Return what the machine gives right now, for a put load on RocksDB; else nothing.

    Takes a second, and more on a device that is not held and must be probed.

    Parameters
    ----------
    seconds : float
        How long the load is to run.
    """
    parameters = put_load(study)
    if parameters is None:
        return {}
    reading, spin = host.reading(), host.spin_ns(_SPIN_S)
    time.sleep(_BESIDE_S)
    beside = host.foreign_load(reading, host.reading(), _SPIN_S)
    write_bps, read_bps = _bandwidth(parameters, folder)
    return {
        BEFORE: {
            "seconds": float(seconds),
            "spin_ns": spin,
            "foreign_load": beside,
            "write_bps": write_bps,
            "read_bps": read_bps,
        }
    }


def put_load(study: Study) -> dict[str, Value] | None:
    """Return the whole workload of a study, if it is a load the models are about: puts alone."""
    return None if study.target != TARGET else put_parameters(study.workload)


def put_parameters(workload: str) -> dict[str, Value] | None:
    """Return all parameters of a workload of RocksDB that only puts; None for any other."""
    target = targets.get(TARGET)
    try:
        found = workload_parameters(target, preset(target, workload))
    except TuningError:  # a workload of an earlier release
        return None
    others = [name for name in SHARES if name != "put_share"]
    is_put = float(found["put_share"]) > 0 and not any(float(found[name]) for name in others)
    return found if is_put else None


def _bandwidth(parameters: dict[str, Value], folder: Path) -> tuple[float, float]:
    held = float(parameters["hold_mib_s"]) * MIB
    if held:
        return held, held
    found = device.probe(folder, size_mib=_PROBE_MIB, seconds=_PROBE_S)
    return _best(found, "write"), _best(found, "read")


def _best(found: "Probe", operation: str) -> float:
    direct = found.bps(f"sequential direct {operation}")
    return direct or found.bps(f"sequential buffered {operation}") or 1.0


def of(trial: Trial) -> PutInputs | None:
    """Return the inputs of a trial; None where the models cannot say anything about it."""
    known, parameters = trial.facts.get(BEFORE), put_load(trial.study)
    if known is None or parameters is None or not trial.values.get(RATE, 0) > 0:
        return None
    try:
        return inputs(targets.get(TARGET).check(trial.configuration), parameters, **known)
    except TuningError:  # options of an earlier release
        return None


def measured() -> list[Trial]:
    """Return the latest trials that the models are about, the latest first."""
    found = Trial.objects.filter(
        study__target=TARGET, state=Trial.State.COMPLETE, facts__has_key=BEFORE
    )
    latest = found.select_related("study").order_by("-pk")[:MOST_TRIALS]
    return [trial for trial in latest if of(trial) is not None]


def observations(trials: Iterable[Trial]) -> list[Observation]:
    """Return trials as the models take them; trials of one configuration make one group."""
    rows = []
    for trial in trials:
        given = of(trial)
        if given is not None:
            rows.append(Observation(given, float(trial.values[RATE]), group(trial)))
    return rows


def group(trial: Trial) -> str:
    """Return what trials of the same options under the same load share."""
    return sha256_bytes(canonical_json([trial.study.workload, trial.configuration]))
