"""Two targets that need no engine: one with a known optimum, one whose options do nothing.

They are what the machinery of studies and proofs is judged by: it must find the first one's optimum
and must see that there is nothing to find in the second.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from portal.lib.coded import gettext_noop
from tuning.engine.contract import (
    Advice,
    Beat,
    Configuration,
    Guard,
    Measurement,
    Samples,
    Seen,
    Workload,
    silent,
    unseen,
    workload_parameters,
)
from tuning.engine.metrics import Metric, chosen
from tuning.engine.options import Constraint, Option, Value, checked, defaults
from tuning.engine.problems import TuningError

#: The rate of the toy at its optimum, and of the sham always (1/s).
BEST_RATE = 1_000.0
SHORTEST_S = 1.0
_STEPS = 4

_NOISE = Option(
    "noise",
    "real",
    0.05,
    0.0,
    0.5,
    help=gettext_noop("Standard deviation of the logarithm of the rate between trials."),
)


class Simulated(ABC):
    """A target whose rate is a formula times log-normal noise; takes no time to measure."""

    name: str
    title: str

    @abstractmethod
    def options(self) -> tuple[Option, ...]:
        """Return what can be set."""

    @abstractmethod
    def rate(self, configuration: Configuration) -> float:
        """Return the rate without noise (1/s)."""

    def constraints(self) -> tuple[Constraint, ...]:
        """Return what options must keep between them."""
        return ()

    def defaults(self) -> dict[str, Value]:
        """Return the configuration that nobody tuned."""
        return defaults(self.options())

    def workloads(self) -> tuple[Workload, ...]:
        """Return a quiet load and a noisy one."""
        return (
            Workload("plain", help=gettext_noop("Trials differ by about 5 %.")),
            Workload("noisy", {"noise": 0.2}, gettext_noop("Trials differ by about 20 %.")),
        )

    def workload_options(self) -> tuple[Option, ...]:
        """Return the noise."""
        return (_NOISE,)

    def metrics(self) -> tuple[Metric, ...]:
        """Return the rate and a latency that follows from it."""
        return chosen("rate", "put_p99_us")

    def guards(self) -> tuple[Guard, ...]:
        """Return a latency that no sane configuration reaches."""
        return (Guard("put_p99_us", 1e7),)

    def advice(self, values: Mapping[str, float]) -> tuple[Advice, ...]:
        """Return nothing: a search must find a toy's optimum by itself."""
        return ()

    def check(self, configuration: Mapping[str, object]) -> dict[str, Value]:
        """Return the whole configuration."""
        return checked(self.name, self.options(), self.constraints(), configuration)

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
        """Draw one measurement; equal seeds draw equal noise."""
        started = time.perf_counter()
        whole = self.check(configuration)
        noise = float(workload_parameters(self, workload)["noise"])
        if not seconds >= SHORTEST_S:
            raise TuningError("too_short", target=self.name, value=seconds, low=SHORTEST_S)
        generator = np.random.default_rng(seed)
        rate = self.rate(whole) * math.exp(noise * generator.standard_normal())
        per_second: Samples = rate * np.exp(0.02 * generator.standard_normal(max(2, int(seconds))))
        for step in range(_STEPS + 1):
            beat(step / _STEPS, "measure")
        seen({"rate": rate})
        return Measurement(
            values={"rate": rate, "put_p99_us": 1e6 / rate},
            samples={"operations_per_s": per_second},
            steady=True,
            why="A formula is always steady.",
            disturbed=False,
            foreign_load=0.0,
            counters={},
            environment={"folder": folder.name, "simulated": True},
            seconds=time.perf_counter() - started,
        )


class Toy(Simulated):
    """A smooth rate with one known optimum over four options of every kind."""

    name = "toy"
    title = gettext_noop("Toy with a known optimum")
    #: The configuration of `BEST_RATE`.
    best: Mapping[str, Value] = {"buffer": 256, "share": 0.7, "mode": "fast", "cache": True}

    def options(self) -> tuple[Option, ...]:
        """Return four options, one of each kind."""
        return (
            Option(
                "buffer",
                "integer",
                16,
                1,
                4096,
                log=True,
                unit="MiB",
                help=gettext_noop("The rate falls with the square of its logarithm from 256."),
            ),
            Option(
                "share",
                "real",
                0.2,
                0.0,
                1.0,
                help=gettext_noop("The rate falls with the square of its distance from 0.7."),
            ),
            Option(
                "mode",
                "choice",
                "safe",
                choices=("safe", "fast", "odd"),
                help=gettext_noop("Fast is best, safe loses a tenth and odd a third."),
            ),
            Option(
                "cache",
                "switch",
                False,
                help=gettext_noop("Off loses a twentieth."),
            ),
        )

    def constraints(self) -> tuple[Constraint, ...]:
        """Return a rule that the optimum keeps."""
        return (
            Constraint(
                gettext_noop("A buffer over 2,048 MiB needs the cache: switch it on."),
                ("buffer", "cache"),
                lambda given: float(given["buffer"]) <= 2048 or bool(given["cache"]),
            ),
        )

    def rate(self, configuration: Configuration) -> float:
        """Return the rate without noise (1/s)."""
        octaves = math.log2(float(configuration["buffer"]) / 256)
        off = float(configuration["share"]) - 0.7
        mode = {"safe": 0.9, "fast": 1.0, "odd": 0.67}[str(configuration["mode"])]
        cache = 1.0 if configuration["cache"] else 0.95
        return BEST_RATE * mode * cache * math.exp(-0.02 * octaves**2 - off**2)


class Sham(Simulated):
    """Options that do nothing at all: every difference found in it is a false one."""

    name = "sham"
    title = gettext_noop("Sham whose options do nothing")

    def options(self) -> tuple[Option, ...]:
        """Return options without any effect."""
        return (
            Option(
                "dial", "real", 0.5, 0.0, 1.0, help=gettext_noop("Turns and is joined to nothing.")
            ),
            Option(
                "lever",
                "choice",
                "middle",
                choices=("up", "middle", "down"),
                help=gettext_noop("Moves and is joined to nothing."),
            ),
        )

    def rate(self, configuration: Configuration) -> float:
        """Return the same rate for every configuration (1/s)."""
        return BEST_RATE
