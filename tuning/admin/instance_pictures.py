"""The pictures of a running engine's page, drawn by the server."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from portal.lib import charts
from tuning.services.courses import Course

#: Rows further apart than so many times their length are not joined; ours.
_GAP = 3.5
_MIB = 1 << 20
_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3600.0, 86_400.0


@dataclass(frozen=True)
class Card:
    """A picture with its heading; an empty picture says that nothing tells these figures."""

    title: str
    note: str
    picture: SafeString


def cards(course: Course) -> list[Card]:
    """Draw everything that was seen over a range of time."""
    is_summed = course.resolution != "second"
    rates = [(_("writes"), "rate", 1.0), (_("reads"), "read_rate", 1.0)]
    rates.append((_("predicted"), "predicted", 1.0))
    if is_summed:
        rates.append((_("highest"), "rate_high", 1.0))
    mib = 1.0 / _MIB
    return [
        Card(
            _("Rate"),
            _("What comes in, beside what the engine is predicted to sustain at most"),
            _drawn(course, _("a second"), rates),
        ),
        Card(
            _("Latency of a write"),
            _("Mean since the statistics before; the 99th percentile is that since the start"),
            _drawn(
                course,
                _("microseconds"),
                [(_("mean"), "write_us", 1.0), (_("99th percentile"), "write_p99_us", 1.0)],
            ),
        ),
        Card(
            _("Flushes and compactions"),
            _("Written by those that ended"),
            _drawn(
                course,
                _("MiB a second"),
                [
                    (_("flushed"), "flushed_bytes_s", mib),
                    (_("compacted"), "compacted_bytes_s", mib),
                ],
            ),
        ),
        Card(
            _("Stalls"),
            _("Share of the time for which writes were held up"),
            _drawn(course, "%", [(_("stalled"), "stalled_share", 100.0)]),
        ),
        Card(
            _("Stalls told"),
            _("How often RocksDB said that it slows down or stops writes, and files of level 0"),
            _drawn(
                course,
                _("count"),
                [(_("stalls"), "n_stalls", 1.0), (_("files of level 0"), "l0_files", 1.0)],
            ),
        ),
        Card(
            _("Processor"),
            _("Of the engine's process"),
            _drawn(course, _("cores"), [(_("cores busy"), "cpu_cores", 1.0)]),
        ),
        Card(
            _("Disk traffic"),
            _("Of the engine's process"),
            _drawn(
                course,
                _("MiB a second"),
                [
                    (_("read from disk"), "read_bytes_s", mib),
                    (_("written to disk"), "written_bytes_s", mib),
                ],
            ),
        ),
        Card(
            _("Memory and space"),
            _("Memory of the process, files in the folder, compaction debt"),
            _drawn(
                course,
                "MiB",
                [
                    (_("memory"), "memory_bytes", mib),
                    (_("folder"), "size_bytes", mib),
                    (_("debt"), "debt_bytes", mib),
                ],
            ),
        ),
    ]


def _drawn(course: Course, unit: str, wanted: Sequence[tuple[str, str, float]]) -> SafeString:
    length_s, name = _scale(course)
    end = course.until.timestamp()
    series = []
    for title, figure, times in wanted:
        known = [
            ((row["at"].timestamp() - end) / length_s, row[figure] * times)
            for row in course.rows
            if row[figure] is not None
        ]
        if known:
            xs, ys = zip(*known, strict=True)
            gap = _GAP * course.length_s / length_s
            series.append(charts.Series(title, xs, ys, gap=gap))
    if not series:
        return mark_safe("")
    chart = charts.Lines(charts.Axes(name, unit, from_zero=True), series)
    return mark_safe(charts.svg(chart))  # noqa: S308 - drawn by us, texts escaped there


def _scale(course: Course) -> tuple[float, str]:
    """Return the unit in which the time before now is counted, and its name."""
    seconds = (course.until - course.since).total_seconds()
    if seconds <= 2 * _HOUR_S:
        return _MINUTE_S, _("minutes before now")
    if seconds <= 2 * _DAY_S:
        return _HOUR_S, _("hours before now")
    return _DAY_S, _("days before now")
