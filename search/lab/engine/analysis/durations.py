"""How long a campaign takes: what earlier cells took, carried to sizes not yet run.

Builds and passes are power laws of scale and dimension, one level for each engine. The exponents
start from those below and move towards what was measured as cells come in (ridge
regression, Hoerl and Kennard, 1970); levels that nobody measured are the middle of the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.lab.engine.matrix import Cell

#: Exponents of scale and dimension, and seconds at 10,000 passages of 128 numbers on two cores.
#: Ours, from the first campaign on such a machine; a campaign's own cells replace them.
BUILD = (1.15, 0.7, 3.0)
MEASURE = (0.25, 0.2, 3.0)
CORPUS = (1.0, 0.5, 12.0)
#: For so long the answers of each number of clients are counted in a pass whose answers are fast.
COUNT = (0.0, 0.0, 1.0)
_PRIORS = {"build": BUILD, "measure": MEASURE, "count": COUNT, "corpus": CORPUS}
#: How many measured cells the exponents above weigh as much as.
_STRENGTH = 4.0
_BASE = (10_000, 128)


@dataclass(frozen=True)
class Timed:
    """What something took.

    Attributes
    ----------
    kind : str
        ``build``, ``measure`` (one pass without its counting), ``count`` (the answers of one number
        of clients) or ``corpus``.
    engine : str
        Empty for a corpus.
    """

    kind: str
    engine: str
    scale: int
    dimension: int
    seconds: float


@dataclass(frozen=True)
class Duration:
    """How long something will take.

    Attributes
    ----------
    n_timed : int
        Measured times behind it; 0 when it rests on figures of another machine alone.
    """

    seconds: float
    n_timed: int


@dataclass(frozen=True)
class Left:
    """What is left to do of a cell.

    Attributes
    ----------
    n_passes : int
        Still to be measured.
    n_counted : int
        How often answers of a number of clients are still to be counted.
    """

    cell: Cell
    n_passes: int
    n_counted: int = 0


class Clock:
    """Knows what things take."""

    def __init__(self, timed: Iterable[Timed]) -> None:
        known = [one for one in timed if one.seconds > 0]
        self._n_timed = sum(one.kind != "count" for one in known)  # which are part of a pass
        self._laws = {
            kind: _Law(prior, [one for one in known if one.kind == kind])
            for kind, prior in _PRIORS.items()
        }

    def duration(
        self, left: Sequence[Left], *, n_workers: int = 1, built: frozenset[str] = frozenset()
    ) -> Duration:
        """Return how long cells take that are still to be measured, undisturbed.

        Parameters
        ----------
        left : sequence of Left
        n_workers : int
            Indexes built at once.
        built : frozenset of str
            Keys of the indexes that are there already.
        """
        measuring = sum(
            self.seconds("measure", one.cell.engine, one.cell) * one.n_passes
            + self.seconds("count", one.cell.engine, one.cell) * one.n_counted
            for one in left
        )
        cells = [one.cell for one in left]
        indexes = {cell.index_key: cell for cell in cells if cell.index_key not in built}
        building = sum(self.seconds("build", cell.engine, cell) for cell in indexes.values())
        corpora = {(cell.scale, cell.dimension): cell for cell in indexes.values()}
        making = sum(self.seconds("corpus", "", cell) for cell in corpora.values())
        return Duration(measuring + building / max(1, n_workers) + making, self._n_timed)

    def seconds(self, kind: str, engine: str, cell: Cell) -> float:
        """Return what one build, one pass, one count in it or one corpus takes."""
        return self._laws[kind].seconds(engine, cell.scale, cell.dimension)


class _Law:
    def __init__(self, prior: tuple[float, float, float], timed: Sequence[Timed]) -> None:
        self._slopes = np.array(prior[:2])
        self._usual = float(np.log(prior[2]))
        self._levels: dict[str, float] = {}
        if not timed:
            return
        places = np.array([_place(one.scale, one.dimension) for one in timed])
        logs = np.log([one.seconds for one in timed])
        names = np.array([one.engine for one in timed])
        self._slopes = self._slopes + _moved(places, logs - places @ self._slopes, names)
        rest = logs - places @ self._slopes
        self._levels = {
            str(name): float(np.median(rest[names == name])) for name in np.unique(names)
        }
        self._usual = float(np.median(list(self._levels.values())))

    def seconds(self, engine: str, scale: int, dimension: int) -> float:
        level = self._levels.get(engine, self._usual)
        return float(np.exp(level + _place(scale, dimension) @ self._slopes))


def _moved(
    places: NDArray[np.float64], rest: NDArray[np.float64], names: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Return by how much the exponents move, each engine's own level taken out."""
    centred, left = places.copy(), rest.copy()
    for name in np.unique(names):
        own = names == name
        centred[own] -= centred[own].mean(axis=0)
        left[own] -= left[own].mean()
    weight = centred.T @ centred + _STRENGTH * np.eye(2)
    return np.asarray(np.linalg.solve(weight, centred.T @ left))


def _place(scale: int, dimension: int) -> NDArray[np.float64]:
    return np.log([scale / _BASE[0], dimension / _BASE[1]])
