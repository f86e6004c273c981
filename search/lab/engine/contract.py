"""What every measured engine does, so that one harness measures all of them alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from search.lab.engine.problems import EngineProblem

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
Scores = NDArray[np.float64]
Check = Callable[[], None]


@dataclass(frozen=True)
class Parameter:
    """A parameter of an engine.

    Attributes
    ----------
    meaning : str
        In the words of the engine's own documentation, with the unit.
    """

    name: str
    default: int | float | str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    meaning: str = ""


@dataclass(frozen=True)
class Plan:
    """Whether a search went through the index.

    Attributes
    ----------
    uses_index : bool
    evidence : str
        The engine's own query plan, or what else shows it.
    way : str
        What answered: ``graph``, ``codes`` (all of them scanned), ``rows`` (the float vectors of
        the rows that a filter selects) or ``scan`` (of all vectors).
    """

    uses_index: bool
    evidence: str
    way: str


class Opened(Protocol):
    """An index opened for searching by one client."""

    def search(self, query: Vectors, k: int, below: int | None = None) -> tuple[Rows, Scores]:
        """Return rows and inner products of the nearest passages, best first.

        Parameters
        ----------
        query : float32 [dimension]
            A unit vector.
        below : int or None
            Only passages whose bucket is less.
        """

    @property
    def servers(self) -> Sequence[int] | None:
        """Processes that answer for this one, see `usage.Servers`; empty for none."""

    def plan(self, query: Vectors, k: int, below: int | None = None) -> Plan:
        """Say whether such a search goes through the index."""

    def close(self) -> None:
        """Let go of files and connections."""


class Engine(Protocol):
    """A vector engine of the lab."""

    @property
    def name(self) -> str:
        """Its name in matrices and reports."""

    @property
    def filters(self) -> str:
        """How a filter is applied: ``before`` (within the search) or ``after`` (on its results)."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What can be set."""

    def version(self) -> str:
        """Return the version of the library."""

    def build(
        self,
        vectors: Vectors,
        buckets: NDArray[np.int16],
        folder: Path,
        parameters: Mapping[str, Any],
        check: Check,
    ) -> None:
        """Write an index of all vectors into an empty folder."""

    def open(self, folder: Path, parameters: Mapping[str, Any]) -> Opened:
        """Open the index of a folder."""


def chosen(engine: Engine, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters of an engine: what was given over the defaults.

    Raises
    ------
    EngineProblem
        If one is unknown or out of its bounds.
    """
    known = {one.name: one for one in engine.parameters}
    for name, value in given.items():
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise EngineProblem(
                "unknown_parameter", engine=engine.name, value=repr(name), allowed=allowed
            )
        _check(known[name], value)
    return {one.name: one.default for one in engine.parameters} | dict(given)


def _check(parameter: Parameter, value: object) -> None:
    if parameter.choices:
        if value not in parameter.choices:
            raise EngineProblem(
                "unknown_choice",
                field=parameter.name,
                value=repr(value)[:80],
                allowed=", ".join(parameter.choices),
            )
        return
    low, high = parameter.low, parameter.high
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_whole = not isinstance(parameter.default, int) or isinstance(value, int)
    if not is_number or not is_whole or not _within(value, low, high):
        raise EngineProblem(
            "wrong_number", field=parameter.name, value=repr(value)[:80], low=low, high=high
        )


def _within(value: Any, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)
