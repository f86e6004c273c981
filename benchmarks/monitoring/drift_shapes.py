"""Streams of scores whose truth is known: three shapes, quiet or shifted in the logit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from monitoring.engine.reference import Floats

Draw = Callable[[np.random.Generator, tuple[int, ...], float], Floats]
LOWEST_SIMILARITY = 0.7


def _shifted(probability: Floats, by: float) -> Floats:
    odds = probability / (1 - probability) * np.exp(by)
    moved: Floats = odds / (1 + odds)
    return moved


def defects(rng: np.random.Generator, size: tuple[int, ...], by: float) -> Floats:
    """Return skewed defect probabilities: a few in a hundred above one half."""
    probability: Floats = 1 / (1 + np.exp(-rng.normal(-3.0, 1.5, size)))
    return _shifted(probability, by)


def beta(rng: np.random.Generator, size: tuple[int, ...], by: float) -> Floats:
    """Return values of Beta(2, 5)."""
    return _shifted(rng.beta(2, 5, size), by)


def similarities(rng: np.random.Generator, size: tuple[int, ...], by: float) -> Floats:
    """Return similarities from 0.7 to 1, shifted in the logit of their place between the two."""
    return LOWEST_SIMILARITY + (1 - LOWEST_SIMILARITY) * _shifted(rng.beta(5, 2, size), by)


SHAPES: Mapping[str, Draw] = {
    "defect probabilities": defects,
    "Beta(2, 5)": beta,
    "similarities": similarities,
}


@dataclass(frozen=True, eq=False)
class Case:
    """What every rule gets of one shape: a baseline, a past, and streams to judge.

    Attributes
    ----------
    baseline : float array, shape [n]
    past : float array, shape [m]
        Quiet scores after going live.
    quiet : float array, shape [k, length]
    shifted : float array, shape [k, window + tail]
        A quiet window, then scores whose logit is shifted.
    """

    baseline: Floats
    past: Floats
    quiet: Floats
    shifted: Floats


def case(
    draw: Draw,
    rng: np.random.Generator,
    *,
    n_baseline: int,
    n_past: int,
    n_streams: int,
    length: int,
    window: int,
    tail: int,
    by: float,
) -> Case:
    """Return one case; half of its streams are shifted up, half of them down."""
    up, down = n_streams - n_streams // 2, n_streams // 2
    after = np.concatenate([draw(rng, (up, tail), by), draw(rng, (down, tail), -by)])
    before = draw(rng, (n_streams, window), 0.0)
    return Case(
        draw(rng, (n_baseline,), 0.0),
        draw(rng, (n_past,), 0.0),
        draw(rng, (n_streams, length), 0.0),
        np.concatenate([before, after], axis=1),
    )
