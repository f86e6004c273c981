"""Latencies of the options in use beside those of the candidate, from the histograms kept."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from portal.core.errors import PortalError
from portal.runs import artifacts
from tuning.engine import histogram
from tuning.engine.contract import Samples
from tuning.models import Study, Trial

#: Of each side so many trials are read at most, the latest; ours.
MOST_TRIALS = 20
#: Buckets drawn as one: a quarter of an octave.
_JOINED = histogram.PER_OCTAVE // 4
_OPERATIONS = ("put", "read")


@dataclass(frozen=True)
class Distributions:
    """How long operations took under both sets of options.

    Attributes
    ----------
    operation : str
        ``put``, or ``read`` for a load that only reads.
    current, candidate : arrays
        How many fell into each bucket of :mod:`tuning.engine.histogram`, all trials together.
    """

    operation: str
    current: Samples
    candidate: Samples


def of(study: Study, trials: Sequence[Trial]) -> Distributions | None:
    """Return the latencies of the proof's trials; before it, of the first trials and of the best.

    Returns
    -------
    Distributions or None
        None where either side kept no histogram.
    """
    current, candidate = _sides(study, [one for one in trials if one.state == "complete"])
    first, second = _summed(current), _summed(candidate)
    for operation in _OPERATIONS:
        if operation in first and operation in second:
            return Distributions(operation, first[operation], second[operation])
    return None


def shares(counts: Samples) -> tuple[list[float], list[float]]:
    """Return the middle of each filled span (µs) and the share of all in it (%)."""
    joined = counts.reshape(-1, _JOINED).sum(axis=1)
    middles = histogram.edges_us()[::_JOINED] * 2.0 ** (_JOINED / 2 / histogram.PER_OCTAVE)
    filled = joined > 0
    share = 100.0 * joined[filled] / joined.sum()
    return middles[filled].tolist(), share.tolist()


def _sides(study: Study, trials: Sequence[Trial]) -> tuple[list[Trial], list[Trial]]:
    role = Trial.Role
    current = [one for one in trials if one.role == role.PROOF_CURRENT]
    candidate = [one for one in trials if one.role == role.PROOF_CANDIDATE]
    if current and candidate:
        return current, candidate
    best = study.best.configuration if study.best else None
    return (
        [one for one in trials if one.role == role.BASELINE],
        [one for one in trials if one.configuration == best and one.role != role.BASELINE],
    )


def _summed(trials: Sequence[Trial]) -> dict[str, Samples]:
    found: dict[str, Samples] = {}
    for samples in _kept(trials[-MOST_TRIALS:]):
        for operation in _OPERATIONS:
            counts = np.asarray(samples.get(f"{operation}_latency_counts", ()), dtype=np.float64)
            if counts.shape == (histogram.N_BUCKETS,) and counts.any():
                found[operation] = found.get(operation, np.zeros(histogram.N_BUCKETS)) + counts
    return found


def _kept(trials: Iterable[Trial]) -> Iterable[dict[str, list[float]]]:
    for trial in trials:
        if trial.samples is None:
            continue
        try:
            yield json.loads(artifacts.read(trial.samples.sha256))["samples"]
        except PortalError:  # a damaged or vanished file costs its trial, not the report
            continue
