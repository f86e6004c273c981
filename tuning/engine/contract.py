"""What every target of a study has: options, workloads, guard-rails and an honest measurement."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tuning.engine.metrics import METRICS, Metric
from tuning.engine.options import Constraint, Option, Value, checked
from tuning.engine.problems import UnknownWorkload

Configuration = Mapping[str, Value]
Samples = NDArray[np.float64]
#: ``beat(fraction in [0, 1], phase)``: called at least once a second while a trial is measured;
#: raising inside ends the trial, and whatever it started is ended and removed.
Beat = Callable[[float, str], None]


def silent(fraction: float, phase: str) -> None:
    """Be told how far a trial is and do nothing about it."""


#: ``seen(figures)``: told each second of a trial what the target does, by name of
#: :class:`tuning.engine.live.figures.Sample`; a target that cannot look into itself tells nothing.
Seen = Callable[[Mapping[str, float]], None]


def unseen(figures: Mapping[str, float]) -> None:
    """Be told what a target does and keep none of it."""


@dataclass(frozen=True)
class Workload:
    """A load to measure under, as a named preset.

    Attributes
    ----------
    parameters : mapping
        By name of ``Target.workload_options``; what is missing has that option's default.
    help : str
        What it stands for; marked for translation.
    """

    name: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    help: str = ""


@dataclass(frozen=True)
class Guard:
    """A bound that a better configuration must not break.

    Attributes
    ----------
    metric : str
        Name in the table of metrics.
    bound : float
        In the metric's unit, or times the current configuration's value when ``relative``.
    direction : {"at_most", "at_least"}
    relative : bool
        Whether the bound is a multiple of what the current configuration has.
    """

    metric: str
    bound: float
    direction: Literal["at_most", "at_least"] = "at_most"
    relative: bool = False

    def limit(self, current: float | None = None) -> float | None:
        """Return the bound in the metric's unit; None if it is relative to a value not known."""
        if not self.relative:
            return self.bound
        return None if current is None else self.bound * current

    def excess(self, value: float, current: float | None = None) -> float:
        """Return by how much a value breaks the bound; at most 0 where it keeps it.

        As the constraints of a sampler want it.
        """
        limit = self.limit(current)
        if limit is None:
            return 0.0
        return value - limit if self.direction == "at_most" else limit - value

    def holds(self, value: float, current: float | None = None) -> bool:
        """Whether a value keeps the bound."""
        return self.excess(value, current) <= 0


@dataclass(frozen=True)
class Objective:
    """A metric a study optimises, with its visible weight among the others."""

    metric: str
    weight: float = 1.0

    @property
    def definition(self) -> Metric:
        """Its row in the table of metrics."""
        return METRICS[self.metric]


@dataclass(frozen=True, eq=False)
class Measurement:
    """What one trial showed.

    Attributes
    ----------
    values : mapping
        By name of metric, in the metric's unit.
    samples : mapping of float64 arrays
        Every raw sample, such as ``puts_per_s`` [seconds] or the counts of a histogram.
    steady : bool
        Whether rate and debt were stationary before the trial ended.
    why : str
        Why it is steady or not; a whole English sentence.
    disturbed : bool
        Whether something else on the machine took so much that the trial is to be repeated.
    foreign_load : float
        Processors kept busy by others, on average.
    counters : mapping
        The engine's own counters over the trial.
    environment : mapping
        Machine, versions and conditions such as a held disk.
    seconds : float
        What the trial took in all, draining included.
    """

    values: Mapping[str, float]
    samples: Mapping[str, Samples]
    steady: bool
    why: str
    disturbed: bool
    foreign_load: float
    counters: Mapping[str, float]
    environment: Mapping[str, Any]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return it as plain lists and numbers."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {
            "values": dict(self.values),
            "counters": dict(self.counters),
            "environment": dict(self.environment),
            "samples": {name: array.tolist() for name, array in self.samples.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Measurement":
        """Return what `as_json` gave, as it was."""
        known = {one.name: data[one.name] for one in dataclasses.fields(cls)}
        arrays = {name: np.asarray(one, dtype=float) for name, one in data["samples"].items()}
        return cls(**(known | {"samples": arrays}))


@dataclass(frozen=True)
class Advice:
    """A set of options that is known to help where some resource is the limit.

    Attributes
    ----------
    name : str
        Its key: lower case and hyphens.
    changes : mapping
        By name of option.
    why : str
        What it changes in what the engine does; a whole sentence, marked for translation.
    """

    name: str
    changes: Mapping[str, Value]
    why: str


_PLAIN = ("steady", "why", "disturbed", "foreign_load", "seconds")


class Target(Protocol):
    """Something real with options that can be measured under a load."""

    @property
    def name(self) -> str:
        """Its key: lower case and hyphens."""

    @property
    def title(self) -> str:
        """Its name for people; marked for translation."""

    def options(self) -> tuple[Option, ...]:
        """Return what can be set."""

    def constraints(self) -> tuple[Constraint, ...]:
        """Return what options must keep between them."""

    def defaults(self) -> dict[str, Value]:
        """Return the configuration that the target has when nobody tunes it."""

    def workloads(self) -> tuple[Workload, ...]:
        """Return the named presets, the one for everyday use first."""

    def workload_options(self) -> tuple[Option, ...]:
        """Return the parameters of a workload."""

    def metrics(self) -> tuple[Metric, ...]:
        """Return what a measurement reports, the one to optimise first."""

    def guards(self) -> tuple[Guard, ...]:
        """Return the guard-rails that hold unless a study sets its own."""

    def advice(self, values: Mapping[str, float]) -> tuple[Advice, ...]:
        """Return what is known to help an engine that showed such figures, the best first.

        A search measures these sets first and says so; nothing here counts as a gain.
        """

    def check(self, configuration: Mapping[str, object]) -> dict[str, Value]:
        """Return the whole configuration: what is given over the defaults.

        Raises
        ------
        BadConfiguration
            Naming the option, the value seen and the bound it breaks.
        """

    def measure(
        self,
        configuration: Configuration,
        workload: Workload,
        *,
        seconds: float,
        seed: int,
        folder: Path,
        beat: Beat = silent,
        seen: Seen = unseen,
    ) -> Measurement:
        """Measure one configuration.

        Parameters
        ----------
        configuration : mapping
            Checked as by `check`.
        seconds : float
            How long to load the target, warm-up included; draining and set-up come on top.
        folder : path
            An existing folder for the trial's files; left as it was found.
        beat : callable
            Told the progress at least once a second; may raise to cancel.
        seen : callable
            Told what the target does, second by second, where it can tell.

        Raises
        ------
        BadConfiguration, UnknownWorkload
            Before anything is started.
        NoSpace
            Before it is started, or when the disk fills in the middle.
        RefusedByEngine
            With the engine's own message.
        TargetLost
            If the process measured died: the trial is to be repeated.
        Unsupported
            If this machine cannot do what the workload asks for.
        """


def preset(target: Target, name: str, **changes: object) -> Workload:
    """Return a named workload with some parameters changed.

    Raises
    ------
    UnknownWorkload
        If the target has none of that name, or a parameter is unknown or out of its bounds.
    """
    known = {one.name: one for one in target.workloads()}
    if name not in known:
        raise UnknownWorkload(
            "unknown_workload", target=target.name, value=repr(name), allowed=", ".join(known)
        )
    found = known[name]
    parameters = {**found.parameters, **changes}
    whole = workload_parameters(target, dataclasses.replace(found, parameters=parameters))  # type: ignore[arg-type]  # checked in there
    return dataclasses.replace(found, parameters={one: whole[one] for one in parameters})


def workload_parameters(target: Target, workload: Workload) -> dict[str, Value]:
    """Return all parameters of a workload, defaults filled in.

    Raises
    ------
    UnknownWorkload
        If one is unknown or out of its bounds.
    """
    return checked(
        target.name, target.workload_options(), (), workload.parameters, error=UnknownWorkload
    )


def metric_names(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Return the names of metrics in their order."""
    return tuple(metric.name for metric in metrics)
