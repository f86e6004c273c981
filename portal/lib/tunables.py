"""What can be tuned beside a storage engine: apps make it known here, studies measure it.

An app registers from ``AppConfig.ready`` and imports nothing of the app that tunes. What it
registers is light; whatever is heavy it imports when it measures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Value = int | float | str | bool
#: ``beat(fraction in [0, 1], phase)``, at least once a second; may raise to end the measurement.
Beat = Callable[[float, str], None]


class NotMeasurable(ValueError):
    """What is tuned refuses the settings, or what it is measured on; the message says why."""


@dataclass(frozen=True)
class Setting:
    """Something that can be set.

    Attributes
    ----------
    kind : {"integer", "real", "choice", "switch"}
    low, high : float or None
        Bounds of numbers, both inclusive.
    is_log : bool
        Whether the logarithm is what is to be drawn.
    meaning : str
        What it does; marked for translation.
    """

    name: str
    kind: Literal["integer", "real", "choice", "switch"]
    default: Value
    low: float | None = None
    high: float | None = None
    is_log: bool = False
    choices: tuple[str, ...] = ()
    unit: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure that measuring gives.

    Attributes
    ----------
    factor : {"throughput", "latency", "accuracy", "scaling"}
        Which of the four factors it speaks for.
    source : str
        Where the number comes from.
    """

    name: str
    title: str
    unit: str
    direction: Literal["higher", "lower"]
    factor: Literal["throughput", "latency", "accuracy", "scaling"]
    source: str


@dataclass(frozen=True)
class Reading:
    """What measuring once gave.

    Attributes
    ----------
    values : mapping
        By name of figure.
    samples : mapping
        Every raw sample behind them.
    foreign_load : float
        Processors that others kept busy meanwhile.
    facts : mapping
        What a reader needs to judge it: sizes, versions, digests.
    """

    values: Mapping[str, float]
    samples: Mapping[str, Sequence[float]]
    foreign_load: float = 0.0
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


class Tunable(Protocol):
    """Something with settings that can be measured."""

    name: str
    title: str

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What can be set."""
        ...

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What is measured, the one to improve first."""
        ...

    def subjects(self) -> Sequence[tuple[str, str]]:
        """Return what it can be measured on, the usual one first: name and what it is."""
        ...

    def problem(self, configuration: Mapping[str, Value]) -> str:
        """Return what keeps a configuration from being measured, or nothing."""
        ...

    def measure(
        self,
        configuration: Mapping[str, Value],
        subject: str,
        *,
        seconds: float,
        seed: int,
        folder: Path,
        beat: Beat,
    ) -> Reading:
        """Measure one configuration.

        Parameters
        ----------
        seconds : float
            How long at most to ask what is measured; building comes on top.
        seed : int
            The same seed asks the same of every configuration.
        folder : path
            For files of this measurement; removed by the caller.

        Raises
        ------
        NotMeasurable
            If the subject is gone or the settings are refused.
        """
        ...

    def exported(self, configuration: Mapping[str, Value]) -> tuple[str, str]:
        """Return the name and the text of the file that what is tuned reads its settings from."""
        ...


_tunables: dict[str, Tunable] = {}


def register(tunable: Tunable) -> None:
    """Make something known that can be tuned."""
    _tunables[tunable.name] = tunable


def registered() -> dict[str, Tunable]:
    """Return everything that can be tuned, by name."""
    return dict(sorted(_tunables.items()))
