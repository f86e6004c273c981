"""What a measurement can report: one table of name, unit, direction, factor and source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from portal.lib.coded import gettext_noop

Direction = Literal["higher", "lower"]
#: The four factors that an objective weighs.
Factor = Literal["throughput", "latency", "accuracy", "scaling"]


@dataclass(frozen=True)
class Metric:
    """A figure of a measurement.

    Attributes
    ----------
    name : str
        Key of ``Measurement.values``.
    title : str
        For people; marked for translation.
    unit : str
        Of the value; empty for a ratio.
    direction : {"higher", "lower"}
        Which is better.
    factor : {"throughput", "latency", "accuracy", "scaling"}
        Which of the four factors it speaks for; space, work and cost are ``scaling``.
    source : str
        Where the number comes from.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    factor: Factor
    source: str

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "higher" else -1

    def better(self, value: float, than: float) -> bool:
        """Whether one value is strictly better than another."""
        return self.sign * value > self.sign * than


_TABLE = (
    Metric(
        "sustainable_rate",
        gettext_noop("Sustainable put rate"),
        "1/s",
        "higher",
        "throughput",
        "puts / (seconds of the run + seconds to drain the compaction debt)",
    ),
    Metric(
        "put_rate",
        gettext_noop("Put rate while loaded"),
        "1/s",
        "higher",
        "throughput",
        "puts / seconds of the run; ignores the debt left behind",
    ),
    Metric(
        "read_rate",
        gettext_noop("Read rate"),
        "1/s",
        "higher",
        "throughput",
        "reads and scans / seconds of the run",
    ),
    Metric(
        "rate",
        gettext_noop("Operation rate"),
        "1/s",
        "higher",
        "throughput",
        "operations / (seconds of the run + seconds to drain the compaction debt)",
    ),
    Metric(
        "put_p50_us",
        gettext_noop("Put latency, median"),
        "µs",
        "lower",
        "latency",
        "histogram of every put",
    ),
    Metric(
        "put_p95_us",
        gettext_noop("Put latency, 95th percentile"),
        "µs",
        "lower",
        "latency",
        "histogram of every put",
    ),
    Metric(
        "put_p99_us",
        gettext_noop("Put latency, 99th percentile"),
        "µs",
        "lower",
        "latency",
        "histogram of every put",
    ),
    Metric(
        "put_p999_us",
        gettext_noop("Put latency, 99.9th percentile"),
        "µs",
        "lower",
        "latency",
        "histogram of every put",
    ),
    Metric(
        "read_p50_us",
        gettext_noop("Read latency, median"),
        "µs",
        "lower",
        "latency",
        "histogram of every read",
    ),
    Metric(
        "read_p99_us",
        gettext_noop("Read latency, 99th percentile"),
        "µs",
        "lower",
        "latency",
        "histogram of every read",
    ),
    Metric(
        "longest_stall_s",
        gettext_noop("Longest stall"),
        "s",
        "lower",
        "latency",
        "the slowest single operation",
    ),
    Metric(
        "stalled_share",
        gettext_noop("Share of time stalled"),
        "",
        "lower",
        "latency",
        "rocksdb.stall.micros over the seconds of the run",
    ),
    Metric(
        "write_amplification",
        gettext_noop("Write amplification"),
        "",
        "lower",
        "scaling",
        "(flushed + compacted bytes written) / bytes of keys and values put; without the log",
    ),
    Metric(
        "read_cost",
        gettext_noop("Blocks read per read"),
        "",
        "lower",
        "scaling",
        "data blocks missed in the cache / reads",
    ),
    Metric(
        "space_bytes",
        gettext_noop("Space after draining"),
        "B",
        "lower",
        "scaling",
        "sizes of the live table files after the debt is drained",
    ),
    Metric(
        "peak_space_bytes",
        gettext_noop("Largest space"),
        "B",
        "lower",
        "scaling",
        "size of the folder, sampled each second",
    ),
    Metric(
        "debt_bytes",
        gettext_noop("Compaction debt at the end of the load"),
        "B",
        "lower",
        "scaling",
        "rocksdb.estimate-pending-compaction-bytes",
    ),
    Metric(
        "drain_s",
        gettext_noop("Time to drain the debt"),
        "s",
        "lower",
        "scaling",
        "from the last operation until nothing is flushed, compacted or pending",
    ),
    Metric(
        "cpu_us_per_operation",
        gettext_noop("CPU per operation"),
        "µs",
        "lower",
        "scaling",
        "user and system time of the measured process, load generator included",
    ),
    Metric(
        "device_write_bytes",
        gettext_noop("Bytes written to the device"),
        "B",
        "lower",
        "scaling",
        "write_bytes of /proc/self/io",
    ),
    Metric(
        "recall",
        gettext_noop("Recall"),
        "",
        "higher",
        "accuracy",
        "share of the true nearest neighbours found",
    ),
    Metric(
        "quality",
        gettext_noop("Quality"),
        "",
        "higher",
        "accuracy",
        "the target's own figure of merit",
    ),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _TABLE}


def chosen(*names: str) -> tuple[Metric, ...]:
    """Return metrics of the table by name."""
    return tuple(METRICS[name] for name in names)
