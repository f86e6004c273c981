"""The targets there are: tuning's own, and what other apps made known."""

import functools
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

import numpy as np
from django.utils.translation import gettext as _

from portal.core.errors import FieldProblem, InvalidInput, PortalError
from portal.lib import tunables
from portal.lib.tunables import NotMeasurable, Tunable
from tuning.engine.contract import (
    Advice,
    Beat,
    Configuration,
    Guard,
    Measurement,
    Seen,
    Target,
    Workload,
    silent,
    unseen,
)
from tuning.engine.metrics import Metric
from tuning.engine.options import Constraint, Option, Value, checked, defaults
from tuning.engine.problems import RefusedByEngine, TuningError, UnknownWorkload

#: Ours, loaded when somebody asks: an engine is not for the web process.
OWN: Mapping[str, tuple[str, str]] = {
    "rocksdb": ("tuning.engine.rocksdb.target", "RocksDB"),
    "sham": ("tuning.engine.toys", "Sham"),
    "toy": ("tuning.engine.toys", "Toy"),
}
#: Those that prove the machinery and are offered to nobody.
HIDDEN = frozenset({"sham", "toy"})
#: Processors kept busy by others, above which a measurement of an app's own is repeated.
MOST_FOREIGN_LOAD = 0.5


def names() -> list[str]:
    """Return the targets that can be asked for, in the order of their names."""
    return sorted({*OWN, *tunables.registered()})


def offered() -> list[Target]:
    """Return the targets that a form offers."""
    return [get(name) for name in names() if name not in HIDDEN]


def get(name: str) -> Target:
    """Return a target by name.

    Raises
    ------
    InvalidInput
        If there is none of that name.
    """
    if name in OWN:
        return _own(name)
    known = tunables.registered()
    if name in known:
        return cast("Target", FromApp(known[name]))
    message = _("There is no target “%(seen)s”; the targets are: %(known)s.") % {
        "seen": str(name)[:60],
        "known": ", ".join(one for one in names() if one not in HIDDEN),
    }
    raise InvalidInput(
        message, code="unknown_target", problems=[FieldProblem("target", "unknown", message)]
    )


def exported(name: str, configuration: Mapping[str, Value]) -> tuple[str, str] | None:
    """Return name and text of the file that holds such settings, where an app has one."""
    found = tunables.registered().get(name)
    return found.exported(configuration) if found else None


@functools.cache
def _own(name: str) -> Target:
    module, member = OWN[name]
    return cast("Target", getattr(import_module(module), member)())


class FromApp:
    """What an app made known, as a target of studies.

    Parameters
    ----------
    tunable
        Settings, figures and the measuring itself.
    """

    def __init__(self, tunable: Tunable) -> None:
        self._tunable = tunable
        self.name, self.title = tunable.name, tunable.title

    def options(self) -> tuple[Option, ...]:
        """Return what can be set."""
        return tuple(
            Option(
                one.name,
                one.kind,
                one.default,
                one.low,
                one.high,
                one.is_log,
                one.choices,
                one.unit,
                one.meaning,
            )
            for one in self._tunable.settings
        )

    def constraints(self) -> tuple[Constraint, ...]:
        """Return nothing: what settings must keep between them is said by :meth:`check`."""
        return ()

    def defaults(self) -> dict[str, Value]:
        """Return the settings that nobody tuned."""
        return defaults(self.options())

    def workloads(self) -> tuple[Workload, ...]:
        """Return what it can be measured on."""
        return tuple(Workload(name, {}, title) for name, title in self._tunable.subjects())

    def workload_options(self) -> tuple[Option, ...]:
        """Return nothing: a subject is as it is."""
        return ()

    def metrics(self) -> tuple[Metric, ...]:
        """Return what a measurement reports."""
        return tuple(
            Metric(one.name, one.title, one.unit, one.direction, one.factor, one.source)
            for one in self._tunable.figures
        )

    def guards(self) -> tuple[Guard, ...]:
        """Return guard-rails: no figure that is not improved may become much worse."""
        return tuple(
            Guard(one.name, 4.0, "at_most", relative=True)
            if one.direction == "lower"
            else Guard(one.name, 0.98, "at_least", relative=True)
            for one in self._tunable.figures[1:]
        )

    def advice(self, values: Mapping[str, float]) -> tuple[Advice, ...]:
        """Return nothing: apps give settings and no advice."""
        return ()

    def check(self, configuration: Mapping[str, object]) -> dict[str, Value]:
        """Return the whole configuration.

        Raises
        ------
        BadConfiguration
            For a setting out of its bounds, or settings that do not go together.
        """
        whole = checked(self.name, self.options(), (), configuration)
        problem = self._tunable.problem(whole)
        if problem:
            rule = Constraint(problem, tuple(whole), lambda _given: False)
            return checked(self.name, self.options(), (rule,), configuration)
        return whole

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
        """Measure one configuration; apps tell their progress and nothing of each second.

        Raises
        ------
        RefusedByEngine
            With what the app said.
        """
        del seen
        if workload.name not in {name for name, _title in self._tunable.subjects()}:
            known = ", ".join(name for name, _title in self._tunable.subjects()) or "none"
            raise UnknownWorkload(
                "unknown_workload", target=self.name, value=repr(workload.name), allowed=known
            )
        started = time.perf_counter()
        try:
            found = self._tunable.measure(
                self.check(configuration),
                workload.name,
                seconds=seconds,
                seed=seed,
                folder=folder,
                beat=beat,
            )
        except NotMeasurable as exc:
            raise RefusedByEngine(str(exc)) from exc
        return Measurement(
            values=dict(found.values),
            samples={
                name: np.asarray(values, dtype=np.float64) for name, values in found.samples.items()
            },
            steady=True,
            why="Each question is asked alone, after a warm-up.",
            disturbed=found.foreign_load > MOST_FOREIGN_LOAD,
            foreign_load=found.foreign_load,
            counters={},
            environment=dict(found.facts),
            seconds=time.perf_counter() - started,
        )


def refused(problem: TuningError) -> InvalidInput:
    """Return an engine's refusal as an error of the product, in the reader's language."""
    message = _(problem.template).format(**problem.params)
    field = str(problem.params.get("option", ""))
    problems = [FieldProblem(field, problem.code, message)] if field else []
    return InvalidInput(message, code=problem.code, problems=problems)


def sentence(error: Exception) -> str:
    """Return what an engine's error says, in English, as a trial keeps it."""
    return str(error.message) if isinstance(error, PortalError) else str(error)
